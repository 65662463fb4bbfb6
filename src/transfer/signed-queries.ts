// Checks and makes the signatures of ordinary queries and responses, and of IXFR over UDP, for the threads that answer.
import type { ClientAddress } from '../dns/query-context.ts'
import type { SignedQueries } from '../dns/responder.ts'
import { rcodes } from '../dns/wire.ts'
import { mayTransfer } from './request.ts'
import type { TransferOptions } from './transfer.ts'
import { appendRefusal, ResponseSigner, type Signature, tsigLength, verifyRequest } from './tsig.ts'

export class QuerySignatures implements SignedQueries {
  readonly room: number
  readonly #options: Pick<TransferOptions, 'keys' | 'rules'>
  #verdict: Signature = { kind: 'unsigned' }

  constructor(options: Pick<TransferOptions, 'keys' | 'rules'>) {
    this.#options = options
    // A refusal for its time carries our clock in six more octets.
    this.room = Math.max(0, ...options.keys.map(tsigLength)) + 6
  }

  verify(query: Uint8Array): number {
    // The response may be written over the query.
    this.#verdict = verifyRequest(query.slice(), this.#options.keys, nowSeconds())
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
        ? new ResponseSigner(verdict.key, verdict.mac).sign(message, nowSeconds())
        : appendRefusal(message, verdict, nowSeconds())
    if (signed.length > response.length) return 0
    response.set(signed)
    return signed.length
  }

  mayTransfer(client: ClientAddress, isSigned: boolean): boolean {
    const signature: Signature = isSigned ? this.#verdict : { kind: 'unsigned' }
    return mayTransfer(signature, client, this.#options.rules)
  }
}

function nowSeconds(): number {
  return Math.floor(Date.now() / 1000)
}
