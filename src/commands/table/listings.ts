// The commands on single entries: listings, exemptions and exclusions.
import type { CommandGroup } from '../command.ts'
import { address, json, note, prefix } from './options.ts'

export const listings: CommandGroup = {
  title: 'The list:',
  commands: [
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
          flags: '--kind <kind>',
          description:
            'kind of backscatter, repeatable (default: no kind); for one in policy.publish, DNS also answers its own address',
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
      load: async () => (await import('../lookup.ts')).lookup,
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
      load: async () => (await import('../exception.ts')).exempt,
    },
    {
      name: 'unexempt',
      summary: 'end an exemption',
      description: 'Ends an exemption. Listings inside it and around it take effect again.',
      argument: prefix,
      options: [json],
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
      load: async () => (await import('../exception.ts')).exclude,
    },
    {
      name: 'include',
      summary: 'end an exclusion',
      description: 'Ends an exclusion: listings of the same or a larger prefix apply to it again.',
      argument: prefix,
      options: [json],
      load: async () => (await import('../exception.ts')).include,
    },
  ],
}
