// Messages of our own, each with what is expected of it in the table beside it (`npm run expectations` writes the tables). The lab's real Postfix, Exim, Sendmail, OpenSMTPD
// and Dovecot servers sent those named pf-, ex-, sm-, os- and dc-; those named stored- are as a receiving server wrote them into a
// Maildir. The others were written for these tests after what their senders document.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { classify } from '../../src/classify/classify.ts'
import { parseMessage } from '../../src/mail/message.ts'
import { describeVerdict, kindOfSample, readExpectations, readSample, samplePaths } from '../support/samples.ts'

const expectations = readExpectations()

test('every sample has its expectation, and every expectation its sample', () => {
  assert.deepEqual([...expectations.keys()].toSorted(), samplePaths)
})

for (const [path, expected] of expectations) {
  test(`${path}: ${expected.verdict} by ${expected.rule}`, () => {
    const message = parseMessage(readSample(path))
    const verdict = classify(message)
    assert.deepEqual(describeVerdict(message, verdict), expected)
    assert.equal(verdict.kind ?? 'not-backscatter', kindOfSample(path))
    assert.equal(verdict.backscatter, verdict.kind !== null)
    assert.equal(verdict.notBackscatter === null, verdict.backscatter)
    assert.equal(verdict.certainty !== null, verdict.backscatter)
  })
}

for (const [path, { rule, trap }] of expectations) {
  if (!/\/(dc|ex|os|pf|sm|stored)-/.test(path) || !rule.startsWith('rfc3464-')) continue
  test(`${path}: the fields of the report and of the message that it returns`, () => {
    const { dsn, returned } = classify(parseMessage(readSample(path)))
    assert.match(dsn?.status ?? '', /^[245]\.\d+\.\d+$/)
    assert.match(dsn?.finalRecipient ?? '', /^[^@\s]+@[^@\s]+$/)
    assert.match(returned?.messageId ?? '', /^<.+@bot\.example>$/)
    assert.ok(returned?.from?.endsWith(`<${trap}>`))
  })
}
