// A recipient's address in the one form in which traps and evidence are compared.

/** The address with its domain in lower case; a local part may tell upper from lower (RFC 5321 §2.4). */
export function canonicalRecipient(address: string): string {
  const at = address.lastIndexOf('@')
  return at < 0 ? address : address.slice(0, at) + address.slice(at).toLowerCase()
}
