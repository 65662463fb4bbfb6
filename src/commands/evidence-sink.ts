// What `ingest` asks of the list: which addresses are traps, and to record evidence. Through the client, so by the
// server's control socket or on the database itself.
import { maxEvidence, type NewEvidence, type Recorded } from '../admin/routes/evidence-intake.ts'
import { timestamp } from '../admin/schemas.ts'
import { parseTrapPattern, type TrapPattern, trapMatcher } from '../blocklist/trap-patterns.ts'
import type { Evidence } from '../bounce/evidence.ts'
import { formatAddress } from '../ip/address.ts'
import { type Client, expectDone } from './client.ts'
import { allTraps } from './trap.ts'

/** Whether an address is a trap, by the patterns as they are now. */
export async function readTraps(client: Client): Promise<(address: string) => boolean> {
  const patterns: TrapPattern[] = []
  for (const { pattern } of await allTraps(client)) {
    const parsed = parseTrapPattern(pattern)
    if ('value' in parsed) patterns.push(parsed.value)
  }
  const match = trapMatcher(patterns)
  return (address) => match(address) !== undefined
}

/** Records evidence and resolves with what was decided on each piece, after the commit. */
export function evidenceSink(
  client: Client,
): (evidence: readonly Evidence[]) => Promise<Recorded[]> {
  const send = async (items: readonly NewEvidence[]): Promise<Recorded[]> => {
    const reply = await client.request('POST', '/v1/evidence', { items })
    // Few have long details; where they come together, the body is too large.
    if (reply.status === 413 && items.length > 1) {
      const half = Math.ceil(items.length / 2)
      return [...(await send(items.slice(0, half))), ...(await send(items.slice(half)))]
    }
    return (expectDone(reply) as { items: Recorded[] }).items
  }
  return async (evidence) => {
    const recorded: Recorded[] = []
    for (let at = 0; at < evidence.length; at += maxEvidence) {
      recorded.push(...(await send(evidence.slice(at, at + maxEvidence).map(evidenceBody))))
    }
    return recorded
  }
}

function evidenceBody({ client, seenAt, details, addressed, ...rest }: Evidence): NewEvidence {
  return {
    ...rest,
    ...(addressed && {
      addressed: { to: [...addressed.to], returnedAuthors: [...addressed.returnedAuthors] },
    }),
    client: client && formatAddress(client),
    seenAt: timestamp(seenAt),
    details: { ...details },
  }
}
