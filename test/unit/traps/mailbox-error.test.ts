// A mailbox's error is one of a closed set, by the code that the system gave: whatever is said or named, a trap too,
// stays in the detail.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OperationalError } from '../../../src/errors.ts'
import { faultOf, MailboxFault, mailboxError, mailboxErrors } from '../../../src/traps/mailbox.ts'

const trap = 'quiet.heron42@hidden.example'

function coded(code: string, message = `${code}: no such file, open '/var/mail/${trap}'`): Error {
  return Object.assign(new Error(message), { code })
}

test('codes of the system decide, and no text does', () => {
  const expected: Record<string, string> = {
    ...{ ECONNREFUSED: 'unreachable', ENOTFOUND: 'unreachable', ETIMEDOUT: 'timed-out' },
    ...{ ECONNRESET: 'connection-lost', ENOENT: 'not-found', EACCES: 'permission-denied' },
    ...{ ENOTDIR: 'wrong-type', Z_BUF_ERROR: 'damaged', ENOSPC: 'storage-failed' },
    ...{ DEPTH_ZERO_SELF_SIGNED_CERT: 'tls-failed', ERR_TLS_CERT_ALTNAME_INVALID: 'tls-failed' },
    ...{
      UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'tls-failed',
      ERR_SSL_WRONG_VERSION_NUMBER: 'tls-failed',
    },
    ...{ CERT_HAS_EXPIRED: 'tls-failed', constructor: 'unexpected', EWHATEVER: 'unexpected' },
  }
  for (const [code, fault] of Object.entries(expected)) {
    assert.equal(faultOf(coded(code)), fault, code)
  }
  for (const odd of [new Error(`ENOENT ${trap}`), trap, null, undefined, { code: 'ENOENT' }]) {
    assert.equal(faultOf(odd), 'unexpected')
  }
})

test('the message is our own words and the mailbox’s name; what was said is detail', () => {
  const error = mailboxError('box', 'cannot be read', coded('ENOENT'))
  assert.ok(error instanceof OperationalError)
  assert.equal(error.code, 'mailbox-failed')
  assert.equal(error.message, `mailbox box: not-found: ${mailboxErrors['not-found']}`)
  assert.match(error.detail, /^cannot be read: ENOENT: .*heron42/)
  assert.equal(mailboxError('box', 'again', error), error)
})

test('detail has the server’s words where there are some, an end, and never nothing', () => {
  const imap = Object.assign(new Error('Command failed'), { responseText: `no user ${trap}` })
  assert.equal(mailboxError('box', 'reading', imap).detail, `reading: no user ${trap}`)
  assert.equal(
    mailboxError('box', 'reading', coded('ECONNREFUSED', '')).detail,
    'reading: ECONNREFUSED',
  )
  const long = new MailboxFault('refused', 'x'.repeat(100_000))
  assert.equal(mailboxError('box', 'reading', long).detail.length, 1000)
})
