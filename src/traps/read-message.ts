// A message's octets and how it came → what it is, and the evidence it gives. Takes the message apart, so it runs where
// nobody else waits: in the message reader's thread, or in a command's own process.
import { type Classification, classify } from '../bounce/classify.ts'
import { type Evidence, evidenceOf } from '../bounce/evidence.ts'
import { parseMessage } from '../bounce/message.ts'
import { type AuthenticityOptions, checkAuthenticity } from './authenticity.ts'
import type { Delivered } from './delivery.ts'

export interface ReadMessage {
  readonly classification: Classification
  /** One for each trap that it was sent to. */
  readonly evidence: readonly Evidence[]
}

/** Classifies a message; its evidence has one piece for each trap. Records nothing. Never throws. */
export async function readMessage(
  raw: Uint8Array,
  delivered: Delivered,
  authenticity?: AuthenticityOptions,
): Promise<ReadMessage> {
  const { recipients, trace, ...common } = delivered
  const message = await parseMessage(raw)
  const { reversePath } = common
  const classification = classify(message, {
    recipients,
    ...(reversePath !== undefined && { reversePath }),
  })
  const deliveries = recipients.map((recipient) => ({
    ...common,
    client: trace.client,
    recipient,
  }))
  const plain = evidenceOf(message, classification, deliveries, trace.believed)
  if (authenticity === undefined || plain.length === 0) return { classification, evidence: plain }
  const checked = await checkAuthenticity(message, classification, recipients, authenticity)
  const { genuine, ...words } = checked
  const evidence = plain.map((each) => ({
    ...each,
    ...(genuine !== null && { genuine }),
    details: { ...each.details, ...words },
  }))
  return { classification, evidence }
}
