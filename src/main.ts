#!/usr/bin/env node
// argv → command; the only file started by hand, and the only one that knows commander. Each command's code is
// loaded when it is called, so that a short command stays short.
import { enableCompileCache } from 'node:module'
import { join } from 'node:path'
import { Command, CommanderError } from 'commander'
import type { AddOptions } from './commands/add.ts'
import type { ClassifyOptions } from './commands/classify.ts'
import { type CommandContext, exitCodes } from './commands/context.ts'
import type { ExportOptions } from './commands/export.ts'
import type { ImportOptions } from './commands/import.ts'
import type { IngestOptions } from './commands/ingest.ts'
import type { CreateKeyOptions } from './commands/key.ts'
import type { LookupOptions } from './commands/lookup.ts'
import { errorFacts, errorLine } from './commands/redact-error.ts'
import { version } from './commands/version.ts'
import { OperationalError } from './errors.ts'

// Compiled code is kept beside the packages, for the threads too: they inherit the environment. Where that cannot be written,
// nothing is kept.
process.env['NODE_COMPILE_CACHE'] ??= join(
  import.meta.dirname,
  '../node_modules/.cache/backscatterd',
)
enableCompileCache()

/** Exit code 2 stands for these; every other OperationalError is work that failed: 1. */
const wrongUseCodes: readonly string[] = ['usage-invalid', 'config-invalid']

/** A reader that has seen enough (`| head`) ends our output, not our work. */
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') return
    if (stream === process.stdout)
      process.stderr.write(`backscatterd: standard output: ${error.message}\n`)
    process.exit(exitCodes.failed)
  })
}

const programNotes = `
The configuration is --config FILE, else $BACKSCATTERD_CONFIG, else ./backscatterd.toml, else
/etc/backscatterd/backscatterd.toml. One that cannot be read is an error, and none is one too.

Commands that read or change data go through the running server's control socket; without a server
they work on the database itself.

Exit codes: 0 done; 1 failed or refused, with one line on standard error that says why; 2 wrong use or
wrong configuration. lookup: 0 not listed, 3 listed, 1 no answer.`

const addNotes = `
Kinds: dsn (bounces), auto-reply, challenge-response, content-notice (virus and spam notices), callout.

Examples:
  backscatterd add 192.0.2.25
  backscatterd add 192.0.2.0/24 2001:db8:7::/64 --kind dsn --for 14d --reason "ticket 4711"`

const exceptionNotes = {
  exempt:
    'The prefix, and everything in it, is never listed: an exemption beats every listing, at any length.',
  unexempt: 'Ends an exemption; listings that it covered are answered again.',
  exclude:
    'Leaves a hole in a covering listing, present or to come. The longest match decides: a longer listing inside the ' +
    'hole still holds.',
  include: 'Ends an exclusion.',
} as const

try {
  await buildProgram().parseAsync()
} catch (error) {
  process.exitCode = report(error)
}

