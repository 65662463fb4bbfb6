// The secrets of server cookies, on the main thread: from the operator's file, or random and replaced daily. The threads
// read them from shared memory.
import { cookieSecretsBytes, maxCookieSecrets, replaceCookieSecrets } from '../dns/cookies.ts'
import { sipKeyLength } from '../dns/siphash.ts'
import { OperationalError } from '../errors.ts'

/** RFC 9018 §5 asks for changed secrets. A cookie is good for an hour, so the last two secrets are enough. */
const rolloverMs = 24 * 3600 * 1000

/**
 * Reads a file of secrets: 32 hexadecimal digits a line, the newest first; `#` begins a comment. To change the secret on
 * several servers of one address, put the new one second everywhere, then first, then take the old one out (RFC 9018 §5).
 * Throws OperationalError 'config-invalid' naming the line.
 */
export function parseCookieSecrets(text: string): Uint8Array[] {
  const secrets: Uint8Array[] = []
  for (const [index, line] of text.split('\n').entries()) {
    const word = line.replace(/#.*/, '').trim()
    if (word === '') continue
    if (!/^[0-9a-f]{32}$/i.test(word)) {
      throw invalid(`line ${index + 1}: expected ${sipKeyLength * 2} hexadecimal digits`)
    }
    secrets.push(Uint8Array.fromHex(word))
  }
  if (secrets.length === 0) throw invalid('it holds no secret')
  if (secrets.length > maxCookieSecrets) {
    throw invalid(`it holds ${secrets.length} secrets; at most ${maxCookieSecrets} are kept`)
  }
  return secrets
}

export class CookieKeeper {
  readonly memory = new SharedArrayBuffer(cookieSecretsBytes)
  #current: readonly Uint8Array[] = []
  #timer: NodeJS.Timeout | undefined

  /** @param secrets the newest first; none: random ones that are replaced daily */
  constructor(secrets: readonly Uint8Array[] | undefined) {
    this.replace(secrets)
  }

  replace(secrets: readonly Uint8Array[] | undefined): void {
    clearInterval(this.#timer)
    if (secrets !== undefined) {
      this.#put(secrets)
      return
    }
    this.rollOver()
    this.#timer = setInterval(() => this.rollOver(), rolloverMs).unref()
  }

  /** A new random secret comes first; the one before is still accepted. */
  rollOver(): void {
    const fresh = crypto.getRandomValues(new Uint8Array(sipKeyLength))
    this.#put([fresh, ...this.#current.slice(0, 1)])
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #put(secrets: readonly Uint8Array[]): void {
    this.#current = secrets
    replaceCookieSecrets(this.memory, secrets)
  }
}

function invalid(why: string): OperationalError {
  return new OperationalError('config-invalid', `cookie secrets: ${why}`)
}
