// `ingest`: records the messages of some files as evidence, through the running server or in the database. This process
// opens the files, a thread parses the messages, and the resulting evidence is recorded in batches. With --dry-run it is
// recorded in a temporary copy of the database.
import { maxEvidence, type NewEvidence, type Recorded, type Trap } from '../admin/schemas/traps.ts'
import { trapMatcher } from '../blocklist/traps.ts'
import type { Evidence } from '../classify/evidence.ts'
import { type Config, loadConfig } from '../config/load.ts'
import { silent } from '../errors.ts'
import { formatAddress } from '../ip/address.ts'
import type { Trace } from '../mail/trace.ts'
import { formatTimestamp, wallClockSeconds } from '../quantity.ts'
import type { ReadMessage } from '../traps/message-reader.ts'
import { verdictFields } from './classify.ts'
import { allItems, type Client, expectDone, withClient } from './client.ts'
import { type CommandContext, exitCodes, type Json, wrongUse } from './command.ts'
import { printable } from './format.ts'
import { IngestSummary } from './ingest-summary.ts'
import { type FoundMessage, type MailboxType, messagesIn, octetsIn } from './message-files.ts'
import { authenticitySources } from './options.ts'
import { Progress } from './progress.ts'
import { keepOldSpaceSmall } from './v8-flags.ts'

interface IngestOptions extends Json {
  readonly mailbox?: MailboxType
  readonly trustedRelay?: readonly string[]
  readonly allTraps?: true
  readonly dryRun?: true
  readonly policy?: string
}

/** Records evidence and resolves with the decision on each piece. */
type EvidenceSink = (evidence: readonly Evidence[]) => Promise<readonly Decided[]>

interface Decided {
  readonly decision: string
  readonly why: string
  readonly listing?: { readonly prefix: string; readonly state: string }
}

/** A parsed message, without its octets. It has no evidence if it was not sent to a trap. */
interface Ingested extends ReadMessage {
  readonly trace: Trace
  readonly found: Pick<FoundMessage, 'file' | 'index'>
}

const source = 'ingest'
/** Messages recorded in one commit. A commit for each message would take longer than everything else. */
const batchSize = 200
/** Messages given to the thread at a time. Meanwhile the next ones are read from disk. */
const messagesAtOnce = 8

/**
 * Records every message to a trap. Messages that were recorded before are skipped, so an interrupted run can be repeated.
 * Throws OperationalError `mailbox-failed` at a file that cannot be read, after recording the messages before it.
 */
export async function ingest(
  context: CommandContext,
  paths: readonly string[],
  options: IngestOptions,
): Promise<number> {
  const { mailbox: type, dryRun, policy, json } = options
  if (policy !== undefined && !dryRun) throw wrongUse('--policy needs --dry-run')
  keepOldSpaceSmall()
  const config = loadConfig(context)
  const progress = new Progress(
    await octetsIn(paths, type),
    ({ pieces, seconds }) => `${pieces} messages, ${Math.round(pieces / seconds)} a second`,
  )
  const write = (text: string) => progress.above(() => context.write(text))
  const read = (isTrap: (address: string) => boolean) =>
    readAll({ paths, type, progress, config, options, isTrap })
  const result = async (): Promise<string> => {
    if (policy !== undefined) {
      const { comparePolicies } = await import('./dry-run.ts')
      return await comparePolicies(context, config, { file: policy, json, read })
    }
    if (dryRun) {
      const { copyDatabase } = await import('./dry-run.ts')
      using copy = copyDatabase(config)
      const { blocklist } = copy
      const messages = read((address) => blocklist.isTrap(address))
      return await deliver(messages, (evidence) => blocklist.record(evidence), options, write)
    }
    return await withClient(config, async (client) => {
      const match = trapMatcher(await allItems<Trap>(client, '/v1/traps'))
      const messages = read((address) => match(address) !== undefined)
      return await deliver(messages, (evidence) => sendEvidence(client, evidence), options, write)
    })
  }
  try {
    const text = await result()
    progress.end(true)
    context.write(text)
  } finally {
    progress.end(false)
  }
  return exitCodes.done
}

interface Reading {
  readonly paths: readonly string[]
  readonly type: MailboxType | undefined
  readonly progress: Progress
  readonly config: Config
  readonly options: IngestOptions
  isTrap(address: string): boolean
}

