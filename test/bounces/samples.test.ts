// Messages that real Postfix, Exim, Sendmail, OpenSMTPD and Dovecot servers sent, each with what is expected of it in
// expectations.tsv. Those named stored-* are as a receiving server wrote them into a Maildir; the others stand below
// one Received field of the trap's own server.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { classify } from '../../src/classify/classify.ts'
import { parseMessage } from '../../src/mail/message.ts'
import { parseTrustedRelays, traceStored } from '../../src/mail/trace.ts'
import { formatAddress } from '../../src/ip/address.ts'
import { deliveredTo } from '../../src/traps/delivery.ts'

const folder = join(import.meta.dirname, 'samples')
const [, ...expectations] = readFileSync(join(import.meta.dirname, 'expectations.tsv'), 'utf8')
  .trim()
  .split('\n')
  .map((line) => line.split('\t'))

test('every sample has its expectation, and every expectation its sample', () => {
  const expected = expectations.map(([file]) => file)
  assert.deepEqual(readdirSync(folder).sort(), expected.sort())
})

for (const [file = '', kind, not, rule, action, generator, client, recipient] of expectations) {
  test(file, async () => {
    const message = await parseMessage(readFileSync(join(folder, file)))
    const verdict = classify(message)
    const trace = traceStored(message.header, parseTrustedRelays([]))
    assert.deepEqual(
      {
        kind: verdict.kind ?? '-',
        not: verdict.notBackscatter ?? '-',
        rule: verdict.rule,
        action: verdict.dsn?.action ?? '-',
        generator: verdict.generator ?? '-',
        client: trace.client === null ? '-' : formatAddress(trace.client),
        recipient: deliveredTo(message.header, trace).flat()[0],
      },
      { kind, not, rule, action, generator, client, recipient },
    )
    assert.equal(verdict.backscatter, verdict.kind !== null)
    assert.equal(verdict.notBackscatter === null, verdict.backscatter)
    if (verdict.rule.startsWith('rfc3464-')) {
      assert.match(verdict.dsn?.status ?? '', /^[245]\.\d+\.\d+$/)
      assert.match(verdict.dsn?.finalRecipient ?? '', /^[^@\s]+@[^@\s]+$/)
      assert.match(verdict.returned?.messageId ?? '', /^<.+@bot\.example>$/)
      assert.ok(verdict.returned?.from?.endsWith(`<${recipient}>`))
    }
  })
}
