// What one prefix holds in the zone, as one small number: what the journal keeps, and what publish compares.
import { type EntryKind, entryKinds } from '../tree/layout.ts'

/** 0: nothing there; else the tree's entry kind in two bits, and above them the kinds mask of a listing. */
export type Leaf = number

export const noLeaf: Leaf = 0
export const exclusionLeaf: Leaf = entryKinds.exclusion
export const exemptionLeaf: Leaf = entryKinds.exemption

/** A listing answered with these kinds; an empty mask is answered with the general code. */
export function listingLeaf(kinds: number): Leaf {
  return entryKinds.listing | (kinds << 2)
}

/** Not for `noLeaf`. */
export function leafKind(leaf: Leaf): EntryKind {
  return (leaf & 3) as EntryKind
}

export function leafKinds(leaf: Leaf): number {
  return leaf >>> 2
}

export function isListing(leaf: Leaf): boolean {
  return (leaf & 3) === entryKinds.listing
}
