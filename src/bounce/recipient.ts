// A recipient's address → the one form in which traps and evidence are compared.

/**
 * The address with its domain in lower case, and its local part quoted only where it must be. The case of the local
 * part is kept: it may matter (RFC 5321 §2.4).
 */
export function canonicalRecipient(address: string): string {
  const at = address.lastIndexOf('@')
  return at < 0 ? address : plainlyQuoted(address.slice(0, at)) + address.slice(at).toLowerCase()
}

/** A quoted string stands for the text in it (RFC 5321 §4.1.2): `"joe"` is joe, and `"a\\ b"` is `"a b"`. */
function plainlyQuoted(localPart: string): string {
  const [, inner] = /^"(.*)"$/.exec(localPart) ?? []
  if (inner === undefined) return localPart
  const text = inner.replace(/\\(.)/g, '$1')
  const isDotString = /^[^\s"(),:;<>@[\\\].]+(?:\.[^\s"(),:;<>@[\\\].]+)*$/.test(text)
  return isDotString ? text : `"${text.replace(/["\\]/g, '\\$&')}"`
}

/**
 * The mailbox of an address, as traps are told apart: in lower case, without a BATV tag. A forger of senders chooses
 * the spelling; three spellings of one mailbox are not three mailboxes.
 */
export function trapMailbox(address: string): string {
  const lower = address.toLowerCase()
  const at = lower.lastIndexOf('@')
  return at < 0 ? lower : untagged(lower.slice(0, at)) + lower.slice(at)
}

/** `prvs=KDDDSSSSSS=user`, in lower case, means the user's mailbox with a BATV tag (draft-levine-smtp-batv-01 §4). */
export function untagged(localPart: string): string {
  return /^prvs=\d{4}[0-9a-f]{6}=(.+)$/.exec(localPart)?.[1] ?? localPart
}
