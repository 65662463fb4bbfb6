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

/** The kinds of a mask, in the order of their codes. */
export function kindsOf(mask: number): BackscatterKind[] {
  return backscatterKinds.filter((_, index) => (mask & (1 << index)) !== 0)
}

/** The A set that a mask of kinds is answered with, as the tree takes it: bit n is 127.0.0.n, and .2 always holds. */
export function codesOf(mask: number): number {
  return (1 << 2) | (mask << 3)
}

/** The codes of an A set in text, ascending: "127.0.0.2", "127.0.0.3". */
export function formatCodes(codes: number): string[] {
  const texts: string[] = []
  for (let code = 2; code < 32; code++) if (codes & (1 << code)) texts.push(`127.0.0.${code}`)
  return texts
}
