import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatAddress, parseAddress } from '../../../src/ip/address.ts'
import { readHeaderSection } from '../../../src/mail/header.ts'
import { parseTrustedRelays, traceFrom, traceStored } from '../../../src/mail/trace.ts'
import { octets } from '../../support/messages.ts'

const local = 'Received: from mx.ours by mx.ours with LMTP id 1; Tue, 24 Nov 2026 12:00:09 +0000'
const filter =
  'Received: from localhost (localhost [127.0.0.1]) by mx.ours (Postfix) with ESMTP id 2'
const amavis =
  'Received: from mx.ours ([127.0.0.1]) by localhost (mx.ours [127.0.0.1]) (amavisd-new) with ESMTP'
const inside = 'Received: from mx.ours (mx.ours [10.0.0.5]) by store.ours (Postfix) with ESMTP id 3'
const relayed =
  'Received: from mx2.ours (unknown [198.51.100.2]) by mx.ours (Postfix) with ESMTP id 4'
const named = 'Received: from x (mx2.ours [198.51.100.2]) by mx.ours (Postfix) with ESMTP id 4'
const posing = 'Received: from x (mx.ours [192.0.2.66]) by mx.ours with SMTP'
const reinjected = 'Received: by mx.ours (Postfix, from userid 113) id 11'
const twofold =
  'Received: from x (y [203.0.113.8]) (unknown [192.0.2.1]) by mx.ours (Postfix) with ESMTP id 12'
const playing =
  'Received: from x (localhost) with LMTP (unknown [192.0.2.1]) by mx.ours (Postfix) with ESMTP id 13'
const bySecond =
  'Received: from mail.far (mail.far [192.0.2.1]) by mx2.ours (Postfix) with ESMTP id 5'
const byFirst =
  'Received: from mail.far (mail.far [192.0.2.1]) by mx.ours (Postfix) with ESMTP id 6 for <a@trap.example>; Tue, 24 Nov 2026 12:00:00 +0000'
const redacted =
  'Received: from mail.far (mail.far [redacted]) by mx.ours (Postfix) with ESMTP id 7'
const forged =
  'Received: from victim (victim [203.0.113.9]) by mx.ours (Postfix) with ESMTP id 8; Tue, 24 Nov 2026 23:00:00 +0000'
const theirs = 'Received: from pc.far (pc.far [203.0.113.7]) by mail.far (Postfix) with ESMTP id 9'
const submitted = 'Received: by mail.far (Postfix, from userid 33) id 10'

/** Received fields top to bottom, the relays, and who handed the message over. */
const traces: Readonly<
  Record<string, readonly [fields: string[], relays: string[], string | null]>
> = {
  'the topmost field with an address': [[byFirst, theirs], [], '192.0.2.1'],
  'below an LMTP hop': [[local, byFirst, theirs], [], '192.0.2.1'],
  'below a content filter on the same machine': [[filter, amavis, byFirst], [], '192.0.2.1'],
  'a forged field lower down': [[byFirst, forged], [], '192.0.2.1'],
  'a forged field lower down that names our relay': [[byFirst, forged], ['mx.ours'], '192.0.2.1'],
  'an address that cannot be read hides everything below': [[redacted, theirs], [], null],
  'a private address alone': [[inside, byFirst], [], null],
  'a private hop, the next field by a named relay': [[inside, byFirst], ['mx.ours'], '192.0.2.1'],
  'a private hop, the next field by a stranger': [[inside, theirs], ['mx.ours'], null],
  'a named relay': [[byFirst], ['MX.Ours.'], '192.0.2.1'],
  'a relay that is not named': [[byFirst], ['mx9.ours'], null],
  'every name under a domain': [[bySecond], ['*.ours'], '192.0.2.1'],
  'not the domain itself': [
    ['Received: from a (a [192.0.2.1]) by ours with SMTP'],
    ['*.ours'],
    null,
  ],
  'a second relay by its address': [[relayed, bySecond], ['mx.ours', '198.51.100.2'], '192.0.2.1'],
  'a second relay by its prefix': [[relayed, bySecond], ['198.51.100.0/28'], '192.0.2.1'],
  'a second relay by the name that the first looked up is not believed': [
    [named, bySecond],
    ['mx.ours', 'mx2.ours'],
    '198.51.100.2',
  ],
  'a client whose address has the name of our relay': [[posing, forged], ['mx.ours'], '192.0.2.66'],
  'below a content filter that hands on through sendmail(1)': [
    [reinjected, byFirst],
    [],
    '192.0.2.1',
  ],
  'two comments with addresses hide everything below': [[twofold, forged], ['mx.ours'], null],
  'a HELO that plays a local program hides everything below': [[playing, forged], [], null],
  'a second relay by HELO alone is not believed': [
    [relayed, bySecond],
    ['mx.ours', 'mx2.ours'],
    '198.51.100.2',
  ],
  'only local hops': [[submitted], [], null],
  'no field at all': [[], [], null],
  'no field, with relays': [[], ['mx.ours'], null],
}

for (const [what, [fields, relays, client]] of Object.entries(traces)) {
  test(what, () => {
    const header = readHeaderSection(octets(...fields, 'Subject: x', '', ''))
    const trace = traceStored(header, parseTrustedRelays(relays))
    assert.equal(trace.client === null ? null : formatAddress(trace.client), client)
  })
}

test('believed are the fields down to the one that names the client, and no further', () => {
  const header = readHeaderSection(octets(local, byFirst, forged, theirs, '', ''))
  const trace = traceStored(header, parseTrustedRelays([]))
  assert.deepEqual(
    trace.believed.map(({ start }) => start),
    header.fields.slice(0, 2).map(({ start }) => start),
  )
  assert.deepEqual(trace.recipients, ['a@trap.example'])
  assert.equal(trace.newestTime, Date.UTC(2026, 10, 24, 12, 0, 9) / 1000)
})

test('a message that we got from a stranger needs no trace', () => {
  const header = readHeaderSection(octets(byFirst, '', ''))
  const parsed = parseAddress('192.0.2.77')
  assert.ok('value' in parsed)
  const trace = traceFrom(parsed.value, header, parseTrustedRelays(['mx.ours']))
  assert.equal(trace.client, parsed.value)
  assert.deepEqual(trace.believed, [])
})

test('a message that we got from a trusted relay was handed to that relay', () => {
  const header = readHeaderSection(octets(bySecond, theirs, '', ''))
  const parsed = parseAddress('198.51.100.2')
  assert.ok('value' in parsed)
  const trace = traceFrom(parsed.value, header, parseTrustedRelays(['198.51.100.2']))
  assert.equal(trace.client && formatAddress(trace.client), '192.0.2.1')
})

test('a client that a proxy does not know stays unknown', () => {
  const header = readHeaderSection(octets(byFirst, '', ''))
  assert.equal(traceFrom(null, header, parseTrustedRelays([])).client, null)
})
