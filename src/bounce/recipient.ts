// A recipient's address in the one form in which traps and evidence are compared.

/**
 * The address with its domain in lower case, and its local part quoted only where it must be; that may tell upper from lower
 * (RFC 5321 §2.4).
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
