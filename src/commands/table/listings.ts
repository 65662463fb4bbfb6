// The commands on single entries: listings, exemptions and exclusions.
import type { CommandArgument, CommandGroup, CommandOption } from '../command.ts'
import { address, json, kind, limit, list, note, prefix } from './options.ts'

const request: CommandArgument = {
  usage: '<id>',
  description: 'id of the request, as `removals` prints it',
}
const decisionReason: CommandOption = {
  flags: '--reason <text>',
  description: 'why; kept with the request, not told to the requester',
}

export const listings: CommandGroup = {
  title: 'The list:',
  commands: [
    {
      name: 'list',
      summary: 'show what is listed',
      description:
        'Shows listings as a table: first those by hand and by traps, the newest first unless --sort says otherwise, then the entries of named lists. ' +
        'Only listings that match all options are shown.',
      options: [
        { ...kind, description: 'listings of this kind' },
        {
          flags: '--state <state>',
          description: 'listings in this state; held and shadow ones are not in DNS',
          values: ['listed', 'held', 'shadow', 'expired', 'removed', 'all'],
          initial: 'listed',
        },
        {
          flags: '--origin <origin>',
          description: 'listings by traps, by hand or by imports',
          values: ['trap', 'manual', 'import'],
        },
        { ...list, description: 'entries of this named list' },
        { flags: '--prefix <prefix>', description: 'this prefix and what is inside it' },
        {
          flags: '--sort <order>',
          description: 'order of those by hand and by traps; with --prefix it is always address',
          values: ['newest', 'ending', 'address'],
        },
        { ...limit, description: 'how many listings to show at most', initial: '1000' },
        json,
      ],
      examples: [
        { command: 'backscatterd list' },
        { command: 'backscatterd list --origin trap --kind dsn' },
        { command: 'backscatterd list --prefix 192.88.100.0/24 --state all' },
      ],
      load: async () => (await import('../listing.ts')).listListings,
    },
    {
      name: 'add',
      summary: 'list addresses or prefixes by hand',
      description:
        'Lists addresses or prefixes by hand: all of them, or none if one is refused. If a prefix is listed already, its ' +
        'term is extended, never shortened. Refused (exit code 1): special-purpose ranges, exempt or excluded prefixes, ' +
        'and prefixes shorter than policy.shortest4 or policy.shortest6.',
      argument: {
        usage: '<prefix...>',
        description: 'ADDRESS or ADDRESS/LENGTH; a bare address is a /32 or /128',
      },
      options: [
        {
          ...kind,
          description:
            'kind of backscatter, repeatable (default: no kind); DNS also answers the code of each kind that is in policy.publish',
          isRepeatable: true,
        },
        { flags: '--reason <text>', description: 'why; kept in the database, not shown in DNS' },
        {
          flags: '--for <duration>',
          description: 'how long, such as "90s", "1h" or "28d" (default: policy.longestListing)',
        },
        { flags: '--permanent', description: 'never expire; stay listed until removed' },
        json,
      ],
      notes:
        'Kinds: dsn (bounces), auto-reply, challenge-response, content-notice (virus and spam notices), callout.',
      examples: [
        { command: 'backscatterd add 192.88.100.25' },
        { command: 'backscatterd add 192.88.100.0/24 3100:4711:7::/64 --kind dsn --for 14d' },
        { command: 'backscatterd add 192.88.100.77 --permanent --reason "ticket 4711"' },
      ],
      load: async () => (await import('../listing.ts')).add,
    },
    {
      name: 'remove',
      summary: 'take entries off the list',
      description:
        'Removes exactly these entries, whoever listed them: all of them, or none if one is not listed (exit code 1). If ' +
        'a prefix is not listed itself but lies in a larger entry, the error names that entry; “backscatterd exclude” takes ' +
        'the prefix out of it. ' +
        'Evidence from before the removal no longer counts. An entry of a named list comes back when that list is ' +
        'imported again.',
      argument: {
        usage: '<prefix...>',
        description: 'ADDRESS or ADDRESS/LENGTH, each exactly as it is listed',
      },
      options: [json],
      examples: [{ command: 'backscatterd remove 192.88.100.25' }],
      load: async () => (await import('../listing.ts')).remove,
    },
    {
      name: 'show',
      summary: 'explain why an address is, or was, listed',
      description:
        'Explains whether an address is listed: by which listing, since when, and on what evidence. Exit code 0 whether ' +
        'it is listed or not.',
      argument: address,
      options: [json],
      examples: [{ command: 'backscatterd show 192.88.100.25' }],
      load: async () => (await import('../show.ts')).show,
    },
    {
      name: 'lookup',
      summary: 'ask a name server, as a mail server would',
      description:
        'Asks the name server for the A and TXT records of an address. Exit code 0: not listed; 3: listed; 1: no answer.',
      argument: address,
      options: [
        {
          flags: '--server <host:port>',
          description: 'name server to ask (default: the first of dns.listen)',
        },
        { flags: '--zone <zone>', description: 'zone to ask in (default: zone.origin)' },
        json,
      ],
      examples: [
        {
          command: 'backscatterd lookup 127.0.0.2',
          does: 'the test entry, which is always listed',
        },
        { command: 'backscatterd lookup 192.88.100.25' },
      ],
      load: async () => (await import('../lookup.ts')).lookup,
    },
    {
      name: 'removals',
      summary: 'decide on requests to be removed',
      description:
        'Shows the requests to be removed that the policy leaves to you, and decides on them. Anyone may send such a ' +
        'request over HTTP. What the policy allows is removed at once; “removals list --state removed” shows it.',
      subcommands: [
        {
          name: 'list',
          summary: 'list the requests',
          description: 'Lists the requests, the newest first.',
          isDefault: true,
          options: [
            {
              flags: '--state <state>',
              description: 'requests in this state; obsolete: the listing ended before a decision',
              values: ['queued', 'removed', 'refused', 'obsolete', 'all'],
              initial: 'queued',
            },
            json,
          ],
          examples: [
            { command: 'backscatterd removals' },
            { command: 'backscatterd removals list --state all' },
          ],
          load: async () => (await import('../removal.ts')).listRemovals,
        },
        {
          name: 'approve',
          summary: 'remove the listing',
          description:
            'Removes the listing that the request is about. Evidence from before no longer counts.',
          argument: request,
          options: [decisionReason, json],
          load: async () => (await import('../removal.ts')).approveRemoval,
        },
        {
          name: 'refuse',
          summary: 'keep the listing',
          description: 'Refuses the request. The address stays listed for its term.',
          argument: request,
          options: [decisionReason, json],
          load: async () => (await import('../removal.ts')).refuseRemoval,
        },
      ],
    },
    {
      name: 'policy',
      summary: 'explain what the policy makes of an address',
      description: 'Explains what the policy makes of an address.',
      subcommands: [
        {
          name: 'explain',
          summary: 'say what counts, what does not, and what would list or free an address',
          description:
            'Says which messages of an address count and which do not, and why; what would list it or extend its listing; ' +
            'and what would free it. Names no trap. Exit code 0 whether it is listed or not.',
          argument: address,
          options: [json],
          notes:
            'A message is certain if its form proves what it is, and likely if only its words do. A listing has a term. Each ' +
            'new episode of messages doubles the term, up to policy.longestListing.',
          examples: [{ command: 'backscatterd policy explain 192.88.100.25' }],
          load: async () => (await import('../policy.ts')).explainPolicy,
        },
      ],
    },
  ],
}

