// The thread that takes messages apart: octets in, verdict and evidence out. One message computes at a time; while it
// waits for DNS another one does.
import { parentPort, workerData } from 'node:worker_threads'
import { Resolver } from '../resolver/resolver.ts'
import type { AuthenticityOptions } from './authenticity.ts'
import { KnownMessageIds } from './message-ids.ts'
import { type ReaderData, type ReadJob, type ReadResult, sharedWords } from './message-reader.ts'
import { readMessage } from './read-message.ts'
import { nameOf } from './reading-mark.ts'
import { type Share, Turns } from './reading-turns.ts'

const { authenticity, condemned, shared } = workerData as ReaderData
const resolver =
  authenticity && authenticity.servers.length > 0
    ? new Resolver({ servers: authenticity.servers })
    : undefined
const ourMessageIds =
  authenticity?.messageIdFile === undefined
    ? undefined
    : new KnownMessageIds(authenticity.messageIdFile)
// That the file is long is no message's fault.
const turns = new Turns(sharedWords(shared), () => ourMessageIds?.refresh())

async function read({ number, raw, delivered, isStored, now }: ReadJob): Promise<ReadResult> {
  const share = turns.share(number, resolver)
  await share.begin()
  try {
    if (isStored && condemned.length > 0 && condemned.includes(nameOf(raw))) {
      return { number, isCondemned: true }
    }
    return { number, ...(await readMessage(raw, delivered, checksFor(share, now))) }
  } finally {
    share.end()
  }
}

function checksFor(share: Share, now: number): AuthenticityOptions | undefined {
  if (authenticity === undefined) return undefined
  const { batvKey } = authenticity
  return {
    ...(resolver && { resolver: share }),
    ...(batvKey && { batvKey }),
    ...(ourMessageIds && { isOurMessageId: (id) => ourMessageIds.has(id) }),
    now: () => now,
  }
}

// What rejects ends the thread: the message that was being read is to blame.
parentPort?.on('message', async (job: ReadJob) => {
  parentPort?.postMessage(await read(job))
})
