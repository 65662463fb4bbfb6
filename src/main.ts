#!/usr/bin/env node
// Reads the command line and runs the command. This is the only file started by hand and the only one that uses commander.
// Each command's code is loaded only when that command runs, so that short commands start quickly.
import { enableCompileCache } from 'node:module'
import { join } from 'node:path'
import { Argument, Command, CommanderError, Option } from 'commander'
import {
  type CommandArgument,
  type CommandContext,
  type CommandOption,
  type CommandRow,
  exitCodes,
  version,
  wrongUse,
} from './commands/command.ts'
import { wrapText } from './commands/format.ts'
import { errorFacts, errorLine } from './commands/redact-error.ts'
import { program } from './commands/table/table.ts'
import { OperationalError } from './errors.ts'

const helpCommand = ['help [command]', 'print the help of a command'] as const

/** OperationalErrors with these codes give exit code 2; all others give 1. */
const wrongUseCodes: readonly string[] = ['usage-invalid', 'config-invalid']

// Node caches compiled code in this folder, so that the next start is quicker. The environment variable makes threads use it
// too. If the folder cannot be written, nothing is cached.
process.env['NODE_COMPILE_CACHE'] ??= join(
  import.meta.dirname,
  '../node_modules/.cache/backscatterd',
)
enableCompileCache()

// When the reader of our output goes away (`| head`), the command still finishes its work.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') return
    if (stream === process.stdout)
      process.stderr.write(`backscatterd: standard output: ${error.message}\n`)
    process.exit(exitCodes.failed)
  })
}

try {
  await buildProgram().parseAsync(helpLast(process.argv.slice(2)), { from: 'user' })
} catch (error) {
  process.exitCode = report(error)
}

function buildProgram(): Command {
  const root = new Command('backscatterd').description(program.about)
  for (const option of program.options) root.addOption(optionOf(option))
  root
    .version(version, '--version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .exitOverride()
    .addHelpText('after', program.notes.map((note) => `\n${wrapText(note).join('\n')}`).join('\n'))
    .addHelpText('beforeAll', ({ command }) => refuseUnknown(command))
  tellHelp(root)
  const add = (parent: Command, row: CommandRow): void => {
    const command = parent
      .command(row.name, { isDefault: row.isDefault === true })
      .summary(row.summary)
      .description(row.description)
    tellHelp(command)
    if (row.argument !== undefined) command.addArgument(argumentOf(row.argument))
    for (const option of row.options ?? []) command.addOption(optionOf(option))
    command.addHelpText('after', helpNotes(row))
    if (row.subcommands) command.helpCommand(...helpCommand)
    for (const each of row.subcommands ?? []) add(command, each)
    const { load } = row
    if (load === undefined) return
    command.action(async (...given: unknown[]) => {
      const context: CommandContext = {
        file: root.opts<{ config?: string }>().config,
        env: process.env,
        cwd: process.cwd(),
        program,
        write: (text) => process.stdout.write(text),
      }
      const run = await load()
      process.exitCode = await run(context, ...(given as never[]))
    })
  }
  for (const { title, commands } of program.groups) {
    root.commandsGroup(title)
    for (const row of commands) add(root, row)
  }
  root.commandsGroup('Help:').helpCommand(...helpCommand)
  return root
}

/** `help key create` → `key create --help`: Commander's own `help` reads only the first word. */
function helpLast([first, ...rest]: readonly string[]): string[] {
  if (first === undefined) return []
  return first === 'help' && rest.length > 1 ? [...rest, '--help'] : [first, ...rest]
}

/** Makes `key nonsense --help` and `help nonsense` errors: for them Commander prints the help of the whole. */
function refuseUnknown(command: Command): string {
  const [first] = command.args.filter((each) => each !== 'help')
  const isUnknown = first !== undefined && command.commands.length > 0 && !first.startsWith('-')
  if (isUnknown) command.parse([first], { from: 'user' })
  return ''
}

function argumentOf({ usage, description, values }: CommandArgument): Argument {
  const argument = new Argument(usage, description)
  if (values !== undefined) argument.choices(values).argParser(oneOf(values))
  return argument
}

function optionOf(row: CommandOption): Option {
  const { flags, description, isRequired, isRepeatable, initial, values } = row
  const option = new Option(flags, description).makeOptionMandatory(isRequired === true)
  if (initial !== undefined) option.default(initial)
  const check = values === undefined ? (value: string) => value : oneOf(values, `${option.long} `)
  if (values !== undefined) option.choices(values).argParser(check)
  if (isRepeatable) {
    option.argParser((value, previous: string[] = []) => [...previous, check(value)])
  }
  return option
}

/** Checks a value against the allowed ones, and returns it. `flag` stands before it in the error. */
function oneOf(values: readonly string[], flag = ''): (value: string) => string {
  return (value) => {
    if (values.includes(value)) return value
    throw wrongUse(`${flag}${value}: expected one of ${values.join(', ')}`)
  }
}

/** What `--help` prints below the options: the notes, then the examples. */
function helpNotes({ notes, examples = [] }: CommandRow): string {
  const lines = examples.flatMap(({ command, does }) => [
    ...(does === undefined ? [] : [`  # ${does}`]),
    `  ${command.replaceAll('\n', '\n  ')}`,
  ])
  const paragraphs = [
    notes && wrapText(notes).join('\n'),
    lines.length > 0 && `Examples:\n${lines.join('\n')}`,
  ]
  return paragraphs
    .map((each) => each && `\n${each}\n`)
    .filter(Boolean)
    .join('')
    .trimEnd()
}

/** Prints an error on standard error and returns its exit code. */
function report(error: unknown): number {
  if (error instanceof CommanderError)
    return error.exitCode === 0 ? exitCodes.done : exitCodes.wrongUse
  if (!(error instanceof OperationalError)) {
    // The full error may quote mail, so only a terminal shows it. A file or pipe may be read by others than the operator.
    const told = process.stderr.isTTY ? error : errorLine(errorFacts(error))
    console.error('backscatterd: this is a bug:', told)
    return exitCodes.failed
  }
  // For a wrong configuration the message has one line for each fault, and each begins with the name of the file.
  const isList = error.code === 'config-invalid'
  console.error(isList ? error.message : `backscatterd: ${error.message}`)
  return wrongUseCodes.includes(error.code) ? exitCodes.wrongUse : exitCodes.failed
}

/** Makes errors of the command's usage name the command's own help. */
function tellHelp(command: Command): void {
  command.configureOutput({
    outputError: (text, write) => write(oneLine(text, pathOf(command))),
  })
}

/** "backscatterd key create". */
function pathOf(command: Command): string {
  return command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`
}

/** Commander's "error: unknown option '--x'\n" as one line, with its suggestion if there is one. */
function oneLine(text: string, path: string): string {
  const message = text
    .trim()
    .replace(/^error: /, '')
    .split('\n')
    .map((line) => line.trim())
    .join(' ')
  return `backscatterd: ${message} (see ${path} --help)\n`
}
