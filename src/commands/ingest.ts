// `ingest`: the messages of some files into the evidence, through the running server or into the database itself. This
// process opens the files, a thread of it takes the messages apart; what has been read goes on in batches. With --dry-run
// it goes into a copy of the database that is thrown away.
import type { Trace, TrustedRelays } from '../bounce/received.ts'
import type { Config } from '../config/load.ts'
import { loadConfig } from '../config/load.ts'
import { silent } from '../errors.ts'
import { formatAddress } from '../ip/address.ts'
import type { ReadMessage } from '../traps/read-message.ts'
import { authenticitySources } from './authenticity-sources.ts'
import { verdictFields } from './classify.ts'
import { withClient } from './client.ts'
import { type CommandContext, exitCodes, wrongUse } from './context.ts'
import { evidenceSink, readTraps } from './evidence-sink.ts'
import { printable } from './format.ts'
import {
  type FoundMessage,
  type MailboxType,
  mailboxTypes,
  messagesIn,
  octetsIn,
} from './message-files.ts'
import { type Progress, startProgress } from './progress.ts'
import { keepOldSpaceSmall } from './v8-flags.ts'

export interface IngestOptions {
  readonly mailbox?: string
  readonly trustedRelay?: readonly string[]
  readonly allTraps?: true
  readonly dryRun?: true
  readonly policy?: string
  readonly json?: true
}

/** Where evidence goes: it answers what was, or would be, decided on each piece. */
export type EvidenceSink = (evidence: ReadMessage['evidence']) => Promise<readonly Decided[]>

interface Decided {
  readonly decision: string
  readonly why: string
  readonly listing?: { readonly prefix: string; readonly state: string }
}

/** One file's message, read: its octets are let go. No evidence: it was for no trap. */
export interface Ingested extends ReadMessage {
  readonly trace: Trace
  readonly found: Pick<FoundMessage, 'file' | 'index'>
}

const source = 'ingest'
/** So many messages go on together: a commit for each would be most of the work. */
const batchSize = 200

/**
 * Records every message for a trap; what is recorded already is passed over, so that a run that was broken off can be
 * repeated. Throws OperationalError `mailbox-failed` for what cannot be read, with the messages before it recorded.
 */
export async function ingest(
  context: CommandContext,
  paths: readonly string[],
  options: IngestOptions,
): Promise<number> {
  const { dryRun, policy } = options
  const type = mailboxType(options.mailbox)
  if (policy !== undefined && !dryRun) throw wrongUse('--policy goes with --dry-run alone')
  keepOldSpaceSmall()
  const config = loadConfig(context)
  const octets = await octetsIn(paths, type)
  const progress = startProgress(octets, 'messages')
  const read = (isTrap: (address: string) => boolean) =>
    readAll({ paths, progress, config, options, isTrap, ...(type && { type }) })
  const aboveBar = {
    ...context,
    write: (text: string) => progress.above(() => context.write(text)),
  }
  if (policy !== undefined) {
    const { comparePolicies } = await import('./policy-comparison.ts')
    await comparePolicies(context, config, { file: policy, json: options.json === true, read })
  } else if (dryRun) {
    const { copyDatabase } = await import('./dry-run.ts')
    using rehearsal = await copyDatabase(config)
    const { blocklist } = rehearsal
    const match = blocklist.trapMatcher()
    const messages = read((address) => match(address) !== undefined)
    await deliver(aboveBar, messages, (evidence) => blocklist.record(evidence), options)
  } else {
    await withClient(config, async (client) => {
      const isTrap = await readTraps(client)
      await deliver(aboveBar, read(isTrap), evidenceSink(client), options)
    })
  }
  return exitCodes.done
}

function mailboxType(text: string | undefined): MailboxType | undefined {
  const type = mailboxTypes.find((each) => each === text)
  if (text !== undefined && type === undefined) {
    throw wrongUse(`--mailbox ${text}: expected one of ${mailboxTypes.join(', ')}`)
  }
  return type
}

interface Reading {
  readonly paths: readonly string[]
  readonly type?: MailboxType
  readonly progress: Progress
  readonly config: Config
  readonly options: IngestOptions
  isTrap(address: string): boolean
}

/** So many messages are with the thread together: while one is read, the next ones are fetched. */
const messagesAtOnce = 8

