// Finds parts of spam-trap addresses in a text, in any form in which mail, DNS and the web may write them. A sender knows the
// addresses that it wrote to, and could write one of them in any field.
import { domainToUnicode } from 'node:url'

/** A longer text is said to hold a trap. */
const maxTextLength = 512
/** Fewer letters and digits than these are found only as a word of their own. */
const shortest = 5
/** A text may be encoded this many times, in one way or several. */
const maxDepth = 3
/** A text with more forms than these is said to hold a trap. */
const maxForms = 400

/**
 * Returns a test for the local part or the domain of any of these trap patterns and addresses. Case, dots and other signs make
 * no difference. Never throws.
 */
export function trapPartFinder(traps: Iterable<string>): (text: string) => boolean {
  const parts = new Set<string>()
  const words = new Set<string>()
  for (const part of [...traps].flatMap(partsOf)) {
    const letters = lettersOf(part)
    if (letters.length < shortest) words.add(wordsOf(part))
    else parts.add(letters)
  }
  words.delete(wordsOf(''))
  const lengths = new Set([...parts].map(({ length }) => length))
  const holds = (form: string): boolean => {
    const inWords = wordsOf(form)
    for (const word of words) if (inWords.includes(word)) return true
    const letters = lettersOf(form)
    for (const length of lengths) {
      for (let start = 0; start + length <= letters.length; start++) {
        if (parts.has(letters.slice(start, start + length))) return true
      }
    }
    return false
  }
  return (text) => {
    if (text.length > maxTextLength) return true
    const forms = formsOf(text)
    return forms.size > maxForms || [...forms].some(holds)
  }
}

/** The local part, with and without a tag, and the domain in both its forms and from right to left. */
function partsOf(trap: string): string[] {
  const at = trap.lastIndexOf('@')
  const local = trap.slice(0, Math.max(at, 0))
  const domain = trap.slice(at + 1)
  const backward = domain.split('.').reverse().join('.')
  return [local, local.split('+', 1).join(), domain, domainToUnicode(domain), backward]
}

function lettersOf(text: string): string {
  return folded(text).replaceAll(/[^\p{L}\p{N}]+/gu, '')
}

/** Its words with a dot around each: "Jo-7@x" is ".jo.7.x.". */
function wordsOf(text: string): string {
  const words = folded(text).match(/[\p{L}\p{N}]+/gu) ?? []
  return `.${words.map((word) => `${word}.`).join('')}`
}

function folded(text: string): string {
  return text.normalize('NFKC').toLowerCase().normalize('NFKC')
}

/** The text as it stands and decoded up to `maxDepth` times. Stops soon after `maxForms`. */
function formsOf(text: string): Set<string> {
  const forms = new Set([text])
  let last = [text]
  for (let depth = 0; depth < maxDepth && forms.size <= maxForms; depth++) {
    const next: string[] = []
    for (const form of last) {
      for (const decode of decoders) {
        const decoded = decode(form)
        if (forms.has(decoded)) continue
        forms.add(decoded)
        next.push(decoded)
      }
    }
    last = next
  }
  return forms
}

/** The ways to write one octet or character: what matches, and the digits in it. */
const escapes = {
  percent: '%(?<hex>[0-9a-f]{2})',
  /** RFC 2045 §6.7. */
  quotedPrintable: '=(?<hex>[0-9a-f]{2})',
  /** RFC 3461 §4. */
  xtext: '\\+(?<hex>[0-9a-f]{2})',
  /** RFC 1035 §5.1. */
  dns: '\\\\(?<octet>\\d{3})',
  program: '\\\\(?:x(?<hex>[0-9a-f]{2})|u(?<code>[0-9a-f]{4})|u\\{(?<code>[0-9a-f]{1,6})\\})',
  html: '&#(?:x0*(?<code>[0-9a-f]{1,6})|0*(?<decimal>\\d{1,7}));?',
}

const mixed = Object.values(escapes).join('|')

const decoders: readonly ((text: string) => string)[] = [
  ...Object.values(escapes).map(unescapeBy),
  // A text may mix them. In "=ed=2e" the first sign may be no escape, but a separator before "ed".
  unescapeBy(mixed),
  unescapeBy(mixed.replaceAll('[0-9a-f]{2}', '[2-7][0-9a-f]')),
  // Of the named characters of HTML only signs matter here.
  (text) => text.replaceAll(/&[a-z]{2,20};|=\r?\n|\s/gi, ''),
  (text) => [...text].reverse().join(''),
  (text) => text.replaceAll(/xn--[a-z0-9-]+/gi, (label) => domainToUnicode(label)),
  (text) =>
    runsOf(text, /(?:[0-9a-f]{2}[\s:.-]?){3,}[0-9a-f]?/gi, 'hex', (run) => {
      const digits = run.replaceAll(/[^0-9a-f]/gi, '')
      return [digits, digits.slice(1)]
    }),
  (text) =>
    runsOf(text, /[\w+/-]{4,}/g, 'base64', (run) => [0, 1, 2, 3].map((cut) => run.slice(cut))),
]

/** Replaces the escapes. Those that follow each other are the octets of one text in UTF-8. */
function unescapeBy(pattern: string): (text: string) => string {
  // A group's name may stand once in each alternative.
  const one = new RegExp(pattern, 'gi')
  const run = new RegExp(`(?:${pattern.replaceAll(/\?<\w+>/g, '?:')})+`, 'gi')
  return (text) =>
    text.replaceAll(run, (escaped) =>
      Buffer.concat([...escaped.matchAll(one)].map(({ groups }) => octetsOf(groups))).toString(),
    )
}

function octetsOf(groups: Readonly<Record<string, string | undefined>> | undefined): Buffer {
  const { hex, octet, code, decimal } = groups ?? {}
  if (hex !== undefined) return Buffer.from(hex, 'hex')
  if (octet !== undefined) return Buffer.from([Number(octet) & 0xff])
  const number = code === undefined ? Number(decimal) : Number.parseInt(code, 16)
  if (number < 0x80 || number > 0x10ffff) return Buffer.from([number & 0x7f])
  return Buffer.from(String.fromCodePoint(number))
}

/** Decodes each run of the text, in each of its readings. Readings of one run are kept apart. */
function runsOf(
  text: string,
  pattern: RegExp,
  encoding: 'hex' | 'base64',
  readings: (run: string) => readonly string[],
): string {
  const decoded = [...text.matchAll(pattern)]
    .flatMap(([run]) => readings(run))
    .map((reading) => Buffer.from(reading, encoding).toString())
  return decoded.length === 0 ? text : decoded.join('\n').slice(0, 4 * maxTextLength)
}
