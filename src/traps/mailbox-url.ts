// `imaps://user@host/folder` and its like → where to connect, as whom, and how safely. Called by imap.ts and pop3.ts,
// and by traps.ts to check a configuration.
import { readFile } from 'node:fs/promises'
import { OperationalError } from '../errors.ts'
import { MailboxFault } from './mailbox-error.ts'

export interface MailServer {
  readonly host: string
  readonly port: number
  readonly user: string
  /** IMAP: the folder to read. */
  readonly folder: string
  /**
   * 'implicit': TLS from the first octet. 'required': STARTTLS, or nothing. 'offered': STARTTLS if the server has it;
   * only on the loopback, where a password in the clear is seen by nobody.
   */
  readonly tls: 'implicit' | 'required' | 'offered'
}

export interface MailAccount {
  readonly name: string
  readonly url: string
  /** A file with the password, read at each connection; a line end after it does not count. */
  readonly passwordFile: string
  /** PEM file of the authority that signed the server's certificate; '' for the usual ones. */
  readonly caFile: string
  /** A larger message is not read. */
  readonly maxBytes: number
}

const ports: Readonly<Record<string, number>> = { imap: 143, imaps: 993, pop3: 110, pop3s: 995 }

/** Reads the URL of a mailbox of that type. Throws OperationalError `config-invalid`. */
export function mailServer(
  type: 'imap' | 'pop3',
  { name, url }: Pick<MailAccount, 'name' | 'url'>,
): MailServer {
  const parsed = URL.canParse(url) ? new URL(url) : null
  const scheme = parsed?.protocol.slice(0, -1) ?? ''
  const host = parsed?.hostname.replace(/^\[|\]$/g, '') ?? ''
  const user = decoded(parsed?.username ?? '')
  const folder = decoded(parsed?.pathname.slice(1) ?? '')
  const isOne = (scheme === type || scheme === `${type}s`) && host !== '' && user && folder !== null
  if (parsed === null || !isOne || parsed.password !== '') {
    const expected = `${type}s://USER@HOST${type === 'imap' ? '/FOLDER' : ''}, without a password`
    throw new OperationalError('config-invalid', `mailbox ${name}: url: expected ${expected}`)
  }
  const isLoopback = /^(localhost|127\.\d+\.\d+\.\d+|::1)$/.test(host)
  return {
    host,
    port: Number(parsed.port) || (ports[scheme] ?? 0),
    user,
    folder: folder || 'INBOX',
    tls: scheme.endsWith('s') ? 'implicit' : isLoopback ? 'offered' : 'required',
  }
}

/** null: a % that begins no octet, or octets that are no UTF-8. */
function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text)
  } catch {
    return null
  }
}

/** The password and the authority, as the files have them now. Throws MailboxFault when they cannot be read. */
export async function credentials({ passwordFile, caFile }: MailAccount) {
  try {
    const password = (await readFile(passwordFile, 'utf8')).replace(/\r?\n$/, '')
    return { password, ...(caFile !== '' && { ca: await readFile(caFile, 'utf8') }) }
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message : String(cause)
    throw new MailboxFault('credentials-unreadable', detail, { cause })
  }
}
