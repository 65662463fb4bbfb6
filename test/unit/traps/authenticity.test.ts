// Was the returned message ours? Messages signed here with real keys, looked up at a real name server, and returned in
// bounces whole, in part and spoiled.
import assert from 'node:assert/strict'
import { createHmac, generateKeyPairSync } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { dkimSign } from 'mailauth/lib/dkim/sign.js'
import { Resolver } from '../../../src/resolver/resolver.ts'
import type { AuthenticityOptions } from '../../../src/traps/authenticity.ts'
import { readMessage } from '../../../src/traps/message-thread.ts'
import { startNameServer, type Zone } from '../../support/name-server.ts'
import { foldedHeader } from '../../support/slow-messages.ts'
import { bounceOf } from './bounce-of.ts'

const now = 1_795_500_000
const keys = generateKeyPairSync('rsa', { modulusLength: 2048 })
const publicKey = keys.publicKey.export({ type: 'spki', format: 'der' }).toString('base64')

const zone: Zone = {
  'TXT s1._domainkey.trap.example': [`v=DKIM1; k=rsa; p=${publicKey}`],
  'TXT s1._domainkey.other.example': [`v=DKIM1; k=rsa; p=${publicKey}`],
  'TXT trap.example': ['v=spf1 ip4:192.0.2.1 -all'],
  'TXT _dmarc.trap.example': ['v=DMARC1; p=reject'],
}

const original = [
  'Received: from out.example ([203.0.113.77])',
  '\tby mail.bouncer.example with ESMTP; Tue, 24 Nov 2026 12:00:00 +0000',
  'From: One <one@trap.example>',
  'To: somebody@bouncer.example',
  'Subject: order',
  'Date: Tue, 24 Nov 2026 12:00:00 +0000',
  'Message-ID: <1@trap.example>',
  '',
  'Hello there.',
  'A second line.',
  '',
].join('\r\n')

async function signed(domain: string, message = original): Promise<string> {
  const privateKey = keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  const { signatures } = await dkimSign(message, {
    algorithm: 'rsa-sha256',
    signatureData: [{ signingDomain: domain, selector: 's1', privateKey }],
  } as unknown as Parameters<typeof dkimSign>[1])
  assert.match(signatures, /^DKIM-Signature: /)
  return `${signatures}${message}`
}

async function check(
  raw: Buffer,
  options: Partial<AuthenticityOptions>,
  recipient = 'one@trap.example',
) {
  const delivered = {
    trace: { client: null, newestTime: null, recipients: [], believed: [] },
    ...{ recipients: [recipient], seenAt: now, source: 'test', reversePath: '' },
  }
  const { evidence } = await readMessage(raw, delivered, { now: () => now, ...options })
  const { genuine, details } = evidence[0] ?? {}
  const { spf, dkim, dmarcPolicy, returnedOrigin } = details ?? {}
  return { genuine: genuine !== undefined, spf, dkim, dmarcPolicy, returnedOrigin }
}

/** Longer than a busy machine takes. */
const deadlineMs = 60_000

async function withServer(t: TestContext, records = zone) {
  const server = await startNameServer(t, records)
  return { resolver: new Resolver({ servers: [server.address], timeoutMs: 30_000 }), deadlineMs }
}

const forged = { spf: 'fail', dmarcPolicy: 'reject', returnedOrigin: '203.0.113.77' }

test('a signature of the trap’s domain that verifies makes the bounce genuine, with LF too', async (t) => {
  const options = await withServer(t)
  const bounce = bounceOf(await signed('trap.example'))
  const genuine = { ...forged, genuine: true, dkim: 'pass' }
  assert.deepEqual(await check(bounce, options), genuine)
  const withLf = Buffer.from(bounce.toString('latin1').replaceAll('\r\n', '\n'), 'latin1')
  assert.deepEqual(await check(withLf, options), genuine)
})

