// Loaded before the server (`node --import without.ts?TRICK`), in its threads too: changes one place of the sources, so that
// the server runs without a trick of its answer path. The product needs no switches for that.
import { registerHooks } from 'node:module'

interface Change {
  /** The end of the source file's name. */
  readonly file: string
  readonly from: string
  readonly to: string
}

/** Each trick of the answer path, by what it does. A place that is no longer in the sources ends the server. */
export const tricks: Readonly<Record<string, Change>> = {
  prefetch: {
    file: 'nameserver/udp-batch.ts',
    from: 'count >= prefetchedQueries',
    to: 'false',
  },
  'fast path': {
    file: 'dns/fast-path.ts',
    from: 'const { view } = octets\n',
    to: 'if (length > 0) return 0\nconst { view } = octets\n',
  },
  'nibbles four at a time': {
    file: 'dns/fast-path.ts',
    from: 'for (let index = 0, at = headerLength + ipv6Length - 8; index < 4; index++) {',
    to: `for (let index = 0, at = headerLength + ipv6Length - 2; index < 32; index++, at -= 2) {
      const octet = view.getUint8(at + 1)
      const value = octet < 58 ? octet - 48 : (octet | 32) < 97 ? -1 : (octet | 32) - 87
      if (view.getUint8(at) !== 1 || value < 0 || value > 15) return false
      words[index >> 3] = (words[index >> 3] << 4) | value
    }
    for (let index = 0, at = 0; index < 0; index++) {`,
  },
  'names compared four octets at a time': {
    file: 'dns/name.ts',
    from: 'if (last < 0) {',
    to: 'if (true) {',
  },
  'search of a leaf begun at a guess': {
    file: 'tree/reader.ts',
    from: 'const first = (guess * count) >>> 8',
    to: 'const first = 0',
  },
  'datagrams at odd multiples of a cache line': {
    file: 'nameserver/udp-batch.ts',
    from: '(Math.ceil(room / 64) | 1) * 64',
    to: '4096',
  },
  'one socket waits in recvmmsg': {
    file: 'nameserver/udp-batch.ts',
    from: 'if (ports.length === 1 && only !== undefined) {',
    to: 'if (false) {',
  },
  'batched UDP': {
    file: 'nameserver/nameserver.ts',
    from: 'native !== undefined && options.batch',
    to: 'false',
  },
  'no flow label': {
    file: 'nameserver/native.ts',
    from: 'if (address.family === 6) this.#trySetOption',
    to: 'if (false) this.#trySetOption',
  },
  'huge pages': {
    file: 'src/libc.ts',
    from: 'if (memory.byteLength < hugePageBytes) return',
    to: 'return',
  },
  'more inlining': {
    file: 'commands/v8-flags.ts',
    from: "setFlagsFromString('--max-inlined-bytecode-size=2000')\n  setFlagsFromString('--max-inlined-bytecode-size-cumulative=8000')",
    to: '',
  },
}

const trick = tricks[decodeURIComponent(new URL(import.meta.url).search.slice(1))]
if (trick !== undefined) {
  const { file, from, to } = trick
  registerHooks({
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context)
      if (!url.endsWith(file)) return loaded
      const source = new TextDecoder().decode(Buffer.from(loaded.source as Uint8Array))
      if (!source.includes(from)) throw new Error(`${file} has changed: ${from}`)
      return { ...loaded, source: source.replace(from, () => to) }
    },
  })
}
