// Counts what runs at once, such as exports: so many in all, and so many of one caller. The operator's own are not counted.
import { type Caller, operator } from './scopes.ts'

export class AtOnce {
  readonly #most: number
  readonly #mostOfCaller: number
  /** Caller ids, one for each that runs. */
  readonly #ids: string[] = []

  constructor(most: number, mostOfCaller: number) {
    this.#most = most
    this.#mostOfCaller = mostOfCaller
  }

  /** Counts one more. Returns a function to call at its end; undefined if too many run. */
  begin({ id }: Caller): (() => void) | undefined {
    if (id === operator.id) return () => undefined
    const ofCaller = this.#ids.filter((each) => each === id).length
    if (this.#ids.length >= this.#most || ofCaller >= this.#mostOfCaller) return undefined
    this.#ids.push(id)
    return () => this.#ids.splice(this.#ids.indexOf(id), 1)
  }
}