test('another domain’s signature, a spoiled one and none prove nothing', async (t) => {
  const options = await withServer(t)
  const other = await check(bounceOf(await signed('other.example')), options)
  assert.deepEqual(other, { ...forged, genuine: false, dkim: 'other' })
  const changed = (await signed('trap.example')).replace('Hello there.', 'Hello here.')
  assert.deepEqual(await check(bounceOf(changed), options), {
    ...{ ...forged, genuine: false, dkim: 'fail' },
  })
  assert.deepEqual(await check(bounceOf(original), options), {
    ...{ ...forged, genuine: false, dkim: 'none' },
  })
})

test('the organizational domain’s signature counts, and a public suffix’s does not', async (t) => {
  const key = [`v=DKIM1; k=rsa; p=${publicKey}`]
  const signers = ['firm.co.uk', 'mail.firm.co.uk', 'co.uk', 'blogspot.com', 'other.co.uk']
  const records = signers.map((signer) => [`TXT s1._domainkey.${signer}`, key] as const)
  const options = await withServer(t, Object.fromEntries(records))
  for (const [signer, trap, genuine] of [
    ['firm.co.uk', 'traps.firm.co.uk', true],
    ['mail.firm.co.uk', 'traps.firm.co.uk', true],
    ['co.uk', 'firm.co.uk', false],
    ['other.co.uk', 'firm.co.uk', false],
    ['blogspot.com', 'firm.blogspot.com', false],
  ] as const) {
    const found = await check(bounceOf(await signed(signer)), options, `one@${trap}`)
    assert.deepEqual([found.genuine, found.dkim], [genuine, genuine ? 'pass' : 'other'], signer)
  }
})

test('no name is looked up that tells which address was hit', async (t) => {
  const server = await startNameServer(t, {
    ...zone,
    'TXT trap.example': ['v=spf1 exists:%{l}.%{d1r}.lists.example exists:%{i}.%{s} -all'],
  })
  const resolver = new Resolver({ servers: [server.address], timeoutMs: 30_000 })
  // The forger's own signature, with a selector for each address that he forges.
  const lure = (await signed('other.example')).replace('s=s1', 's=hit-one-trap')
  for (const message of [lure, `${await signed('other.example')}`, await signed('trap.example')]) {
    await check(bounceOf(message), { resolver, deadlineMs })
  }
  const both = (await signed('trap.example')).replace(original, '') + lure
  assert.equal((await check(bounceOf(both), { resolver, deadlineMs })).dkim, 'pass')
  const asked = [...new Set(server.asked)]
  assert.deepEqual(
    asked.filter((each) => /\bone\b|other\.example|hit-/.test(each)),
    [],
  )
  assert.ok(
    asked.some((each) => each.endsWith(' postmaster.trap.lists.example')),
    `${asked}`,
  )
})

test('the name of the address that the returned message came from is never asked for: its holder would see it', async (t) => {
  const records = ['v=spf1 ptr -all', 'v=spf1 ptr:%{d} -all', 'v=spf1 exists:%{p}._spf.%{d} -all']
  for (const record of [...records, 'v=spf1 include:names.example -all']) {
    const server = await startNameServer(t, {
      'TXT trap.example': [record],
      'TXT names.example': ['v=spf1 ptr -all'],
      'PTR 77.113.0.203.in-addr.arpa': ['hit-one.forger.example'],
      'A hit-one.forger.example': ['203.0.113.77'],
    })
    const resolver = new Resolver({ servers: [server.address], timeoutMs: 30_000 })
    const { spf } = await check(bounceOf(original), { resolver, deadlineMs })
    assert.equal(spf, 'unknown', record)
    assert.deepEqual(
      server.asked.filter((each) => /^PTR|forger/.test(each)),
      [],
      record,
    )
  }
})

test('a header section alone cannot be checked, and is never genuine', async (t) => {
  const options = await withServer(t)
  const whole = await signed('trap.example')
  const header = whole.slice(0, whole.indexOf('\r\n\r\n') + 2)
  const { genuine, dkim } = await check(bounceOf(header, 'text/rfc822-headers'), options)
  assert.deepEqual([genuine, dkim], [false, 'unknown'])
  const emptied = await check(bounceOf(`${header}\r\n`), options)
  assert.equal(emptied.genuine, false)
})

