// Trap mailboxes that fail, each in a way of its own, and whose servers, paths and files name the trap wherever they can;
// and some that work, with messages that cannot be taken.
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { gzipSync } from 'node:zlib'
import type { MailboxErrorCode } from '../../src/traps/mailbox.ts'
import { makeCertificate } from './certificate.ts'
import { type OddServer, oddImap, oddPop3 } from './odd-mail-servers.ts'

export interface FailingMailboxes {
  /** `[[mailbox]]` tables. */
  readonly tables: string
  /** By name: how each comes to fail; null: it works. */
  readonly expected: Readonly<Record<string, MailboxErrorCode | null>>
}

/** Starts the servers and makes the files, in folders below `folder`. */
export async function failingMailboxes(
  t: TestContext,
  folder: string,
  trap: string,
): Promise<FailingMailboxes> {
  const tables: string[] = []
  const expected: Record<string, MailboxErrorCode | null> = {}
  const user = encodeURIComponent(trap)
  const domain = trap.slice(trap.lastIndexOf('@') + 1)
  const made = (...names: string[]): string => {
    const path = join(folder, ...names)
    mkdirSync(join(path, '..'), { recursive: true })
    return path
  }
  const passwordFile = made('passwords', trap)
  writeFileSync(passwordFile, 'secret\n')
  const add = (name: string, fault: MailboxErrorCode | null, lines: string): void => {
    expected[name] = fault
    tables.push(`[[mailbox]]\nname = "${name}"\nschedule = "* * * * * *"\n${lines}\n`)
  }
  const account = (type: string, scheme: string, port: number, more = ''): string =>
    `type = "${type}"\nurl = "${scheme}://${user}@127.0.0.1:${port}${type === 'imap' ? `/${user}` : ''}"\n` +
    (more.includes('passwordFile') ? more : `passwordFile = "${passwordFile}"\n${more}`)
  const imap = async (
    name: string,
    fault: MailboxErrorCode | null,
    server: OddServer,
    more = '',
  ) => {
    const scheme = server.tls ? 'imaps' : 'imap'
    add(name, fault, account('imap', scheme, await oddImap(t, server), more))
  }
  const pop3 = async (
    name: string,
    fault: MailboxErrorCode | null,
    server: OddServer,
    more = '',
  ) => {
    const scheme = server.tls ? 'pop3s' : 'pop3'
    add(name, fault, account('pop3', scheme, await oddPop3(t, server), more))
  }
  const no = (words: string): string => `TAG NO ${words} ${trap}\r\n`
  const err = (words = ''): string => `-ERR ${words} no such user ${trap}\r\n`

  await imap('imap-password', 'authentication-failed', {
    odd: { LOGIN: no('[AUTHENTICATIONFAILED] unknown user') },
  })
  await imap('imap-folder', 'folder-missing', { odd: { SELECT: no('[NONEXISTENT] no folder') } })
  await imap('imap-in-use', 'locked', {
    odd: { SELECT: no('[INUSE] locked:'), LIST: listed(trap) },
  })
  await imap('imap-search', 'refused', { odd: { SEARCH: `TAG BAD what is ${trap}\r\n` } })
  await imap('imap-move', null, {}, `moveTo = "${trap}"`)
  await imap('imap-bye', 'connection-lost', { odd: { greeting: `* BYE not for ${trap}\r\n` } })
  await imap('imap-hangs-up', 'connection-lost', { hangsUpAfter: ['LOGIN'] })
  await imap('imap-ca', 'credentials-unreadable', {}, `caFile = "/nowhere/${trap}.pem"`)
  add('imap-closed', 'unreachable', account('imap', 'imap', 1))
  add('imap-no-tls', 'tls-failed', account('imap', 'imaps', await oddPop3(t, {})))

  await pop3('pop3-password', 'authentication-failed', { odd: { PASS: err('[AUTH]') } })
  await pop3('pop3-user', 'authentication-failed', { odd: { USER: err() } })
  await pop3('pop3-in-use', 'locked', { odd: { PASS: err('[IN-USE]') } })
  await pop3('pop3-greeting', 'refused', { odd: { greeting: err() } })
  await pop3('pop3-list', 'refused', { odd: { UIDL: err() } })
  await pop3('pop3-message', 'refused', { odd: { RETR: err() }, messages: ['Subject: a'] })
  await pop3('pop3-garbage', 'protocol-broken', { odd: { greeting: `${trap} `.repeat(300) } })
  await pop3('pop3-hangs-up', 'connection-lost', { hangsUpAfter: ['greeting'] })
  await pop3(
    'pop3-secret',
    'credentials-unreadable',
    {},
    `passwordFile = "${join(folder, `${trap}.password`)}"`,
  )
  await pop3('pop3-large', null, {
    odd: { UIDL: `+OK\r\n1 ${trap}\r\n.\r\n`, LIST: '+OK\r\n1 99999999\r\n.\r\n' },
    messages: ['x'],
  })
  add('pop3-closed', 'unreachable', account('pop3', 'pop3', 1))

  const strange = makeCertificate(mkdtempSync(made('tls-')), domain, `DNS:${domain},email:${trap}`)
  const tls = {
    cert: readFileSync(strange.certificateFile, 'utf8'),
    key: readFileSync(strange.keyFile, 'utf8'),
  }
  await imap('imap-trust', 'tls-failed', { tls })
  await imap('imap-name', 'tls-failed', { tls }, `caFile = "${strange.certificateFile}"`)
  await pop3('pop3-trust', 'tls-failed', { tls })
  await pop3('pop3-name', 'tls-failed', { tls }, `caFile = "${strange.certificateFile}"`)

  const file = (type: string, path: string): string => `type = "${type}"\npath = "${path}"`
  const plainFile = made('plain', trap)
  writeFileSync(plainFile, 'no mailbox\n')
  add('maildir-missing', 'not-found', file('maildir', made('missing', trap)))
  add('maildir-file', 'wrong-type', file('maildir', plainFile))
  add('mbox-missing', 'not-found', file('mbox', made('missing', `${trap}.mbox`)))
  add('mbox-below-file', 'wrong-type', file('mbox', join(plainFile, 'mbox')))
  add('mbox-folder', 'wrong-type', file('mbox', join(made('folders', trap, 'inner'), '..')))
  if (process.getuid?.() !== 0) {
    const path = made('closed', trap)
    mkdirSync(path)
    chmodSync(path, 0)
    add('maildir-unreadable', 'permission-denied', file('maildir', path))
    const mbox = made('closed', `${trap}.mbox`)
    writeFileSync(mbox, '', { mode: 0 })
    add('mbox-unreadable', 'permission-denied', file('mbox', mbox))
  }
  const content = `From a Tue Nov 24 11:24:44 2026\nDelivered-To: ${trap}\nSubject: x\n\n${'x'.repeat(9999)}\n`
  const cut = made('cut', `${trap}.gz`)
  writeFileSync(cut, gzipSync(content))
  truncateSync(cut, 60)
  add('mbox-cut', 'damaged', file('mbox', cut))
  const garbled = made('garbled', `${trap}.gz`)
  writeFileSync(garbled, Buffer.concat([Buffer.from([0x1f, 0x8b]), Buffer.from(trap)]))
  const locked = made('locked', `${trap}.mbox`)
  writeFileSync(locked, content)
  writeFileSync(`${locked}.lock`, `${process.pid}\n`)
  add('mbox-locked', 'locked', file('mbox', locked))
  add('mbox-garbled', 'damaged', file('mbox', garbled))

  const odd = made('odd', trap)
  for (const each of ['new', 'cur', 'tmp']) mkdirSync(join(odd, each), { recursive: true })
  symlinkSync(`/nowhere/${trap}`, join(odd, 'new', `1.link.${trap}`))
  mkdirSync(join(odd, 'new', `2.folder.${trap}`))
  writeFileSync(join(odd, 'new', `3.large.${trap}`), '')
  truncateSync(join(odd, 'new', `3.large.${trap}`), 100_000_000)
  const bounce = readFileSync('data/samples/postfix-bounce.eml', 'latin1')
  const longName = `4.${trap}`.padEnd(255, 'x')
  writeFileSync(join(odd, 'new', longName), `Delivered-To: ${trap}\n${bounce}`, 'latin1')
  add('maildir-odd', null, file('maildir', odd))
  return { tables: tables.join(''), expected }
}

/** A LIST that has the folder. */
function listed(trap: string): string {
  return `* LIST () "/" "${trap}"\r\nTAG OK done\r\n`
}
