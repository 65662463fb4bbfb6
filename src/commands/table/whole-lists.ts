// The commands on whole lists.
import type { CommandGroup, CommandOption } from '../command.ts'
import { json, list } from './options.ts'

// As in feeds/, which is not imported here so that short commands start quickly.
const importFormats = ['text', 'csv', 'ndjson', 'rbldnsd']
const exportFormats = [...importFormats, 'bind']

const rbldnsdType: CommandOption = {
  flags: '--type <type>',
  description: 'for format rbldnsd (default: IPv4 and IPv6 together)',
  values: ['ip4set', 'ip4trie', 'ip6trie'],
}

export const wholeLists: CommandGroup = {
  title: 'Whole lists:',
  commands: [
    {
      name: 'import',
      summary: 'replace a named list by a file',
      description:
        'Replaces all entries of the named list by those of the file. The server goes on answering during the import. A ' +
        'crash leaves either the whole old list or the whole new one. An entry has no kind and never expires unless its ' +
        'line says otherwise. Wrong lines are reported and left out: lines without an address, and prefixes that are ' +
        'special-purpose, exempt, excluded, too short or already expired. Without --force an import is refused if the ' +
        'file is empty, or if the import removes more than half of a list of over 100 entries.',
      argument: {
        usage: '<file>',
        description: 'file with the list; "-": read from standard input',
      },
      options: [
        { ...list, description: `${list.description} (required)`, isRequired: true },
        {
          flags: '--format <format>',
          description: 'format of the file (default: by its extension, else text)',
          values: importFormats,
        },
        rbldnsdType,
        { flags: '--strict', description: 'import nothing if any line is wrong' },
        {
          flags: '--force',
          description: 'import even if the file is empty or removes more than half of the list',
        },
        {
          flags: '--dry-run',
          description: 'change nothing; show what would be added, removed, kept and refused',
        },
        json,
      ],
      examples: [
        {
          command: 'backscatterd import list.txt --list drop --dry-run',
          does: 'show what would change',
        },
        { command: 'backscatterd import list.txt --list drop' },
      ],
      load: async () => (await import('../list.ts')).importList,
    },
    {
      name: 'export',
      summary: 'print a whole list',
      description:
        'Prints one named list or, without --list, everything that is listed and not exempt. The output is a snapshot: ' +
        'changes made meanwhile are not in it.',
      options: [
        list,
        {
          flags: '--format <format>',
          description: 'format of the output; bind: a zone file',
          values: exportFormats,
          initial: 'text',
        },
        rbldnsdType,
      ],
      examples: [
        { command: 'backscatterd export --list drop' },
        { command: 'backscatterd export --format rbldnsd > bl.rbldnsd' },
        {
          command: 'backscatterd export --format bind > bl.zone',
          does: 'for BIND, Knot, NSD, PowerDNS',
        },
      ],
      load: async () => (await import('../list.ts')).exportList,
    },
    {
      name: 'lists',
      summary: 'show the named lists',
      description:
        'Shows every named list with the time of its last import and the number of entries that it had then.',
      options: [json],
      examples: [{ command: 'backscatterd lists' }],
      load: async () => (await import('../named-lists.ts')).showLists,
    },
  ],
}
