// An owner name and its records of a transferred zone → the address or network that it lists, with codes and network.
import { parseTxtTemplate, putText, type TxtTemplate } from '../dns/txt-template.ts'
import { octetsOf } from '../dns/wire.ts'
import {
  type Address,
  addressBits,
  type Family,
  networkOf,
  type Prefix,
  parseAddress,
  sameAddress,
} from '../ip/address.ts'
import { labelBits } from './zone-entries.ts'

const octetLabel = /^(0|[1-9]\d?|1\d\d|2[0-4]\d|25[0-5])$/
const nibbleLabel = /^[0-9a-f]$/

/**
 * Reads labels relative to the origin, in lower case, the most specific first: "7","2","0","192", or "*" and the labels of a
 * network. Returns undefined for other names, and 'both' for a wildcard that would answer names of both families.
 */
export function prefixOfName(labels: readonly string[]): Prefix | 'both' | undefined {
  const isWildcard = labels[0] === '*'
  const digits = isWildcard ? labels.slice(1) : labels
  const isOf = (family: Family, label: RegExp): boolean => {
    const full = addressBits(family) / labelBits[family]
    const hasLength = isWildcard
      ? digits.length > 0 && digits.length < full
      : digits.length === full
    return hasLength && digits.every((each) => label.test(each))
  }
  const isIPv4 = isOf(4, octetLabel)
  const isIPv6 = isOf(6, nibbleLabel)
  if (isIPv4 && isIPv6) return 'both'
  if (!isIPv4 && !isIPv6) return undefined
  return prefixOf(isIPv4 ? 4 : 6, digits)
}

function prefixOf(family: Family, digits: readonly string[]): Prefix {
  const bits = labelBits[family]
  const words = [0, 0, 0, 0]
  for (let index = 0; index < digits.length; index++) {
    const bit = index * bits
    const value = Number.parseInt(digits[digits.length - 1 - index] ?? '', family === 4 ? 10 : 16)
    words[bit >> 5] = ((words[bit >> 5] ?? 0) | (value << (32 - bits - (bit & 31)))) >>> 0
  }
  const [w0 = 0, w1 = 0, w2 = 0, w3 = 0] = words
  return { family, w0, w1, w2, w3, length: digits.length * bits }
}

/** Finds the network that a TXT record names. */
export class NetworkReader {
  readonly #template: TxtTemplate
  readonly #pattern: RegExp
  readonly #expected = octetsOf(new Uint8Array(256))

  /** `text`: zone.text of the primary. */
  constructor(text: string) {
    this.#template = parseTxtTemplate(text)
    const [first = '', ...others] = text.replaceAll('{domain}', '').split('{ip}').map(RegExp.escape)
    const [second, ...more] = others
    const ip = second === undefined ? '' : `(?<ip>[0-9a-f.:]+)${second}`
    this.#pattern = new RegExp(`^${first}${ip}${more.map((each) => `\\k<ip>${each}`).join('')}$`)
  }

  /**
   * The longest length to which `prefix` can be cut to get the network of the TXT record with this RDATA. Returns undefined if
   * the text is not the template filled with a network that contains the prefix.
   */
  networkLength(rdata: Uint8Array, prefix: Prefix): number | undefined {
    if (this.#isTextOf(rdata, prefix)) return prefix.length
    const text = Buffer.from(rdata.subarray(1)).toString('latin1')
    const found = this.#pattern.exec(text)
    const parsed = parseAddress(found?.groups?.['ip'] ?? '')
    if (rdata[0] !== rdata.length - 1 || 'why' in parsed) return undefined
    const length = Math.min(prefix.length, agreedBits(parsed.value, prefix))
    return sameAddress(networkOf(prefix, length), parsed.value) ? length : undefined
  }

  #isTextOf(rdata: Uint8Array, { family, w0, w1, w2, w3 }: Prefix): boolean {
    const expected = this.#expected
    const end = putText(expected, 0, this.#template, family, w0, w1, w2, w3)
    if (end !== rdata.length) return false
    for (let at = 0; at < end; at++) if (expected[at] !== rdata[at]) return false
    return true
  }
}

/** How many leading bits two addresses have in common; 0 if they are of two families. */
function agreedBits(a: Address, b: Address): number {
  if (a.family !== b.family) return 0
  const words = [a.w0 ^ b.w0, a.w1 ^ b.w1, a.w2 ^ b.w2, a.w3 ^ b.w3]
  const at = words.findIndex((word) => word !== 0)
  return at < 0 ? addressBits(a.family) : at * 32 + Math.clz32(words[at] ?? 0)
}
