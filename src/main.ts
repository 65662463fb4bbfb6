#!/usr/bin/env node
// Reads the command line and runs the command. This is the only file started by hand and the only one that uses commander.
// Each command's code is loaded only when that command runs, so that short commands start quickly.
import { enableCompileCache } from 'node:module'
import { join } from 'node:path'
import { Argument, Command, CommanderError, Option } from 'commander'
import { type CommandContext, exitCodes, version } from './commands/command.ts'
import { errorFacts, errorLine } from './commands/redact-error.ts'
import { OperationalError } from './errors.ts'

/** One command, as `--help` shows it. */
interface CommandRow {
  readonly name: string
  /** The command's line in the list of commands. */
  readonly summary: string
  readonly description: string
  readonly argument?: Argument
  readonly options?: readonly Option[]
  readonly notes?: string
  readonly subcommands?: readonly CommandRow[]
  /** Loads the command's function. It gets the context, then the argument if there is one, then the options. */
  load?(): Promise<(context: CommandContext, ...given: never[]) => Promise<number>>
}

const json = new Option('--json', 'print JSON')
const jsonLines = new Option('--json', 'print JSON, one object a line')
const note = new Option('--note <text>', 'why; kept in the database')
const prefix = new Argument('<prefix>', 'ADDRESS or ADDRESS/LENGTH')
const address = new Argument('<address>', 'an IPv4 or IPv6 address')
const list = new Option('--list <name>', 'name of the list')
const rbldnsdType = new Option(
  '--type <type>',
  'for format rbldnsd: ip4set, ip4trie or ip6trie (default: IPv4 and IPv6 together)',
)
const formatNames = 'text, csv, ndjson or rbldnsd'

