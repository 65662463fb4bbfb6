// The commands on traps, and on the mail that they receive.
import type { CommandGroup } from '../command.ts'
import { json, jsonLines } from './options.ts'

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
          load: async () => (await import('../trap.ts')).removeTrap,
        },
        {
          name: 'list',
          summary: 'list every trap',
          description:
            'Lists every trap, and whether it comes from the configuration or was added by hand.',
          options: [json],
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
          description:
            'format of the files: maildir, mbox or eml (default: recognised by their content)',
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
      load: async () => (await import('../ingest.ts')).ingest,
    },
  ],
}