async function* readAll(reading: Reading): AsyncGenerator<Ingested> {
  const { paths, type, progress, config, options, isTrap } = reading
  const [{ MessageReader }, { storedDelivery }, { parseTrustedRelays }] = await Promise.all([
    import('../traps/message-reader.ts'),
    import('../traps/delivery.ts'),
    import('../bounce/received.ts'),
  ])
  const relays: TrustedRelays = parseTrustedRelays(
    options.trustedRelay ?? config.trace.trustedRelays,
  )
  const allTraps = options.allTraps === true
  const now = Math.floor(Date.now() / 1000)
  const reader = new MessageReader({ authenticity: authenticitySources(config), log: silent })
  const read = async ({ file, index, raw, storedAt }: FoundMessage): Promise<Ingested> => {
    const stored = { raw, storedAt, source, allTraps }
    const { named: _, ...delivered } = storedDelivery(stored, { relays, isTrap, now: () => now })
    const outcome = await reader.read({ raw, delivered, isStored: false, now })
    progress.advance(raw.length, 1)
    return { ...outcome, trace: delivered.trace, found: { file, index } }
  }
  const begun: Promise<Ingested>[] = []
  let fault: { readonly error: unknown } | undefined
  let isComplete = false
  try {
    try {
      for await (const found of messagesIn(paths, type)) {
        const message = read(found)
        // Awaited in its turn; what it fails with until then is no unhandled rejection.
        message.catch(() => undefined)
        begun.push(message)
        if (begun.length >= messagesAtOnce) yield await taken(begun)
      }
    } catch (error) {
      fault = { error }
    }
    // What was found before a fault is recorded too.
    while (begun.length > 0) yield await taken(begun)
    if (fault !== undefined) throw fault.error
    isComplete = true
  } finally {
    progress.end(isComplete)
    await reader.close()
  }
}

async function taken(begun: Promise<Ingested>[]): Promise<Ingested> {
  const [first] = begun.splice(0, 1)
  if (first === undefined) throw new Error('nothing was begun')
  return await first
}

interface Tally {
  readonly counts: Record<string, number>
  messages: number
  strangers: number
}

/** Sends everything on in batches, the next one read while one is recorded, and prints what became of each message. */
async function deliver(
  context: CommandContext,
  messages: AsyncIterable<Ingested>,
  sink: EvidenceSink,
  options: IngestOptions,
): Promise<void> {
  const tally: Tally = { counts: {}, messages: 0, strangers: 0 }
  let batch: Ingested[] = []
  let sending: Promise<void> = Promise.resolve()
  const flush = async (): Promise<void> => {
    await sending
    sending = record(context, batch, sink, options, tally)
    // Awaited at the next flush; what it fails with until then is no unhandled rejection.
    sending.catch(() => undefined)
    batch = []
  }
  try {
    for await (const message of messages) {
      batch.push(message)
      if (batch.length >= batchSize) await flush()
    }
  } finally {
    await flush()
    await sending
  }
  if (!options.json) context.write(summary(tally, options.dryRun === true))
}

async function record(
  context: CommandContext,
  batch: readonly Ingested[],
  sink: EvidenceSink,
  { json, dryRun }: IngestOptions,
  tally: Tally,
): Promise<void> {
  const evidence = batch.flatMap((each) => each.evidence)
  const decisions = evidence.length === 0 ? [] : await sink(evidence)
  let position = 0
  let text = ''
  for (const { found, classification, trace, evidence: pieces } of batch) {
    tally.messages++
    if (pieces.length === 0) tally.strangers++
    const client = trace.client && formatAddress(trace.client)
    const fields = json ? verdictFields(found, classification, client) : undefined
    if (pieces.length === 0 && fields) {
      const why = 'none of its recipients is a trap'
      text += `${JSON.stringify({ ...fields, recipient: null, decision: 'ignored', why })}\n`
    }
    for (const { recipient } of pieces) {
      const { decision = '', why = '', listing } = decisions[position++] ?? {}
      tally.counts[decision] = (tally.counts[decision] ?? 0) + 1
      if (fields) {
        // A message that is here already changes nothing.
        const shown = decision === 'duplicate' ? 'ignored' : decision
        text += `${JSON.stringify({ ...fields, recipient, decision: shown, why })}\n`
      } else if (decision === 'listed') {
        const is = dryRun ? 'would be listed' : 'is listed'
        const shadow = listing?.state === 'shadow' ? ', but not published' : ''
        text += `${listing?.prefix} ${is}${shadow}: ${printable(why)} (${place(found)})\n`
      }
    }
  }
  if (text !== '') context.write(text)
}

function place({ file, index }: Ingested['found']): string {
  return printable(index === 0 ? file : `${file} [${index}]`)
}

function summary({ counts, messages, strangers }: Tally, isRehearsal: boolean): string {
  const parts = [
    [counts['listed'], isRehearsal ? 'would list a host' : 'listed a host'],
    [counts['extended'], isRehearsal ? 'would extend a listing' : 'extended a listing'],
    [counts['counted'], 'only count'],
    [counts['ignored'], 'prove nothing'],
    [counts['duplicate'], 'were recorded before'],
    [strangers, 'were for no trap'],
  ].filter(([count]) => (count ?? 0) !== 0)
  const rest = parts.map(([count, what]) => `${count} ${what}`).join(', ')
  const what = messages === 1 ? 'message' : 'messages'
  return `${messages} ${what}${rest === '' ? '' : `: ${rest}`}.\n`
}