const commands: Readonly<Record<string, readonly CommandRow[]>> = {
  'Run:': [
    {
      name: 'serve',
      summary: 'run the server: DNS, traps and the HTTP interface',
      description:
        'Runs the server: DNS, trap mailboxes and listeners, the HTTP interface and the control socket. When every ' +
        'listener is bound, it prints one line on standard output: "backscatterd ready …". Logs go to standard error. ' +
        'SIGTERM and SIGINT stop the server; SIGHUP makes it read the configuration again and, after a jump of the clock, ' +
        'accept the new time.',
      load: async () => {
        // Without a handler, a SIGHUP during the start would end the process. This handler need not do anything: the
        // configuration is about to be read anyway.
        process.on('SIGHUP', () => undefined)
        return (await import('./commands/serve.ts')).serve
      },
    },
    {
      name: 'check-config',
      summary: 'check the configuration file',
      description:
        'Checks the configuration file and the files that it names. Prints each wrong key by its full name, such as ' +
        'dns.listen, and what was expected. Changes nothing.',
      load: async () => (await import('./commands/check-config.ts')).checkConfig,
    },
    {
      name: 'status',
      summary: 'show the state of the running server',
      description:
        'Shows the state of the running server: serial, freshness, entries, memory, counts of DNS queries, failures of the ' +
        'database, jumps of the clock, networks that forge a trap as the sender, and mailboxes. Exit code ' +
        '1 if no server is running.',
      options: [json],
      load: async () => (await import('./commands/server.ts')).status,
    },
  ],
  'The list:': [
    {
      name: 'add',
      summary: 'list addresses or prefixes by hand',
      description:
        'Lists addresses or prefixes by hand: all of them, or none if one is refused. If a prefix is listed already, its ' +
        'term is extended, never shortened. Refused (exit code 1): special-purpose ranges, exempt or excluded prefixes, ' +
        'and prefixes shorter than policy.shortest4 or policy.shortest6.',
      argument: new Argument(
        '<prefix...>',
        'ADDRESS or ADDRESS/LENGTH; a bare address is a /32 or /128',
      ),
      options: [
        repeatable(
          '--kind <kind>',
          'kind of backscatter, repeatable (default: no kind); for one in policy.publish, DNS also answers its own address',
        ),
        new Option('--reason <text>', 'why; kept in the database, not shown in DNS'),
        new Option(
          '--for <duration>',
          'how long, such as "90s", "1h" or "28d" (default: policy.longestListing)',
        ),
        new Option('--permanent', 'never expire; stay listed until removed'),
        json,
      ],
      notes: `
Kinds: dsn (bounces), auto-reply, challenge-response, content-notice (virus and
spam notices), callout.

Examples:
  backscatterd add 192.0.2.25
  backscatterd add 192.0.2.0/24 2001:db8:7::/64 --kind dsn --for 14d \\
    --reason "ticket 4711"`,
      load: async () => (await import('./commands/listing.ts')).add,
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
      argument: new Argument(
        '<prefix...>',
        'ADDRESS or ADDRESS/LENGTH, each exactly as it is listed',
      ),
      options: [json],
      load: async () => (await import('./commands/listing.ts')).remove,
    },
    {
      name: 'show',
      summary: 'explain why an address is, or was, listed',
      description:
        'Explains whether an address is listed: by which listing, since when, and on what evidence. Exit code 0 whether ' +
        'it is listed or not.',
      argument: address,
      options: [json],
      load: async () => (await import('./commands/show.ts')).show,
    },
    {
      name: 'lookup',
      summary: 'ask a name server, as a mail server would',
      description:
        'Asks the name server for the A and TXT records of an address. Exit code 0: not listed; 3: listed; 1: no answer.',
      argument: address,
      options: [
        new Option('--server <host:port>', 'name server to ask (default: the first of dns.listen)'),
        new Option('--zone <zone>', 'zone to ask in (default: zone.origin)'),
        json,
      ],
      load: async () => (await import('./commands/lookup.ts')).lookup,
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
          load: async () => (await import('./commands/policy.ts')).explainPolicy,
        },
      ],
    },
    {
      name: 'import',
      summary: 'replace a named list by a file',
      description:
        'Replaces all entries of the named list by those of the file. The server goes on answering during the import. A ' +
        'crash leaves either the whole old list or the whole new one. An entry has no kind and never expires unless its ' +
        'line says otherwise. Wrong lines are reported and left out: lines without an address, and prefixes that are ' +
        'special-purpose, exempt, excluded, too short or already expired. Without --force an import is refused if the ' +
        'file is empty, or if the import removes more than half of a list of over 100 entries.',
      argument: new Argument('<file>', 'file with the list'),
      options: [
        new Option(list.flags, `${list.description} (required)`).makeOptionMandatory(),
        new Option(
          '--format <format>',
          `${formatNames} (default: by the file’s extension, else text)`,
        ),
        rbldnsdType,
        new Option('--strict', 'import nothing if any line is wrong'),
        new Option(
          '--force',
          'import even if the file is empty or removes more than half of the list',
        ),
        new Option(
          '--dry-run',
          'change nothing; show what would be added, removed, kept and refused',
        ),
        json,
      ],
      load: async () => (await import('./commands/list.ts')).importList,
    },
    {
      name: 'export',
      summary: 'print a whole list',
      description:
        'Prints one named list or, without --list, everything that is listed and not exempt. The output is a snapshot: ' +
        'changes made meanwhile are not in it.',
      options: [
        list,
        new Option('--format <format>', `${formatNames} (default: text)`),
        rbldnsdType,
      ],
      load: async () => (await import('./commands/list.ts')).exportList,
    },
  ],
  'The database:': [
    {
      name: 'backup',
      summary: 'copy the database while it is in use',
      description: 'Writes a consistent copy of the database. A server may be running meanwhile.',
      argument: new Argument('<file>', 'where to write the copy; the file must not exist yet'),
      load: async () => (await import('./commands/server.ts')).backup,
    },
    {
      name: 'migrate',
      summary: 'update the database to this version’s schema',
      description:
        'Updates the database to the schema of this version and does nothing else. Fails while a server is running. Seldom ' +
        'needed: every command that changes the database updates it first.',
      load: async () => (await import('./commands/server.ts')).migrate,
    },
  ],
  'Exemptions and exclusions:': [
    {
      name: 'exempt',
      summary: 'never list a prefix',
      description:
        'Exempts a prefix: DNS answers no address in it as listed, even if a smaller or a larger prefix is listed.',
      argument: prefix,
      options: [note, json],
      load: async () => (await import('./commands/exception.ts')).exempt,
    },
    {
      name: 'unexempt',
      summary: 'end an exemption',
      description: 'Ends an exemption. Listings inside it and around it take effect again.',
      argument: prefix,
      options: [json],
      load: async () => (await import('./commands/exception.ts')).unexempt,
    },
    {
      name: 'exclude',
      summary: 'keep a prefix out of larger listings',
      description:
        'Takes this prefix out of every listing, present or future, that covers the whole of it. Listings of parts of it ' +
        'still count.',
      argument: prefix,
      options: [note, json],
      load: async () => (await import('./commands/exception.ts')).exclude,
    },
    {
      name: 'include',
      summary: 'end an exclusion',
      description: 'Ends an exclusion: listings of the same or a larger prefix apply to it again.',
      argument: prefix,
      options: [json],
      load: async () => (await import('./commands/exception.ts')).include,
    },
  ],
  'Traps:': [
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
          argument: new Argument(
            '<pattern>',
            'user@example.org, @example.org or *@*.example.org; "-": read from standard input',
          ),
          options: [json],
          load: async () => (await import('./commands/trap.ts')).addTrap,
        },
        {
          name: 'remove',
          summary: 'remove a trap',
          description:
            'Removes a trap that was added by hand. To remove a trap of the configuration, edit the configuration.',
          argument: new Argument(
            '<pattern>',
            'as `trap list` prints it; "-": read from standard input',
          ),
          options: [json],
          load: async () => (await import('./commands/trap.ts')).removeTrap,
        },
        {
          name: 'list',
          summary: 'list every trap',
          description:
            'Lists every trap, and whether it comes from the configuration or was added by hand.',
          options: [json],
          load: async () => (await import('./commands/trap.ts')).listTraps,
        },
      ],
    },
  ],
  'Mail:': [
    {
      name: 'classify',
      summary: 'say whether messages are backscatter, and of which kind',
      description:
        'Says for each message what it is and how certain that is, which rule decided it, which host sent it, and what it reports. Records ' +
        'nothing and needs no database. Exit code 0 whatever the messages are.',
      argument: new Argument(
        '<file...>',
        'message files, mbox files or Maildir folders; "-": read from standard input',
      ),
      options: [
        repeatable(
          '--trusted-relay <host>',
          'one of your own relays, whose Received fields are trusted: a name, *.example.org, an address or a prefix; ' +
            'repeatable (default: trace.trustedRelays; if none is configured, only the topmost Received field with an ' +
            'address is trusted)',
        ),
        new Option('--explain', 'also print the facts that decided; --json always has them'),
        jsonLines,
      ],
      load: async () => (await import('./commands/classify.ts')).classify,
    },
    {
      name: 'ingest',
      summary: 'record the messages of mail files as evidence',
      description:
        'Reads mail files and records each message that was sent to a trap as evidence, like mail that a trap receives. It works through ' +
        'the running server, or on the database if no server is running. The time of a message comes from its newest ' +
        'trusted Received field; without one, from its file. Messages that are already recorded are skipped, so a run can be ' +
        'repeated. The files are not changed.',
      argument: new Argument(
        '<path...>',
        'message files, mbox files (gzipped or not) or Maildir folders',
      ),
      options: [
        new Option(
          '--mailbox <type>',
          'format of the files: maildir, mbox or eml (default: recognised by their content)',
        ),
        repeatable(
          '--trusted-relay <host>',
          'one of your own relays, whose Received fields are trusted; repeatable (default: trace.trustedRelays)',
        ),
        new Option(
          '--all-traps',
          'treat every message as sent to a trap (default: its header must name a trap)',
        ),
        new Option('--dry-run', 'change nothing; show what would be listed and why'),
        new Option(
          '--policy <file>',
          'with --dry-run: compare the configured policy with the [policy] table of this file, and show how the listed ' +
            'hosts differ. The file may be a whole configuration or only that table. Each message is judged at its own ' +
            'time, not now.',
        ),
        jsonLines,
      ],
      load: async () => (await import('./commands/ingest.ts')).ingest,
    },
  ],
  'The HTTP interface:': [
    {
      name: 'key',
      summary: 'manage API keys',
      description:
        'Manages the keys of the HTTP interface. A key of scope read can read the list; write can also change it; collect ' +
        'can only submit messages that a trap received; admin can do everything.',
      subcommands: [
        {
          name: 'create',
          summary: 'create a key and print it',
          description:
            'Creates a key and prints it. It cannot be printed again: only its hash is stored.',
          options: [
            new Option(
              '--name <name>',
              'who uses it; the audit shows this name (required)',
            ).makeOptionMandatory(),
            new Option('--scope <scope>', 'read, write, collect or admin').default('read'),
            new Option(
              '--expires <duration>',
              'how long it is valid, such as "12h" or "90d" (default: until revoked)',
            ),
            json,
          ],
          load: async () => (await import('./commands/key.ts')).createKey,
        },
        {
          name: 'list',
          summary: 'list all keys',
          description: 'Lists all keys, also revoked ones, with the time each was last used.',
          options: [json],
          load: async () => (await import('./commands/key.ts')).listKeys,
        },
        {
          name: 'revoke',
          summary: 'revoke a key',
          description: 'Revokes a key. Requests with it are refused from now on.',
          argument: new Argument(
            '[key]',
            'its id or name, as `key list` prints them; required without --name',
          ),
          options: [
            new Option(
              '--name <name>',
              'name of the key; use it instead of [key] if the name is a number',
            ),
            json,
          ],
          load: async () => (await import('./commands/key.ts')).revokeKey,
        },
      ],
    },
  ],
}

