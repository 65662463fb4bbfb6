// Class CH: what the server says of itself (RFC 4892), as far as it was configured to. Called by respond.ts.
import { equalsAt, type FoldedName, foldName } from './name.ts'
import { classes, headerLength, type Octets, types } from './wire.ts'
import { type ReadyRrset, readyRrset } from './zone.ts'

export interface ChaosOptions {
  /** The answer to `version.bind` and `version.server`; none: REFUSED. */
  readonly version?: string | false
  /** The answer to `id.server` and `hostname.bind`; none: REFUSED. */
  readonly identity?: string | false
}

export interface ChaosName {
  readonly folded: FoldedName
  readonly rrset: ReadyRrset
}

/** The names that have an answer; texts are cut at 255 octets. */
export function chaosNames(options: ChaosOptions): readonly ChaosName[] {
  const { version, identity } = options
  return [
    ...(version
      ? [chaosName('version', 'bind', version), chaosName('version', 'server', version)]
      : []),
    ...(identity
      ? [chaosName('id', 'server', identity), chaosName('hostname', 'bind', identity)]
      : []),
  ]
}

/** The RRset of the question's name of `length` octets, or undefined. */
export function findChaosName(
  names: readonly ChaosName[],
  query: Octets,
  length: number,
): ReadyRrset | undefined {
  for (let index = 0; index < names.length; index++) {
    const { folded, rrset } = names[index]!
    if (folded.name.length === length && equalsAt(query, headerLength, folded)) return rrset
  }
  return undefined
}

function chaosName(first: string, second: string, text: string): ChaosName {
  const encoder = new TextEncoder()
  const labels = [first, second].flatMap((label) => [label.length, ...encoder.encode(label)])
  const content = encoder.encode(text).subarray(0, 255)
  const rdata = Uint8Array.from([content.length, ...content])
  const record = { owner: new Uint8Array(), type: types.TXT, ttl: 0, rdata }
  const rrset = readyRrset(types.TXT, [record], classes.CH)
  return { folded: foldName(Uint8Array.from([...labels, 0])), rrset }
}
