// What smtp-protocol.ts relies on in smtp-server, which promises none of it: the source of private methods.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { SMTPConnection } from 'smtp-server/lib/smtp-connection.js'

/** The methods that are replaced, and those that call them or use the socket in the way that is relied on. */
const digests: Readonly<Record<string, string>> = {
  init: '1265a7d7ca8f5510',
  connectionReady: '361a2b1de88fbf67',
  send: 'c33568c0111a58b2',
  close: '4b80aaabd134a732',
  _createParser: '15ca8c360137e06a',
  _setListeners: 'cf07ab6f47db09ac',
  _onCommand: '41c8a1b7a32aa314',
  _sendGreeting: 'dc5cd4bb4b93013f',
  _parseAddressCommand: '9f368803e4fdff15',
  _resetSession: '2bf7682ca13869a0',
  emitConnection: 'a757a964e5809c92',
  upgrade: '6a3fa8a3ee413745',
  handler_EHLO: '42394b3ad94f3deb',
  handler_HELO: 'b95050ffd35b5d29',
  handler_RSET: '30da4d9e251522b6',
  handler_QUIT: '82d176bb3b5d6428',
  handler_STARTTLS: '54e8a7f36219f4c0',
  handler_XCLIENT: 'e8fa4dc487132140',
  handler_XFORWARD: '678b4f260fd9ab8a',
}

test('smtp-server’s private methods are those that smtp-protocol.ts was written for', () => {
  const methods = SMTPConnection.prototype as unknown as Readonly<Record<string, unknown>>
  const found = Object.keys(digests).map((name) => {
    const digest = createHash('sha256').update(String(methods[name])).digest('hex')
    return [name, digest.slice(0, 16)]
  })
  // Where one differs, read what has changed there, then see that smtp-protocol.ts still does what it says.
  assert.deepEqual(Object.fromEntries(found), digests)
})