const helpCommand = ['help [command]', 'print the help of a command'] as const

const programNotes = `
The configuration is --config FILE, else $BACKSCATTERD_CONFIG, else
./backscatterd.toml, else /etc/backscatterd/backscatterd.toml. If that file
cannot be read, or if there is none, a command that needs it fails.

Commands that read or change data ask the running server through its control
socket. If no server is running, they open the database themselves.

Exit codes: 0 done; 1 failed or refused, with one line on standard error that
says why; 2 wrong use or wrong configuration. lookup: 0 not listed, 3 listed,
1 no answer.`

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
  await buildProgram().parseAsync()
} catch (error) {
  process.exitCode = report(error)
}

function buildProgram(): Command {
  const program = new Command('backscatterd')
    .description(
      'Lists the hosts that send misdirected bounces, and publishes the list as a DNSBL.',
    )
    .option('--config <file>', 'configuration file (default: the first of those named below)')
    .version(version, '--version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .showSuggestionAfterError(false)
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(oneLine(text)) })
    .addHelpText('after', programNotes)
  const add = (parent: Command, row: CommandRow): void => {
    const command = parent.command(row.name).summary(row.summary).description(row.description)
    if (row.argument !== undefined) command.addArgument(row.argument)
    for (const option of row.options ?? []) command.addOption(option)
    if (row.notes !== undefined) command.addHelpText('after', row.notes)
    if (row.subcommands) command.helpCommand(...helpCommand)
    for (const each of row.subcommands ?? []) add(command, each)
    const { load } = row
    if (load === undefined) return
    command.action(async (...given: unknown[]) => {
      const context: CommandContext = {
        file: program.opts<{ config?: string }>().config,
        env: process.env,
        cwd: process.cwd(),
        write: (text) => process.stdout.write(text),
      }
      const run = await load()
      process.exitCode = await run(context, ...(given as never[]))
    })
  }
  for (const [group, rows] of Object.entries(commands)) {
    program.commandsGroup(group)
    for (const row of rows) add(program, row)
  }
  program.commandsGroup('Help:').helpCommand(...helpCommand)
  return program
}

/** An option that may be given several times; its value is the array of all values given. */
function repeatable(flags: string, description: string): Option {
  return new Option(flags, description).argParser((value, previous: string[] = []) => [
    ...previous,
    value,
  ])
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

/** Commander's "error: unknown option '--x'\n" as one line, with its suggestion if there is one. */
function oneLine(text: string): string {
  const message = text
    .trim()
    .replace(/^error: /, '')
    .split('\n')
    .map((line) => line.trim())
    .join(' ')
  return `backscatterd: ${message} (see backscatterd --help)\n`
}
