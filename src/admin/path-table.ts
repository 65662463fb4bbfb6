// Which methods each path takes, for 405 with Allow (RFC 9110 §15.5.6), whatever method was tried. Filled by app.ts
// as routes are added.

export class PathTable {
  readonly #methods = new Map<string, Set<string>>()

  /** `url` as a route has it: `/v1/listings/:id`. */
  add(url: string, method: string | readonly string[]): void {
    const methods = this.#methods.get(url) ?? new Set()
    for (const each of [method].flat()) methods.add(each)
    this.#methods.set(url, methods)
  }

  /** "GET, HEAD, POST" for a request's path, or undefined when no route has it. */
  methodsOf(path: string): string | undefined {
    const segments = path.split('/')
    for (const [url, methods] of this.#methods) {
      const pattern = url.split('/')
      const isMatch = pattern.every((each, index) =>
        each.startsWith(':') ? segments[index] !== '' : each === segments[index],
      )
      if (isMatch && pattern.length === segments.length) return [...methods].sort().join(', ')
    }
    return undefined
  }
}
