// The commands on traps, and on the mail that they receive.
import type { CommandGroup } from '../command.ts'
import { json, jsonLines, kind } from './options.ts'

export const traps: CommandGroup = {
  title: 'Traps:',
  commands: [
    {
      name: 'trap',
      summary: 'manage spam-trap addresses',
      description:
        'Manages spam-trap addresses: addresses that never send mail, so that any bounce to them is backscatter. A ' +
        'pattern is user@example.org, @example.org (the whole domain) or *@*.example.org (its subdomains, not itself).',
      subcommands: [
        {
          name: 'add',
          summary: 'add a trap',
          description: 'Adds a trap address or pattern.',
          argument: {
            usage: '<pattern>',
            description:
              'user@example.org, @example.org or *@*.example.org; "-": read from standard input',
          },
          options: [json],
          examples: [
            { command: 'backscatterd trap add nobody@example.org' },
            {
              command: 'backscatterd trap add @trap.example.net',
              does: 'every address of this domain',
            },
          ],
          load: async () => (await import('../trap.ts')).addTrap,
        },
        {
          name: 'remove',
          summary: 'remove a trap',
          description:
            'Removes a trap that was added by hand. To remove a trap of the configuration, edit the configuration.',
          argument: {
            usage: '<pattern>',
            description: 'as `trap list` prints it; "-": read from standard input',
          },
          options: [json],
          examples: [{ command: 'backscatterd trap remove nobody@example.org' }],
          load: async () => (await import('../trap.ts')).removeTrap,
        },
        {
          name: 'list',
          summary: 'list every trap',
          description:
            'Lists every trap, and whether it comes from the configuration or was added by hand.',
          options: [json],
          examples: [{ command: 'backscatterd trap list' }],
          load: async () => (await import('../trap.ts')).listTraps,
        },
      ],
    },
  ],
}

export const mail: CommandGroup = {
  title: 'Mail:',
  commands: [
    {
      name: 'classify',
      summary: 'say whether messages are backscatter, and of which kind',
      description:
        'Says for each message what it is and how certain that is, which rule decided it, which host sent it, and what it reports. Records ' +
        'nothing and needs no database. Exit code 0 whatever the messages are.',
      argument: {
        usage: '<file...>',
        description: 'message files, mbox files or Maildir folders; "-": read from standard input',
      },
      options: [
        {
          flags: '--trusted-relay <host>',
          description:
            'one of your own relays, whose Received fields are trusted: a name, *.example.org, an address or a prefix; ' +
            'repeatable (default: trace.trustedRelays; if none is configured, only the topmost Received field with an ' +
            'address is trusted)',
          isRepeatable: true,
        },
        {
          flags: '--explain',
          description: 'also print the facts that decided; --json always has them',
        },
        jsonLines,
      ],
      examples: [
        { command: 'backscatterd classify bounce.eml --explain' },
        { command: 'backscatterd classify - < bounce.eml' },
      ],
      load: async () => (await import('../classify.ts')).classify,
    },
    {
      name: 'ingest',
      summary: 'record the messages of mail files as evidence',
      description:
        'Reads mail files and records each message that was sent to a trap as evidence, like mail that a trap receives. It works through ' +
        'the running server, or on the database if no server is running. The time of a message comes from its newest ' +
        'trusted Received field; without one, from its file. Messages that are already recorded are skipped, so a run can be ' +
        'repeated. The files are not changed.',
      argument: {
        usage: '<path...>',
        description: 'message files, mbox files (gzipped or not) or Maildir folders',
      },
      options: [
        {
          flags: '--mailbox <type>',
          description: 'format of the files (default: recognised by their content)',
          values: ['maildir', 'mbox', 'eml'],
        },
        {
          flags: '--trusted-relay <host>',
          description:
            'one of your own relays, whose Received fields are trusted; repeatable (default: trace.trustedRelays)',
          isRepeatable: true,
        },
        {
          flags: '--all-traps',
          description:
            'treat every message as sent to a trap (default: its header must name a trap)',
        },
        { flags: '--dry-run', description: 'change nothing; show what would be listed and why' },
        {
          flags: '--policy <file>',
          description:
            'with --dry-run: compare the configured policy with the [policy] table of this file, and show how the listed ' +
            'hosts differ. The file may be a whole configuration or only that table. Each message is judged at its own ' +
            'time, not now.',
        },
        jsonLines,
      ],
      examples: [
        { command: 'backscatterd ingest bounce.eml --dry-run', does: 'show what would be listed' },
        { command: 'backscatterd ingest bounce.eml' },
      ],
      load: async () => (await import('../ingest.ts')).ingest,
    },
    {
      name: 'purge',
      summary: 'take back evidence that should not have counted',
      description:
        'Deletes the recorded messages that match all options, such as those to a trap whose address became known. ' +
        'Listings become what they would be without them: they end, or end earlier. A public notice says so. ' +
        'The trap stays: “backscatterd trap remove” removes it. ' +
        'At least one option is needed.',
      options: [
        { flags: '--trap <pattern>', description: 'messages to this trap' },
        {
          flags: '--mailbox <name>',
          description: 'messages from this mailbox of the configuration',
        },
        {
          flags: '--collector <name>',
          description: 'messages that were sent over HTTP with the key of this name',
        },
        { ...kind, description: 'messages of this kind' },
        {
          flags: '--from <time>',
          description: 'messages from this time on, such as 2026-07-01T00:00:00Z',
        },
        { flags: '--to <time>', description: 'messages before this time' },
        { flags: '--dry-run', description: 'change nothing; show what would end' },
        json,
      ],
      examples: [
        { command: 'backscatterd purge --trap known@trap.example.org --dry-run' },
        { command: 'backscatterd purge --kind auto-reply --from 2026-07-01T00:00:00Z --dry-run' },
      ],
      load: async () => (await import('../purge.ts')).purge,
    },
  ],
}
