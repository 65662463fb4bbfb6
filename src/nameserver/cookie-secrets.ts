// The secrets of server cookies, on the main thread: from the operator's file, or random and replaced daily. The other threads
// read them from shared memory.
import { cookieSecretsBytes, maxCookieSecrets, replaceCookieSecrets } from '../dns/cookies.ts'
import { sipKeyLength } from '../dns/siphash.ts'
import { OperationalError } from '../errors.ts'

/** How often random secrets are replaced (RFC 9018 §5). A cookie is valid for an hour, so the last two secrets are enough. */
const rolloverMs = 24 * 3600 * 1000

/**
 * Reads a file of secrets: 32 hexadecimal digits per line, newest first; `#` begins a comment. To change the secret on several
 * servers of one address, put the new one second on all of them, then first, then remove the old one (RFC 9018 §5). Throws
 * OperationalError 'config-invalid' naming the line.
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

  /** @param secrets newest first; if undefined, random ones are made and replaced daily */
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

  /** Puts a new random secret first. The one before stays valid. */
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
