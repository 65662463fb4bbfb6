// Load for a server that will be killed, and a ledger of it: what was acknowledged and must be there, and what was under
// way and may be. Mail by SMTP and /v1/messages, listings and exemptions by the API, a list that is replaced over and
// over, and backups.
import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { submit } from '../../scripts/submit.ts'
import { ask } from './ask.ts'
import { origin, type Server, type Site } from './server.ts'

export const bounce = readFileSync('data/samples/postfix-bounce.eml', 'latin1')
const trap = 'orders@trap.example.org'

/** A POST with an Idempotency-Key, so that it may be sent again. */
export interface Repeatable {
  readonly path: string
  readonly key: string
  readonly type: string
  readonly body: string
  /** The address that it is about. */
  readonly address: string
  /** What the first answer to it is. */
  readonly status: number
}

export class Ledger {
  /** Addresses that were acknowledged: bounces heard from them, listed by hand, exempt. */
  readonly heard = new Set<string>()
  readonly listed = new Set<string>()
  readonly exempt = new Set<string>()
  /** Acknowledged to be gone. */
  readonly delisted = new Set<string>()
  readonly unexempt = new Set<string>()
  /** The version of the list that was acknowledged last. */
  version = 0
  serial = 0
  /** Of this life of the server: acknowledged, and under way when it was killed. */
  done: Repeatable[] = []
  unanswered: Repeatable[] = []
  unansweredMail: string[] = []
  unansweredRemovals: string[] = []
  isImporting = false
  backups: string[] = []
  #next = 0

  /** An address that was not used before. */
  address(first: number): string {
    const host = ++this.#next
    return `${first}.${host >> 16}.${(host >> 8) & 255}.${host & 255}`
  }

  beginLife(): void {
    this.done = []
    this.unanswered = []
    this.unansweredMail = []
    this.unansweredRemovals = []
    this.isImporting = false
    this.backups = []
  }

  /** Whether an address answers in DNS, as far as it is known. */
  isAnswered(address: string): boolean {
    return (this.heard.has(address) || this.listed.has(address)) && !this.exempt.has(address)
  }
}

/** The list in that version: 400 entries, of which the next has the last 300. */
export function listVersion(version: number): string[] {
  return Array.from({ length: 400 }, (_, index) => {
    const host = version * 100 + index
    return `40.${host >> 16}.${(host >> 8) & 255}.${host & 255}`
  })
}

export interface HttpAnswer {
  readonly status: number
  readonly isReplayed: boolean
  readonly text: string
}

/** One request over the control socket; rejects when the server dies. */
export async function call(
  site: Site,
  method: string,
  path: string,
  more: { body?: string; type?: string; key?: string } = {},
): Promise<HttpAnswer> {
  const { body, type, key } = more
  const socketPath = join(site.folder, 'backscatterd.sock')
  const headers = {
    ...(type !== undefined && { 'content-type': type }),
    ...(key !== undefined && { 'idempotency-key': key }),
  }
  return await new Promise((resolve, reject) => {
    const sent = request({ socketPath, method, path, headers, agent: false }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk) => {
        text += chunk
      })
      response.on('error', reject)
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          isReplayed: response.headers['idempotency-replayed'] === 'true',
          text,
        }),
      )
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

export function repeat(site: Site, { path, key, type, body }: Repeatable): Promise<HttpAnswer> {
  return call(site, 'POST', path, { key, type, body })
}

/** Notes what the first answer to a request, or to its repetition, acknowledges. */
export function acknowledge(ledger: Ledger, { path, address }: Repeatable): void {
  if (path.startsWith('/v1/messages')) ledger.heard.add(address)
  else if (path === '/v1/listings') ledger.listed.add(address)
  else ledger.exempt.add(address)
}

export async function deliver(server: Server, client: string): Promise<string> {
  return await submit({ server: server.smtp, from: '', to: [trap], client, message: bounce })
}

/** Puts load on a server until it dies; resolves once nothing is under way. `random` gives 32 bits. */
export async function loadUntilKilled(
  site: Site,
  server: Server,
  ledger: Ledger,
  random: () => number,
  killed: Promise<void>,
): Promise<void> {
  let isDead = false
  void killed.then(() => {
    isDead = true
  })
  const untilKilled = async (work: () => Promise<void>): Promise<void> => {
    while (!isDead) await work()
  }
  const post = async (path: string, address: string, more: Partial<Repeatable>): Promise<void> => {
    const sent: Repeatable = {
      path,
      address,
      key: `${path}-${address}`,
      status: 201,
      type: 'application/json',
      body: JSON.stringify({ prefix: address }),
      ...more,
    }
    try {
      const { status, text } = await repeat(site, sent)
      if (status !== sent.status) throw new Error(`${path}: ${status} ${text}`)
      acknowledge(ledger, sent)
      ledger.done.push(sent)
    } catch (error) {
      if (!isDead) throw error
      ledger.unanswered.push(sent)
    }
  }
  const remove = async (path: string, from: Set<string>, to: Set<string>): Promise<void> => {
    const [address] = [...from].slice(random() % Math.max(from.size, 1))
    if (address === undefined) return
    from.delete(address)
    try {
      const { status, text } = await call(site, 'DELETE', `${path}?prefix=${address}`)
      if (status !== 200) throw new Error(`${path}: ${status} ${text}`)
      to.add(address)
    } catch (error) {
      if (!isDead) throw error
      ledger.unansweredRemovals.push(`${path}?prefix=${address}`)
    }
  }
  const mail = async (): Promise<void> => {
    const client = ledger.address(20)
    try {
      await deliver(server, client)
      ledger.heard.add(client)
    } catch (error) {
      if (!isDead) throw error
      ledger.unansweredMail.push(client)
    }
  }
  const messages = (): Promise<void> => {
    const client = ledger.address(23)
    const path = `/v1/messages?client=${client}&recipient=${trap}`
    return post(path, client, { type: 'message/rfc822', body: bounce, status: 200 })
  }
  const change = async (): Promise<void> => {
    await post('/v1/listings', ledger.address(21), {})
    if (random() % 3 === 0) await post('/v1/exemptions', ledger.address(22), {})
    if (random() % 3 === 0) await remove('/v1/listings', ledger.listed, ledger.delisted)
    if (random() % 6 === 0) await remove('/v1/exemptions', ledger.exempt, ledger.unexempt)
  }
  const replaceList = async (): Promise<void> => {
    const body = `${listVersion(ledger.version + 1).join('\n')}\n`
    ledger.isImporting = true
    try {
      const sent = { body, type: 'text/plain' }
      const { status, text } = await call(site, 'POST', '/v1/import?list=feed', sent)
      if (status !== 200) throw new Error(`import: ${status} ${text}`)
      ledger.version++
      ledger.isImporting = false
    } catch (error) {
      if (!isDead) throw error
    }
  }
  const backUp = async (): Promise<void> => {
    const name = `backup-${random()}.db`
    const { code } = await site.run('backup', name)
    if (code === 0) ledger.backups.push(join(site.folder, name))
    await killed
  }
  const watchSerial = async (): Promise<void> => {
    const asked = ask(server.dns, origin, 'SOA')
    const answer = await Promise.race([asked.catch(() => undefined), killed])
    ledger.serial = answer?.serial ?? ledger.serial
    await Promise.race([new Promise((next) => setTimeout(next, 20)), killed])
  }
  const loads = [mail, mail, mail, messages, change, change, replaceList, backUp, watchSerial]
  await Promise.all(loads.map(untilKilled))
}