function buildProgram(): Command {
  const program = new Command('backscatterd')
    .description(
      'Lists the hosts that send misdirected bounces, and publishes the list as a DNSBL.',
    )
    .option('--config <file>', 'configuration file (else the usual places, see below)')
    .version(version, '--version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .showSuggestionAfterError(false)
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(oneLine(text)) })
    .addHelpText('after', programNotes)

  const context = (): CommandContext => ({
    file: program.opts<{ config?: string }>().config,
    env: process.env,
    cwd: process.cwd(),
    write: (text) => process.stdout.write(text),
  })
  const finish = async (exitCode: Promise<number>): Promise<void> => {
    process.exitCode = await exitCode
  }

  program.commandsGroup('Run:')
  program
    .command('serve')
    .summary('answer DNS, hear the traps, and take commands')
    .description(
      'Runs the server: DNS, trap listeners, mailboxes and the control socket. Prints one line "backscatterd ready …" ' +
        'on standard output when everything is bound; logs go to standard error. SIGTERM and SIGINT stop it.',
    )
    .action(async () => {
      // It asks for the configuration to be read, which is about to be done, and would end the process.
      process.on('SIGHUP', () => undefined)
      await finish((await import('./commands/serve.ts')).serve(context()))
    })
  program
    .command('check-config')
    .summary('check the configuration file')
    .description(
      'Reads the configuration, names each wrong key with its path and what was expected. Changes nothing.',
    )
    .action(async () => finish((await import('./commands/check-config.ts')).checkConfig(context())))
  program
    .command('status')
    .summary('what the running server says of itself')
    .description(
      'Asks the running server for its serial, entries, memory and mailboxes. Without a server: exit code 1.',
    )
    .option('--json', 'print JSON')
    .action(async (options: Json) =>
      finish((await import('./commands/status.ts')).status(context(), options)),
    )

  program.commandsGroup('The list:')
  program
    .command('add')
    .summary('list addresses or prefixes by hand')
    .argument('<prefix...>', 'ADDRESS or ADDRESS/LENGTH; a bare address is a /32 or /128')
    .description(
      'Lists by hand. Several arguments are listed all or none. What is listed already is extended, never shortened. ' +
        'Refused (exit code 1): special-purpose ranges, exempt prefixes, prefixes shorter than policy.shortest4 or shortest6.',
    )
    .option(
      '--kind <kind>',
      'kind of backscatter, for the DNS code; repeatable (default: none, code 127.0.0.2 alone)',
      collect,
    )
    .option('--reason <text>', 'why, for the record; not shown in DNS')
    .option('--for <duration>', 'how long: "90s", "1h", "28d" (default: policy.longestListing)')
    .option('--permanent', 'until removed')
    .option('--json', 'print JSON')
    .addHelpText('after', addNotes)
    .action(async (prefixes: string[], options: AddOptions) =>
      finish((await import('./commands/add.ts')).add(context(), prefixes, options)),
    )
  program
    .command('remove')
    .summary('take entries off the list')
    .argument('<prefix...>', 'exactly the prefixes that are listed')
    .description(
      'Delists exactly these entries, whoever listed them; all or none. When only a covering prefix is listed, that is ' +
        'named and nothing changes (exit code 1): see exclude. Evidence from before a removal no longer counts. What is removed ' +
        'from a named list is back when that list is imported again.',
    )
    .option('--json', 'print JSON')
    .action(async (prefixes: string[], options: Json) =>
      finish((await import('./commands/remove.ts')).remove(context(), prefixes, options)),
    )
  program
    .command('show')
    .summary('why an address is, or was, listed')
    .argument('<address>', 'an IPv4 or IPv6 address')
    .description(
      'Explains an address: listed or not, by what, since when, on what evidence. Exit code 0 either way.',
    )
    .option('--json', 'print JSON')
    .action(async (address: string, options: Json) =>
      finish((await import('./commands/show.ts')).show(context(), address, options)),
    )
  program
    .command('lookup')
    .summary('ask over DNS, as a mail server would')
    .argument('<address>', 'an IPv4 or IPv6 address')
    .description(
      'Asks the name server for the address’s A and TXT records. Exit code 0: not listed; 3: listed; 1: no answer.',
    )
    .option('--server <host:port>', 'name server to ask (default: the first of dns.listen)')
    .option('--zone <zone>', 'zone to ask in (default: zone.origin)')
    .option('--json', 'print JSON')
    .action(async (address: string, options: LookupOptions) =>
      finish((await import('./commands/lookup.ts')).lookup(context(), address, options)),
    )

  program
    .command('import')
    .summary('take in a whole named list')
    .argument('<file>', 'the list')
    .requiredOption('--list <name>', 'name of the list')
    .description(
      'Replaces what the named list held by the file, while the server goes on answering: a crash leaves the old list or ' +
        'the new one, whole. Entries have no kind and no end unless their line says so. Wrong lines (no address, ' +
        'special-purpose, exempt, excluded, over already, too short) are named and left out. An import that is empty, or takes ' +
        'away more than half of a list of over 100 entries, is refused without --force.',
    )
    .option(
      '--format <format>',
      'text, csv, ndjson or rbldnsd (default: by the file’s extension, else text)',
    )
    .option('--type <type>', 'of format rbldnsd: ip4set, ip4trie or ip6trie')
    .option('--strict', 'the first wrong line refuses all of it')
    .option('--force', 'also when it is empty, or takes away most of the list')
    .option('--dry-run', 'change nothing, and say what would be added, removed, kept and refused')
    .option('--json', 'print JSON')
    .action(async (file: string, options: ImportOptions) =>
      finish((await import('./commands/import.ts')).importList(context(), file, options)),
    )
  program
    .command('export')
    .summary('put out a whole list')
    .description(
      'Prints a named list, or without a name everything that is listed and not exempt, as of one moment.',
    )
    .option('--list <name>', 'name of the list')
    .option('--format <format>', 'text, csv, ndjson or rbldnsd (default: text)')
    .option('--type <type>', 'of format rbldnsd: ip4set, ip4trie or ip6trie')
    .action(async (options: ExportOptions) =>
      finish((await import('./commands/export.ts')).exportList(context(), options)),
    )

  program.commandsGroup('The database:')
  program
    .command('backup')
    .summary('copy the database while it is in use')
    .argument('<file>', 'the copy; it must not exist')
    .description('Copies the database as of one moment, whether a server runs or not.')
    .action(async (file: string) =>
      finish((await import('./commands/backup.ts')).backup(context(), file)),
    )
  program
    .command('migrate')
    .summary('bring the database to this version’s schema')
    .description('Does what every start does, without starting. Not while a server runs.')
    .action(async () => finish((await import('./commands/backup.ts')).migrate(context())))

  program.commandsGroup('What is never listed:')
  const exceptions = [
    ['exempt', 'never list a prefix, at any length', true],
    ['unexempt', 'end an exemption', false],
    ['exclude', 'leave a hole in a covering listing', true],
    ['include', 'end an exclusion', false],
  ] as const
  for (const [name, summary, takesNote] of exceptions) {
    const command = program
      .command(name)
      .summary(summary)
      .description(exceptionNotes[name])
      .argument('<prefix>', 'ADDRESS or ADDRESS/LENGTH')
      .option('--json', 'print JSON')
      .action(async (prefix: string, options: Json & { note?: string }) =>
        finish(
          (await import('./commands/exceptions.ts')).changeException(
            context(),
            name,
            prefix,
            options,
          ),
        ),
      )
    if (takesNote) command.option('--note <text>', 'why, for the record')
  }

  program.commandsGroup('Traps:')
  const trap = program
    .command('trap')
    .summary('spam-trap addresses')
    .description(
      'Spam-trap addresses: addresses that never send mail, so that any bounce to them is backscatter. A pattern is ' +
        'user@example.org, @example.org (the whole domain) or *@*.example.org (its subdomains, not itself).',
    )
  trap
    .command('add')
    .description('Adds a trap address or pattern.')
    .argument(
      '<pattern>',
      'user@example.org, @example.org or *@*.example.org; - for standard input',
    )
    .option('--json', 'print JSON')
    .action(async (pattern: string, options: Json) =>
      finish((await import('./commands/trap.ts')).addTrap(context(), pattern, options)),
    )
  trap
    .command('remove')
    .description(
      'Removes a trap that was added by hand. One of the configuration is removed there.',
    )
    .argument('<pattern>', 'as `trap list` prints it; - for standard input')
    .option('--json', 'print JSON')
    .action(async (pattern: string, options: Json) =>
      finish((await import('./commands/trap.ts')).removeTrap(context(), pattern, options)),
    )
  trap
    .command('list')
    .description(
      'Prints every trap, and whether it comes from the configuration or was added by hand.',
    )
    .option('--json', 'print JSON')
    .action(async (options: Json) =>
      finish((await import('./commands/trap.ts')).listTraps(context(), options)),
    )

  program.commandsGroup('Mail:')
  program
    .command('classify')
    .summary('what messages are: backscatter of which kind, or what else')
    .argument('<file...>', 'message files, mbox files, Maildir folders; - for standard input')
    .description(
      'Says for each message what it is and by which rule, which host handed it over, and what it reports. Records ' +
        'nothing and needs no database. Exit code 0 whatever the messages are.',
    )
    .option(
      '--trusted-relay <host>',
      'a relay of ours whose Received fields are believed: a name, *.example.org, an address or a prefix; repeatable ' +
        '(default: trace.trustedRelays; none there: the topmost Received field that carries an address is our own)',
      collect,
    )
    .option('--json', 'print JSON, one object a line')
    .action(async (files: string[], options: ClassifyOptions) =>
      finish((await import('./commands/classify.ts')).classify(context(), files, options)),
    )
  program
    .command('ingest')
    .summary('record the messages of mail files as evidence')
    .argument('<path...>', 'message files, mbox files (gzipped too), Maildir folders')
    .description(
      'Reads mail files once and records what was sent to traps, as if it came in now: through the running server, or ' +
        'into the database itself. A message’s time is that of the newest trusted Received field, else the file’s; what ' +
        'is recorded already is passed over, so that a run can be repeated. The files stay as they are.',
    )
    .option('--mailbox <type>', 'what the paths hold: maildir, mbox or eml (default: as they look)')
    .option(
      '--trusted-relay <host>',
      'a relay of ours whose Received fields are believed; repeatable (default: trace.trustedRelays)',
      collect,
    )
    .option('--all-traps', 'every message was for a trap; else its fields must name one')
    .option('--dry-run', 'tell what would be listed and why, and change nothing')
    .option(
      '--policy <file>',
      'with --dry-run: replay the mail, each message as of its time, under the present policy and under the [policy] ' +
        'of this file (a whole configuration, or that table alone), and show the difference',
    )
    .option('--json', 'print JSON, one object a line')
    .action(async (paths: string[], options: IngestOptions) =>
      finish((await import('./commands/ingest.ts')).ingest(context(), paths, options)),
    )

  program.commandsGroup('The HTTP interface:')
  const key = program
    .command('key')
    .summary('API keys')
    .description(
      'Keys for the HTTP interface. Scope read sees the list, write changes it, collect only sends messages that a trap ' +
        'heard, admin does everything.',
    )
  key
    .command('create')
    .description('Makes a key and prints it, this once: only its hash is kept.')
    .requiredOption('--name <name>', 'who uses it; stands in the audit')
    .option('--scope <scope>', 'read, write, collect or admin', 'read')
    .option('--expires <duration>', 'for how long: "12h", "90d" (default: until revoked)')
    .option('--json', 'print JSON')
    .action(async (options: CreateKeyOptions) =>
      finish((await import('./commands/key.ts')).createKey(context(), options)),
    )
  key
    .command('list')
    .description('Prints every key, revoked ones too, and when each was last used.')
    .option('--json', 'print JSON')
    .action(async (options: Json) =>
      finish((await import('./commands/key.ts')).listKeys(context(), options)),
    )
  key
    .command('revoke')
    .description('Ends a key at once.')
    .argument('[key]', 'its id or name, as `key list` prints them')
    .option('--name <name>', 'its name')
    .option('--json', 'print JSON')
    .action(async (which: string | undefined, options: Json & { name?: string }) =>
      finish((await import('./commands/key.ts')).revokeKey(context(), which, options)),
    )
  program.commandsGroup('Help:').helpCommand('help [command]', 'print the help of a command')
  return program
}

interface Json {
  json?: true
}

function collect(value: string, previous: string[] = []): string[] {
  return [...previous, value]
}

/** Says on standard error what stopped the command, and gives the exit code for it. */
function report(error: unknown): number {
  if (error instanceof CommanderError)
    return error.exitCode === 0 ? exitCodes.done : exitCodes.wrongUse
  if (!(error instanceof OperationalError)) {
    // Beyond a terminal it is read by more than the operator, and its text may hold what a message says.
    const told = process.stderr.isTTY ? error : errorLine(errorFacts(error))
    console.error('backscatterd: this is a bug:', told)
    return exitCodes.failed
  }
  // A wrong configuration is a line for each fault, each beginning with the file's name.
  const isList = error.code === 'config-invalid'
  console.error(isList ? error.message : `backscatterd: ${error.message}`)
  return wrongUseCodes.includes(error.code) ? exitCodes.wrongUse : exitCodes.failed
}

/** Commander's "error: unknown option '--x'\n", with its suggestion on the same line. */
function oneLine(text: string): string {
  const message = text
    .trim()
    .replace(/^error: /, '')
    .replaceAll(/\s*\n\s*/g, ' ')
  return `backscatterd: ${message} (see backscatterd --help)\n`
}
