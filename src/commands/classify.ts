// `classify`: prints for each message of some files what it is, which rule decided, which host sent it and what it reports.
// Needs neither a database nor a server.
import type { Classification } from '../classify/classify.ts'
import { findConfig, loadConfig } from '../config/load.ts'
import { formatAddress } from '../ip/address.ts'
import { type CommandContext, exitCodes, type Json } from './command.ts'
import { formatColumns, printable } from './format.ts'
import { type FoundMessage, messagesIn } from './message-files.ts'

interface ClassifyOptions extends Json {
  readonly explain?: true
  readonly trustedRelay?: readonly string[]
}

/**
 * With `--json`, prints one object a line for each message. Throws OperationalError `mailbox-failed` at a file that cannot be
 * read, after printing the messages before it, and `config-invalid` if the configuration has faults.
 */
export async function classify(
  context: CommandContext,
  paths: readonly string[],
  options: ClassifyOptions,
): Promise<number> {
  const [{ classify: classifyMessage }, { parseMessage }, received] = await Promise.all([
    import('../classify/classify.ts'),
    import('../mail/message.ts'),
    import('../mail/trace.ts'),
  ])
  const relays = received.parseTrustedRelays(options.trustedRelay ?? configuredRelays(context))
  for await (const found of messagesIn(paths)) {
    const message = parseMessage(found.raw)
    const verdict = classifyMessage(message)
    const trace = received.traceStored(message.header, relays)
    const client = trace.client && formatAddress(trace.client)
    context.write(
      options.json
        ? `${JSON.stringify(verdictFields(found, verdict, client))}\n`
        : asText(found, verdict, client, message.subject, options.explain),
    )
  }
  return exitCodes.done
}

/** trace.trustedRelays of the configuration, or none if there is no configuration. */
function configuredRelays(context: CommandContext): readonly string[] {
  return findConfig(context) === undefined ? [] : loadConfig(context).trace.trustedRelays
}

/** The members that `--json` prints for a message, in this order. */
export function verdictFields(
  { file, index }: Pick<FoundMessage, 'file' | 'index'>,
  verdict: Classification,
  client: string | null,
) {
  const { backscatter, kind, certainty, notBackscatter, rule, facts } = verdict
  const { generator, dsn, returned, viaList } = verdict
  return {
    file,
    index,
    backscatter,
    kind,
    certainty,
    notBackscatter,
    rule,
    facts,
    client,
    generator,
    dsn,
    returned,
    viaList,
  }
}

function asText(
  { file, index }: FoundMessage,
  verdict: Classification,
  client: string | null,
  subject: string,
  explain: true | undefined,
): string {
  const { kind, certainty, notBackscatter, rule, generator, dsn, returned, viaList } = verdict
  const what =
    kind === null ? `not backscatter (${notBackscatter})` : `backscatter (${kind}), ${certainty}`
  const failed = [dsn?.action, dsn?.status, dsn?.diagnosticCode].filter((each) => each != null)
  const more = dsn !== null && dsn.recipients > 1 ? ` and ${dsn.recipients - 1} more` : ''
  const said: readonly (readonly [string, string | null | undefined])[] = [
    ['rule', rule],
    ...(explain ? factRows(verdict) : []),
    [
      'sent by',
      viaList
        ? `${client ?? 'unknown'}, through a mailing list: proves nothing`
        : (client ?? 'unknown'),
    ],
    ['generator', generator],
    ['subject', subject],
    ['reporting', dsn?.reportingMta],
    ['recipient', dsn?.finalRecipient == null ? null : `${dsn.finalRecipient}${more}`],
    ['failure', failed.join(' ') || null],
    ['returned', returned === null ? null : (returned.subject ?? '(no subject)')],
    ['  from', returned?.from],
    ['  message-id', returned?.messageId],
    ['  handed over by', returned?.origin],
  ]
  const rows = said.flatMap(([name, text]) => (text ? [[name, shortened(printable(text))]] : []))
  const place = index === 0 ? file : `${file} [${index}]`
  return `${printable(place)}: ${what}\n${formatColumns(rows, '  ')}`
}

/** One row for each fact. */
function factRows({ facts }: Classification): (readonly [string, string])[] {
  if (facts.length === 0) return [['facts', 'none']]
  return facts.map((fact, index) => [index === 0 ? 'facts' : '', fact])
}

function shortened(text: string): string {
  return text.length <= 160 ? text : `${text.slice(0, 159)}…`
}