/** Reads the messages of all files in order. Throws at a file that cannot be read, after yielding the messages before it. */
async function* readAll(reading: Reading): AsyncGenerator<Ingested> {
  const { paths, type, progress, config, options, isTrap } = reading
  const [{ MessageReader }, { storedDelivery }, { parseTrustedRelays }] = await Promise.all([
    import('../traps/message-reader.ts'),
    import('../traps/delivery.ts'),
    import('../mail/trace.ts'),
  ])
  const relays = parseTrustedRelays(options.trustedRelay ?? config.trace.trustedRelays)
  const allTraps = options.allTraps === true
  const now = wallClockSeconds()
  const reader = new MessageReader({ authenticity: authenticitySources(config), log: silent })
  const read = async ({ file, index, raw, storedAt }: FoundMessage): Promise<Ingested> => {
    const stored = { raw, storedAt, source, allTraps }
    const { named: _, ...delivered } = storedDelivery(stored, {
      relays,
      list: { isTrap },
      now: () => now,
    })
    const outcome = await reader.read({ raw, delivered, isStored: false, now })
    progress.advance(raw.length, 1)
    return { ...outcome, trace: delivered.trace, found: { file, index } }
  }
  const begun: Promise<Ingested>[] = []
  let fault: unknown
  try {
    try {
      for await (const found of messagesIn(paths, type)) {
        begun.push(handled(read(found)))
        const first = begun.length === messagesAtOnce ? begun.shift() : undefined
        if (first !== undefined) yield await first
      }
    } catch (error) {
      fault = error
    }
    for (const message of begun) yield await message
    if (fault !== undefined) throw fault
  } finally {
    await reader.close()
  }
}

/** Returns the promise, whose rejection no longer counts as unhandled. For a promise that is awaited only later. */
function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined)
  return promise
}

/** Sends evidence to the server. Resolves after the commit, with the decision on each piece. */
async function sendEvidence(client: Client, evidence: readonly Evidence[]): Promise<Recorded[]> {
  if (evidence.length > maxEvidence) return await sendInHalves(client, evidence)
  const items = evidence.map(evidenceBody)
  const reply = await client.request('POST', '/v1/evidence', { items })
  // Long details of many messages can make the body too large.
  if (reply.status === 413 && evidence.length > 1) return await sendInHalves(client, evidence)
  return expectDone<{ items: Recorded[] }>(reply).items
}

async function sendInHalves(client: Client, evidence: readonly Evidence[]): Promise<Recorded[]> {
  const half = Math.ceil(evidence.length / 2)
  const first = await sendEvidence(client, evidence.slice(0, half))
  return [...first, ...(await sendEvidence(client, evidence.slice(half)))]
}

function evidenceBody({ client, seenAt, details, addressed, ...rest }: Evidence): NewEvidence {
  return {
    ...rest,
    ...(addressed && {
      addressed: { to: [...addressed.to], returnedAuthors: [...addressed.returnedAuthors] },
    }),
    client: client && formatAddress(client),
    seenAt: formatTimestamp(seenAt),
    details: { ...details },
  }
}

/**
 * Records all messages in batches, while the next batch is read, and prints the decision on each message. Resolves with the
 * summary, empty with --json.
 */
async function deliver(
  messages: AsyncIterable<Ingested>,
  sink: EvidenceSink,
  options: IngestOptions,
  write: (text: string) => void,
): Promise<string> {
  const summary = new IngestSummary({ isDryRun: options.dryRun === true })
  let batch: Ingested[] = []
  let recording = Promise.resolve()
  const flush = async (): Promise<void> => {
    await recording
    recording = handled(record(batch, sink, options, summary, write))
    batch = []
  }
  try {
    for await (const message of messages) {
      batch.push(message)
      if (batch.length >= batchSize) await flush()
    }
  } finally {
    await flush()
    await recording
  }
  return options.json ? '' : summary.inWords()
}

/** Records one batch and prints the decisions. */
async function record(
  batch: readonly Ingested[],
  sink: EvidenceSink,
  { json, dryRun }: IngestOptions,
  summary: IngestSummary,
  write: (text: string) => void,
): Promise<void> {
  const evidence = batch.flatMap((each) => each.evidence)
  const decisions = evidence.length === 0 ? [] : await sink(evidence)
  let position = 0
  let text = ''
  for (const { found, classification, trace, evidence: pieces } of batch) {
    if (pieces.length === 0) summary.add('stranger')
    const client = trace.client && formatAddress(trace.client)
    const fields = json && verdictFields(found, classification, client)
    if (pieces.length === 0 && fields) {
      const why = 'none of its recipients is a trap'
      text += `${JSON.stringify({ ...fields, recipient: null, decision: 'ignored', why })}\n`
    }
    for (const { recipient } of pieces) {
      const { decision = '', why = '', listing } = decisions[position++] ?? {}
      summary.add(decision, why)
      if (fields) {
        // In the output of `ingest --json` there is no "duplicate": it is shown as "ignored".
        const shown = decision === 'duplicate' ? 'ignored' : decision
        text += `${JSON.stringify({ ...fields, recipient, decision: shown, why })}\n`
      } else if (decision === 'listed') {
        const is = dryRun ? 'would be listed' : 'is listed'
        const shadow = listing?.state === 'shadow' ? ', but not published' : ''
        const place = found.index === 0 ? found.file : `${found.file} [${found.index}]`
        text += `${listing?.prefix} ${is}${shadow}: ${printable(why)} (${printable(place)})\n`
      }
    }
  }
  if (text !== '') write(text)
}
