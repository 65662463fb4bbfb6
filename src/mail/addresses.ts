// The value of an address field (RFC 5322 §3.4: To, From, Sender, Return-Path) → the addresses in it. Display names, comments,
// group names and routes are skipped. Linear in the value's length; never throws. Written by hand: no library is linear on
// hostile input.
import { allValues, type HeaderSection } from './header.ts'

/** No real message needs more. */
export const maxAddresses = 100
/** RFC 5321 §4.5.3.1: local part, @ and domain. */
const maxAddressLength = 64 + 1 + 255

/** The addresses in all fields with these lower-case names, as they are written; at most `maxAddresses`. */
export function addressesNamed(header: HeaderSection, ...names: readonly string[]): string[] {
  const found = new Set<string>()
  for (const value of names.flatMap((name) => allValues(header, name))) {
    for (const address of addressesIn(value)) {
      if (found.size >= maxAddresses) return [...found]
      found.add(address)
    }
  }
  return [...found]
}

/** The addresses in one value, in order. If a mailbox has an address in angle brackets, only that one counts. */
export function addressesIn(value: string): string[] {
  const found: string[] = []
  let outside: string[] = []
  let inside: string[] = []
  let isInside = false
  let word = ''
  const endWord = (): void => {
    // Some programs put the bare address in quotes, where a name should stand.
    const bare = word.startsWith("'") && word.endsWith("'") ? word.slice(1, -1) : word
    if (isAddress(bare)) (isInside ? inside : outside).push(bare)
    word = ''
  }
  const endMailbox = (): void => {
    endWord()
    found.push(...(inside.length > 0 ? inside : outside))
    outside = []
    inside = []
    isInside = false
  }
  let hasComments = true
  let hasQuotes = true
  for (let at = 0; at < value.length; at++) {
    const char = value[at] ?? ''
    if (char === '(' && hasComments) {
      const end = commentEnd(value, at)
      hasComments = end > 0
      if (hasComments) at = end
    } else if (char === '"' && hasQuotes) {
      const end = quoteEnd(value, at)
      hasQuotes = end > 0
      if (hasQuotes) word += value.slice(at, end + 1)
      if (hasQuotes) at = end
    } else if (char === '<') {
      endWord()
      isInside = true
    } else if (char === '>') {
      endWord()
      isInside = false
    } else if (char === ';' || (char === ',' && !isInside)) {
      endMailbox()
    } else if (char === ':' || char === ',') {
      // A colon or comma ends a group's name, or a route before the address in angle brackets (RFC 5322 §4.4).
      word = ''
    } else if (char === ' ' || char === '\t') {
      endWord()
    } else {
      word += char
    }
  }
  endMailbox()
  return found
}

function isAddress(word: string): boolean {
  const at = word.lastIndexOf('@')
  // A quoted display name may contain an @ too; such a word ends with a quote.
  return at > 0 && at < word.length - 1 && word.length <= maxAddressLength && !word.endsWith('"')
}

/** The index of the parenthesis that closes the comment, or -1. Comments nest. */
function commentEnd(value: string, start: number): number {
  let depth = 0
  for (let at = start; at < value.length; at++) {
    const char = value[at]
    if (char === '\\') at++
    else if (char === '(') depth++
    else if (char === ')' && --depth === 0) return at
  }
  return -1
}

/** The index of the quote that closes the quoted string, or -1. */
function quoteEnd(value: string, start: number): number {
  for (let at = start + 1; at < value.length; at++) {
    const char = value[at]
    if (char === '\\') at++
    else if (char === '"') return at
  }
  return -1
}
