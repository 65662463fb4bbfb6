// Whether an entry of a list may be listed, asked a million times: most networks are far from anything special, and a
// table of /16s says so in no time. Called by blocklist/import.ts.
import type { Family, Prefix } from '../ip/address.ts'
import { specialRanges } from '../ip/special-purpose.ts'
import { lastWords } from '../store/prefix-columns.ts'
import type { Ground } from './ground.ts'
import { refusalOf } from './listing-by-hand.ts'

type CheckGround = Pick<Ground, 'store' | 'policy' | 'now'>

export class EntryChecks {
  readonly #ground: CheckGround
  /** By the first 16 bits: 1 where something special-purpose, exempt or excluded may be. */
  readonly #marks: Record<Family, Uint8Array> = {
    4: new Uint8Array(65_536),
    6: new Uint8Array(65_536),
  }

  /** Looks at the exemptions and exclusions there are now. */
  constructor(ground: CheckGround) {
    this.#ground = ground
    for (const { prefix } of specialRanges) this.#mark(prefix)
    for (const prefix of ground.store.exemptions.prefixes()) this.#mark(prefix)
    for (const prefix of ground.store.exclusions.prefixes()) this.#mark(prefix)
  }

  /** Why the entry may not be listed: a clause fit for "TEXT: WHY"; undefined when it may. */
  refusal(prefix: Prefix, expiresAt: number | null): string | undefined {
    const { policy, now } = this.#ground
    const shortest = prefix.family === 4 ? policy.shortest4 : policy.shortest6
    const isFarOff = prefix.length >= 16 && this.#marks[prefix.family][prefix.w0 >>> 16] === 0
    if (isFarOff && prefix.length >= shortest && (expiresAt === null || expiresAt > now)) {
      return undefined
    }
    return refusalOf(this.#ground, { prefix, expiresAt })?.why
  }

  #mark(prefix: Prefix): void {
    this.#marks[prefix.family].fill(1, prefix.w0 >>> 16, (lastWords(prefix)[0] >>> 16) + 1)
  }
}
