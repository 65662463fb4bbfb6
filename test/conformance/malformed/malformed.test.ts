// Every file beside this one is a packet named for its fault: hexadecimal, its first line the expected reaction.
// `{zone}` stands for the zone in wire form, `{root}` and `{after-question}` for an offset (of the zone's root label,
// and of what follows the question 2.0.0.127.ZONE).
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { Packet } from 'dns2'
import { useSubject } from '../../support/conformance.ts'
import { rcodes, reversed, types, wireName } from '../../support/dns-query.ts'
import { ask, exchangeTcp, exchangeUdp, TcpClient } from '../../support/dns-subject.ts'

/** How long an answer that must not come is waited for. */
const silenceMs = 60

const subject = useSubject()

interface MalformedPacket {
  readonly fault: string
  readonly expected: string
  octets(zone: string): Buffer
}

const packets = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith('.hex'))
  .map((file): MalformedPacket => {
    const [first = '', ...lines] = readFileSync(`${import.meta.dirname}/${file}`, 'utf8').split(
      '\n',
    )
    return {
      fault: file.replace('.hex', ''),
      expected: first.replace('# expect: ', ''),
      octets(zone) {
        const origin = wireName(zone)
        const rootAt = 12 + '2.0.0.127.'.length + origin.length - 1
        const hex = lines
          .join('')
          .replaceAll('{zone}', origin.toString('hex'))
          .replaceAll('{root}', octet(rootAt))
          .replaceAll('{after-question}', octet(rootAt + 5))
          .replaceAll(/\s/g, '')
        return Buffer.from(hex, 'hex')
      },
    }
  })

function octet(value: number): string {
  return value.toString(16).padStart(2, '0')
}

/** Over TCP; others may not have it, which other tests hold against them. */
async function exchangeStream(query: Buffer, waitMs?: number): Promise<Buffer | undefined> {
  if (subject.isOurs) return await exchangeTcp(subject, query, waitMs)
  return await exchangeTcp(subject, query, waitMs).catch(() => undefined)
}

test('there are malformed packets of every sort', () => {
  assert.ok(packets.length > 50)
  assert.deepEqual(
    new Set(packets.map(({ expected }) => expected)),
    new Set(['FORMERR', 'NOTIMP', 'no response']),
  )
})

for (const { fault, expected, octets } of packets) {
  test(`${fault}: ${expected}`, async () => {
    const query = octets(subject.zone)
    if (expected === 'no response') {
      assert.equal(await exchangeUdp(subject, query, silenceMs), undefined)
      assert.equal(await exchangeStream(query, silenceMs), undefined)
      return
    }
    for (const response of [
      await exchangeUdp(subject, query, subject.isOurs ? undefined : silenceMs),
      await exchangeStream(query, subject.isOurs ? undefined : silenceMs),
    ]) {
      // Others may be silent about what they cannot read; a count of questions they can (RFC 9619 §4).
      if (response === undefined && !subject.isOurs && !fault.startsWith('qdcount')) continue
      assert.ok(response, 'no response')
      assert.ok(response.length <= query.length + 11, 'larger than the query and an OPT record')
      const { header } = Packet.parse(response)
      assert.equal(header.id, query.readUInt16BE(0))
      assert.equal(header.qr, 1)
      assert.equal(header.opcode, (query.readUInt8(2) >> 3) & 15)
      assert.equal(header.rcode, rcodes[expected as 'FORMERR' | 'NOTIMP'])
      assert.equal(header.ancount, 0)
    }
  })
}

test('a malformed message does not spoil the connection it came on', async () => {
  const client = await TcpClient.open(subject)
  try {
    const [bad] = packets.filter(({ expected }) => expected === 'FORMERR')
    assert.ok(bad)
    client.send(bad.octets(subject.zone), bad.octets(subject.zone))
    assert.ok(await client.receive())
    assert.ok(await client.receive())
  } finally {
    client.close()
  }
})

test('the server still answers after all of them', async () => {
  const response = await ask(subject, reversed('127.0.0.2'), types.A)
  assert.deepEqual(response.addresses, ['127.0.0.2'])
})
