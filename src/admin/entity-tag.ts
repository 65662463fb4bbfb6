// A strong entity tag (RFC 9110 §8.8.3) of what is shown: equal for equal bodies, another one for any other.
import { createHash } from 'node:crypto'

export function entityTag(body: object): string {
  const digest = createHash('sha256').update(JSON.stringify(body)).digest('base64url')
  return `"${digest.slice(0, 22)}"`
}
