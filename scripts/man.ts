// Writes the man page data/backscatterd.8 from the table of commands. A test checks that it is current. Run: npm run man
import { writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import {
  type CommandArgument,
  type CommandOption,
  type CommandRow,
  type Program,
  version,
} from '../src/commands/command.ts'
import { program } from '../src/commands/table/table.ts'

export const manFile = resolve(import.meta.dirname, '../data/backscatterd.8')

/** The page in the macros of man(7). */
export function manPage({ about, options, notes, groups }: Program): string {
  const lines = [
    '.\\" Made by npm run man from src/commands/table.',
    `.TH BACKSCATTERD 8 "" "backscatterd ${version}" "System Administration"`,
    '.SH NAME',
    'backscatterd \\- list the hosts that send misdirected bounces, as a DNSBL',
    '.SH SYNOPSIS',
    '.B backscatterd',
    `[${usage('--config <file>')}] ${usage('<command>')} [${usage('<option>')}]\\&... [${usage('<argument>')}]\\&...`,
    '.SH DESCRIPTION',
    text(about),
    ...notes.flatMap((note) => ['.PP', text(note)]),
    '.SH OPTIONS',
    ...options.flatMap(optionLines),
    ...optionLines({ flags: '--version', description: 'print the version' }),
    ...optionLines({
      flags: '--help',
      description: 'print the help of the program or of a command',
    }),
    '.SH COMMANDS',
    ...groups.flatMap(({ title, commands }) => [
      `.SS ${text(title.replace(/:$/, ''))}`,
      ...commands.flatMap((row) => commandLines(row)),
    ]),
    '.SH FILES',
    '.TP',
    '.I /etc/backscatterd/backscatterd.toml',
    'The configuration, if no other is named and there is none in the working folder.',
    '.SH SEE ALSO',
    text('The guide in data/guide of the program’s folder.'),
  ]
  return `${lines.join('\n')}\n`
}

function commandLines(row: CommandRow, above = ''): string[] {
  const { argument, options = [], subcommands = [], notes, examples = [] } = row
  const name = `${above}${row.name}`
  if (subcommands.length > 0) {
    return [
      '.TP',
      `.B ${text(name)}`,
      text(row.description),
      ...subcommands.flatMap((each) => commandLines(each, `${name} `)),
    ]
  }
  const parameters = [argument && usage(argument.usage)].filter(Boolean)
  return [
    '.TP',
    [
      `\\fB${text(name)}\\fR`,
      ...(options.length > 0 ? [`[${usage('<option>')}]\\&...`] : []),
      ...parameters,
    ].join(' '),
    text(row.description),
    ...(notes === undefined ? [] : ['.IP', text(notes)]),
    ...indented([...argumentLines(argument), ...options.flatMap(optionLines)]),
    ...(examples.length === 0 ? [] : indented(exampleLines(examples))),
  ]
}

function argumentLines(argument: CommandArgument | undefined): string[] {
  if (argument === undefined) return []
  return ['.TP', usage(argument.usage), text(argument.description + allowed(argument.values))]
}

function optionLines({ flags, description, values, initial }: CommandOption): string[] {
  const standard = initial === undefined ? '' : ` (default: ${initial})`
  return ['.TP', usage(flags), text(description + allowed(values) + standard)]
}

function allowed(values: readonly string[] | undefined): string {
  return values === undefined ? '' : `: ${values.join(', ')}`
}

function exampleLines(examples: NonNullable<CommandRow['examples']>): string[] {
  return [
    '.PP',
    examples.length > 1 ? 'Examples:' : 'Example:',
    '.EX',
    ...examples.flatMap(({ command, does }) => [
      ...(does === undefined ? [] : [`    # ${text(does)}`]),
      ...command.split('\n').map((line) => `    ${text(line)}`),
    ]),
    '.EE',
  ]
}

function indented(lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ['.RS', ...lines, '.RE']
}

/** "--list <name>" with the words to type in bold and those to replace in italics. */
function usage(flags: string): string {
  const words = flags.split(' ').map((word) => {
    const [, name, more = ''] = /^[<[](.*?)(\.\.\.)?[>\]]$/.exec(word) ?? []
    return name === undefined ? `\\fB${text(word)}\\fR` : `\\fI${text(name)}\\fR${more && '\\&...'}`
  })
  return words.join(' ')
}

/** Escapes text: no character of it is a command to roff, and a hyphen stays one that can be copied. */
function text(plain: string): string {
  return plain
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll("'", '\\(aq')
    .replace(/^\./, '\\&.')
}

if (import.meta.main) writeFileSync(manFile, manPage(program))
