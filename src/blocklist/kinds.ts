// Kinds of backscatter as names, as bits of a mask, and as DNS codes. Called all over blocklist.
import { type BackscatterKind, backscatterKinds } from '../bounce/kinds.ts'

/** Mask of the kinds: bit i is backscatterKinds[i]. */
export function kindsMask(kinds: Iterable<BackscatterKind>): number {
  let mask = 0
  for (const kind of kinds) mask |= kindBit(kind)
  return mask
}

export function kindBit(kind: BackscatterKind): number {
  return 1 << backscatterKinds.indexOf(kind)
}

/** The mask of the kind of that name; undefined: there is none. */
export function kindNamed(name: string): number | undefined {
  const index = (backscatterKinds as readonly string[]).indexOf(name)
  return index < 0 ? undefined : 1 << index
}

/** The mask of the kind that 127.0.0.`code` stands for; 0 for the general code and for all others. */
export function kindOfCode(code: number): number {
  return code >= 3 && code < 3 + backscatterKinds.length ? 1 << (code - 3) : 0
}

/** The codes that a mask is answered with, ascending: 2, and 3 + i for each kind. */
export function codeNumbers(mask: number): number[] {
  return [2, ...backscatterKinds.flatMap((_, index) => (mask & (1 << index) ? [3 + index] : []))]
}

/** The kinds of a mask, in the order of their codes. */
export function kindsOf(mask: number): BackscatterKind[] {
  return backscatterKinds.filter((_, index) => (mask & (1 << index)) !== 0)
}

/** The A set that a mask of kinds is answered with, as the tree takes it: bit n is 127.0.0.n, and .2 always holds. */
export function codesOf(mask: number): number {
  return (1 << 2) | (mask << 3)
}

/** The kinds that an A set stands for: the reverse of `codesOf`. */
export function kindsOfCodes(codes: number): BackscatterKind[] {
  return kindsOf(codes >>> 3)
}

/** The codes of an A set in text, ascending: "127.0.0.2", "127.0.0.3". */
export function formatCodes(codes: number): string[] {
  const texts: string[] = []
  for (let code = 2; code < 32; code++) if (codes & (1 << code)) texts.push(`127.0.0.${code}`)
  return texts
}
