// Interns answers: one index for each A set, in segments that are never moved, so that readers need no version to
// read them. Called by writer.ts.
import { OperationalError } from '../errors.ts'
import type { Blocks } from './blocks.ts'
import { headerAt, maxAnswers } from './layout.ts'

export class Answers {
  readonly #memory: Int32Array<SharedArrayBuffer>
  readonly #blocks: Blocks
  readonly #indexes = new Map<number, number>()

  constructor(memory: Int32Array<SharedArrayBuffer>, blocks: Blocks) {
    this.#memory = memory
    this.#blocks = blocks
  }

  /** The index of an A set. Throws OperationalError 'capacity-reached', having changed nothing. */
  intern(codes: number): number {
    const known = this.#indexes.get(codes)
    if (known !== undefined) return known
    const answer = this.#indexes.size
    const segment = 26 - Math.clz32(answer | 32)
    const first = segment === 0 ? 0 : 32 << segment
    if (answer === first) {
      const records = segment === 0 ? 64 : first
      const unit = answer < maxAnswers ? this.#blocks.takeForEver(records) : 0
      if (unit === 0) throw new OperationalError('capacity-reached', 'no room for another answer')
      this.#memory[headerAt.segments + segment] = unit * 2
    }
    const record = this.#memory[headerAt.segments + segment]! + (answer - first) * 2
    this.#memory[record] = codes
    this.#memory[record + 1] = 0
    this.#indexes.set(codes, answer)
    return answer
  }
}
