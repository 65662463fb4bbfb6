// Checks and makes the signatures of ordinary queries and responses, and of IXFR over UDP, for the threads that answer.
import type { ClientAddress } from '../dns/query-context.ts'
import type { SignedQueries } from '../dns/responder.ts'
import { rcodes } from '../dns/wire.ts'
import { wallClockSeconds } from '../quantity.ts'
import { mayTransfer, type TransferRule } from './request.ts'
import type { TransferOptions } from './transfer.ts'
import { appendRefusal, ResponseSigner, type Signature, tsigLength, verifyRequest } from './tsig.ts'

/** The primary of a mirror, and how its NOTIFY is passed on. */
interface NotifyRule extends TransferRule {
  /** One 32-bit element: how many NOTIFYs have come. */
  readonly count: SharedArrayBuffer
}

export interface SignatureOptions extends Pick<TransferOptions, 'keys' | 'rules'> {
  readonly primary?: NotifyRule
}

export class QuerySignatures implements SignedQueries {
  readonly room: number
  readonly #options: SignatureOptions
  #verdict: Signature = { kind: 'unsigned' }

  constructor(options: SignatureOptions) {
    this.#options = options
    // A refusal for its time carries our clock in six more octets.
    this.room = Math.max(0, ...options.keys.map(tsigLength)) + 6
  }

  verify(query: Uint8Array): number {
    // The response may be written over the query.
    this.#verdict = verifyRequest(query.slice(), this.#options.keys, wallClockSeconds())
    const { kind } = this.#verdict
    if (kind === 'refused') return rcodes.NOTAUTH
    return kind === 'malformed' ? rcodes.FORMERR : rcodes.NOERROR
  }

  sign(response: Uint8Array, length: number): number {
    const message = response.subarray(0, length)
    const verdict = this.#verdict
    if (verdict.kind !== 'valid' && verdict.kind !== 'refused') return length
    const signed =
      verdict.kind === 'valid'
        ? new ResponseSigner(verdict.key, verdict.mac).sign(message, wallClockSeconds())
        : appendRefusal(message, verdict, wallClockSeconds())
    if (signed.length > response.length) return 0
    response.set(signed)
    return signed.length
  }

  mayTransfer(client: ClientAddress, isSigned: boolean): boolean {
    return mayTransfer(this.#signature(isSigned), client, this.#options.rules)
  }

  takeNotify(client: ClientAddress, isSigned: boolean): boolean {
    const { primary } = this.#options
    if (!primary || !mayTransfer(this.#signature(isSigned), client, [primary])) return false
    const count = new Int32Array(primary.count)
    Atomics.add(count, 0, 1)
    Atomics.notify(count, 0)
    return true
  }

  #signature(isSigned: boolean): Signature {
    return isSigned ? this.#verdict : { kind: 'unsigned' }
  }
}