test('no resolver, a silent one and one that fails: unknown, at the deadline at the latest', {
  timeout: 60_000,
}, async (t) => {
  const bounce = bounceOf(await signed('trap.example'))
  const unknown = {
    ...{ genuine: false, spf: 'unknown', dkim: 'unknown', dmarcPolicy: 'unknown' },
    returnedOrigin: '203.0.113.77',
  }
  assert.deepEqual(await check(bounce, {}), unknown)
  const failing = Object.fromEntries(Object.keys(zone).map((key) => [key, 'SERVFAIL' as const]))
  assert.deepEqual(await check(bounce, await withServer(t, failing)), unknown)
  const silent = { resolve: () => new Promise<never>(() => undefined) }
  assert.deepEqual(await check(bounce, { resolver: silent, deadlineMs: 400 }), unknown)
})

test('SPF that allows the address, and a domain without records', async (t) => {
  const options = await withServer(t, { 'TXT trap.example': ['v=spf1 ip4:203.0.113.77 -all'] })
  const found = await check(bounceOf(original), options)
  assert.deepEqual(found, {
    ...{ genuine: false, spf: 'pass', dkim: 'none', dmarcPolicy: 'absent' },
    returnedOrigin: '203.0.113.77',
  })
  const none = await check(bounceOf(original), await withServer(t, { 'A x.test': ['192.0.2.1'] }))
  assert.deepEqual([none.spf, none.dmarcPolicy], ['none', 'absent'])
})

test('our own BATV tag is genuine; another hash, a day long past or far off, and no key are not', async () => {
  const batvKey = Buffer.from('secret')
  const tag = (day: number, key = batvKey): string => {
    const prefix = `1${String(day % 1000).padStart(3, '0')}`
    const mac = createHmac('sha1', key).update(`${prefix}one@trap.example`).digest('hex')
    return `prvs=${prefix}${mac.slice(0, 6)}=one@trap.example`
  }
  const today = Math.floor(now / 86_400)
  const bounce = bounceOf(original)
  for (const [recipient, genuine] of [
    [tag(today + 7), true],
    [tag(today), true],
    [tag(today + 7).replace('prvs=', 'PRVS='), true],
    [tag(today - 1), false],
    [tag(today + 400), false],
    [tag(today + 7, Buffer.from('other')), false],
    ['prvs=1abc=one@trap.example', false],
    ['one@trap.example', false],
  ] as const) {
    assert.equal((await check(bounce, { batvKey }, recipient)).genuine, genuine, recipient)
    assert.equal((await check(bounce, {}, recipient)).genuine, false)
  }
})

test('a Message-ID of ours in the returned message is genuine; another one, none at all and no bounce are not', async () => {
  const isOurMessageId = (id: string) => id === '<1@trap.example>'
  const recipient = 'one@trap.example'
  const genuine = async (message: Buffer) =>
    (await check(message, { isOurMessageId }, recipient)).genuine
  assert.equal(await genuine(bounceOf(original)), true)
  assert.equal(await genuine(bounceOf(original.replace('<1@', '<2@'))), false)
  assert.equal(await genuine(bounceOf(original.replace(/Message-ID.*\r\n/, ''))), false)
  assert.equal(await genuine(Buffer.from(original)), false)
})

test('a header section of 300 kB of folded lines is not checked', async (t) => {
  const raw = foldedHeader('one@trap.example')
  const options = await withServer(t)
  const { genuine, dkim } = await check(raw, options)
  assert.deepEqual({ genuine, dkim }, { genuine: false, dkim: 'unknown' })
})

test('a signed message of an ordinary length is checked, whatever stands below its header', async (t) => {
  const options = await withServer(t)
  const recipients = Array.from({ length: 500 }, (_, index) => `somebody${index}@bouncer.example`)
  const header = original.replace('To: ', `To: ${recipients.join(',\r\n ')},\r\n `)
  const bounce = bounceOf(
    await signed('trap.example', header.replace('Hello', '\r\n'.repeat(9000))),
  )
  const { dkim } = await check(bounce, options)
  assert.equal(dkim, 'pass')
})