export const exceptions: CommandGroup = {
  title: 'Exemptions and exclusions:',
  commands: [
    {
      name: 'exempt',
      summary: 'never list a prefix',
      description:
        'Exempts a prefix: DNS answers no address in it as listed, even if a smaller or a larger prefix is listed.',
      argument: prefix,
      options: [note, json],
      examples: [{ command: 'backscatterd exempt 192.88.100.128/25 --note "our own relays"' }],
      load: async () => (await import('../exception.ts')).exempt,
    },
    {
      name: 'unexempt',
      summary: 'end an exemption',
      description: 'Ends an exemption. Listings inside it and around it take effect again.',
      argument: prefix,
      options: [json],
      examples: [{ command: 'backscatterd unexempt 192.88.100.128/25' }],
      load: async () => (await import('../exception.ts')).unexempt,
    },
    {
      name: 'exclude',
      summary: 'keep a prefix out of larger listings',
      description:
        'Takes this prefix out of every listing, present or future, that covers the whole of it. Listings of parts of it ' +
        'still count.',
      argument: prefix,
      options: [note, json],
      examples: [{ command: 'backscatterd exclude 192.88.100.7 --note "repairs its server"' }],
      load: async () => (await import('../exception.ts')).exclude,
    },
    {
      name: 'include',
      summary: 'end an exclusion',
      description: 'Ends an exclusion: listings of the same or a larger prefix apply to it again.',
      argument: prefix,
      options: [json],
      examples: [{ command: 'backscatterd include 192.88.100.7' }],
      load: async () => (await import('../exception.ts')).include,
    },
    {
      name: 'exemptions',
      summary: 'show what is never listed',
      description: 'Shows the exempt prefixes, the newest first.',
      options: [json],
      examples: [{ command: 'backscatterd exemptions' }],
      load: async () => (await import('../exception.ts')).exemptions,
    },
    {
      name: 'exclusions',
      summary: 'show what is kept out of larger listings',
      description: 'Shows the excluded prefixes, the newest first.',
      options: [json],
      examples: [{ command: 'backscatterd exclusions' }],
      load: async () => (await import('../exception.ts')).exclusions,
    },
  ],
}
