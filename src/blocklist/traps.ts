// The spam-trap patterns that mail is matched with: those of the configuration, and those by hand, which change here.
// Called by the door.

import type { Store } from '../store/database.ts'
import type { CommitQueue } from './commit-queue.ts'
import { audit, type Context } from './context.ts'
import { parseTrapPattern, type TrapPattern, trapMatcher } from './trap-patterns.ts'
import type { Actor, Alongside, TrapOutcome } from './types.ts'

export class TrapList {
  readonly #store: Store
  readonly #queue: CommitQueue
  readonly #context: () => Context
  #match: (address: string) => string | undefined

  constructor(store: Store, queue: CommitQueue, context: () => Context) {
    this.#store = store
    this.#queue = queue
    this.#context = context
    this.#match = this.#read()
  }

  /** The pattern an address falls under, or undefined. */
  match(address: string): string | undefined {
    return this.#match(address)
  }

  /** To be called after other changes of the patterns. */
  renew(): void {
    this.#match = this.#read()
  }

  /** Adds a spam-trap pattern; 'invalid' when it is none. */
  async add(text: string, actor: Actor, alongside?: Alongside<TrapOutcome>): Promise<TrapOutcome> {
    const parsed = parseTrapPattern(text)
    if ('why' in parsed) return { refused: 'invalid', why: parsed.why }
    const pattern = parsed.value.text
    const work = (): TrapOutcome => {
      const { traps } = this.#store
      const [row] = traps.of(pattern)
      if (row) return { outcome: 'unchanged', trap: row }
      const context = this.#context()
      const added = { pattern, source: 'manual', createdAt: context.now } as const
      const trap = { ...added, id: traps.insert(added) }
      audit(context, actor.name, 'trap-add', pattern, { before: null, after: trap })
      return { outcome: 'added', trap }
    }
    const outcome = await this.#queue.run(work, { alongside })
    this.renew()
    return outcome
  }

  /** Takes back a pattern added by hand; 'conflict' for the configuration's. */
  async remove(text: string, actor: Actor): Promise<TrapOutcome> {
    const parsed = parseTrapPattern(text)
    if ('why' in parsed) return { refused: 'invalid', why: parsed.why }
    const pattern = parsed.value.text
    const outcome = await this.#queue.run<TrapOutcome>(() => {
      const { traps } = this.#store
      const [row] = traps.of(pattern)
      if (!row) return { refused: 'not-listed', why: 'is not a trap' }
      if (row.source === 'config') {
        return { refused: 'conflict', why: 'is a trap by the configuration: change it there' }
      }
      traps.delete(row.id)
      audit(this.#context(), actor.name, 'trap-remove', pattern, { before: row, after: null })
      return { outcome: 'removed', trap: row }
    })
    this.renew()
    return outcome
  }

  #read(): (address: string) => string | undefined {
    const patterns: TrapPattern[] = []
    for (const { pattern } of this.#store.traps.all()) {
      const parsed = parseTrapPattern(pattern)
      if ('value' in parsed) patterns.push(parsed.value)
    }
    return trapMatcher(patterns)
  }
}
