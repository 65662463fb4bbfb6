// A recipient's address → the form in which traps and evidence are compared.

/**
 * The address with its domain in lower case, and its local part quoted only where it must be. The case of the local part stays:
 * it may matter (RFC 5321 §2.4).
 */
export function canonicalRecipient(address: string): string {
  const at = address.lastIndexOf('@')
  return at < 0 ? address : plainlyQuoted(address.slice(0, at)) + address.slice(at).toLowerCase()
}

/** Removes needless quotes and escapes: `"joe"` means joe, and `"a\\ b"` means `"a b"` (RFC 5321 §4.1.2). */
function plainlyQuoted(localPart: string): string {
  const [, inner] = /^"(.*)"$/.exec(localPart) ?? []
  if (inner === undefined) return localPart
  const text = inner.replace(/\\(.)/g, '$1')
  const isDotString = /^[^\s"(),:;<>@[\\\].]+(?:\.[^\s"(),:;<>@[\\\].]+)*$/.test(text)
  return isDotString ? text : `"${text.replace(/["\\]/g, '\\$&')}"`
}

/**
 * The mailbox of an address: in lower case, without a BATV tag. Whoever forges a sender chooses its spelling, so three spellings
 * of one mailbox must not count as three mailboxes.
 */
export function trapMailbox(address: string): string {
  const lower = address.toLowerCase()
  const at = lower.lastIndexOf('@')
  return at < 0 ? lower : untagged(lower.slice(0, at)) + lower.slice(at)
}

/** Removes a BATV tag: the lower-case local part `prvs=KDDDSSSSSS=user` means user (draft-levine-smtp-batv-01 §4). */
export function untagged(localPart: string): string {
  return /^prvs=\d{4}[0-9a-f]{6}=(.+)$/.exec(localPart)?.[1] ?? localPart
}
