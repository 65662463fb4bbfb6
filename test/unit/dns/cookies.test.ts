// DNS cookies against the test vectors of RFC 9018 Appendix A, and SipHash-2-4 against its authors'.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Cookies, cookieSecretsBytes, replaceCookieSecrets } from '../../../src/dns/cookies.ts'
import { QueryContext } from '../../../src/dns/query-context.ts'
import { putSipHash } from '../../../src/dns/siphash.ts'

const secret = 'e5e973e5a6b2a43f48e7dc849e37bfcf'
const client4 = client(4, 0xc6336464)
const other4 = client(4, 0xcb0071cb)

function client(family: 4 | 6, ...words: number[]): QueryContext {
  const exchange = new QueryContext()
  const [w0 = 0, w1 = 0, w2 = 0, w3 = 0] = words
  return Object.assign(exchange, { family, w0, w1, w2, w3 })
}

function check(secrets: string[], now: number, from: QueryContext, cookie: string) {
  const memory = new SharedArrayBuffer(cookieSecretsBytes)
  replaceCookieSecrets(
    memory,
    secrets.map((each) => Buffer.from(each, 'hex')),
  )
  const cookies = new Cookies(memory)
  cookies.now = now
  const octets = Buffer.from(`ffff${cookie}ff`, 'hex')
  const isProven = cookies.check(octets, 2, octets.length - 3, from)
  return { isProven, reply: Buffer.from(cookies.reply).toString('hex') }
}

test('SipHash-2-4: the authors’ vectors, 0 to 63 octets under the key 00 … 0f', () => {
  const key = new Int32Array(Uint8Array.from({ length: 16 }, (_, index) => index).buffer)
  const hash = Buffer.alloc(8)
  for (const [length, expected] of [
    [0, '310e0edd47db6f72'],
    [1, 'fd67dc93c539f874'],
    [2, '5a4fa9d909806c0d'],
    [3, '2d7efbd796666785'],
    [7, '37d1018bf50002ab'],
    [8, '6224939a79f5f593'],
    [15, 'e545be4961ca29a1'],
    [63, '724506eb4c328a95'],
  ] as const) {
    const message = Uint8Array.from({ length }, (_, index) => index)
    putSipHash(hash, 0, key, 0, message, length)
    assert.equal(hash.toString('hex'), expected, `${length} octets`)
  }
})

test('RFC 9018 A.1: a client cookie alone is answered with a server cookie', () => {
  assert.deepEqual(check([secret], 1_559_731_985, client4, '2464c4abcf10c957'), {
    isProven: false,
    reply: '2464c4abcf10c957010000005cf79f111f8130c3eee29480',
  })
})

test('RFC 9018 A.2: a cookie older than half an hour is good, and is renewed', () => {
  const cookie = '2464c4abcf10c957010000005cf79f111f8130c3eee29480'
  assert.deepEqual(check([secret], 1_559_734_385, client4, cookie), {
    isProven: true,
    reply: '2464c4abcf10c957010000005cf7a871d4a564a1442aca77',
  })
  assert.deepEqual(check([secret], 1_559_731_985 + 60, client4, cookie), {
    isProven: true,
    reply: cookie,
  })
})

test('RFC 9018 A.3: reserved octets are hashed as they came; too old is answered with a new cookie', () => {
  const cookie = 'fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5'
  assert.equal(check([secret], 0x5cf78f71, other4, cookie).isProven, true)
  assert.deepEqual(check([secret], 1_559_734_700, other4, cookie), {
    isProven: false,
    reply: 'fc93fc62807ddb86010000005cf7a9acf73a7810aca2381e',
  })
})

test('RFC 9018 A.4: after a rollover the secret before is accepted, the answer made with the new one', () => {
  const client6 = client(6, 0x20010db8, 0x02200001, 0x59ded0f4, 0x876982b8)
  const secrets = ['445536bcd2513298075a5d379663c962', 'dd3bdf9344b678b185a6f5cb60fca715']
  const cookie = '22681ab97d52c298010000005cf7c57926556bd0934c72f8'
  assert.deepEqual(check(secrets, 1_559_741_961, client6, cookie), {
    isProven: true,
    reply: '22681ab97d52c298010000005cf7c609a6bb79d16625507a',
  })
  assert.equal(check(secrets.slice(0, 1), 1_559_741_961, client6, cookie).isProven, false)
})

test('RFC 9018 §4.3: good for an hour, and five minutes into the future', () => {
  const madeAt = 1_559_731_985
  const cookie = '2464c4abcf10c957010000005cf79f111f8130c3eee29480'
  for (const [seconds, isProven] of [
    [3600, true],
    [3601, false],
    [-300, true],
    [-301, false],
  ] as const) {
    assert.equal(
      check([secret], madeAt + seconds, client4, cookie).isProven,
      isProven,
      `${seconds} s`,
    )
  }
})

test('a cookie of another client, address, version, length or with one bit wrong proves nothing', () => {
  const now = 1_559_731_985
  const server = '010000005cf79f111f8130c3eee29480'
  for (const [from, cookie] of [
    [other4, `2464c4abcf10c957${server}`],
    [client4, `2464c4abcf10c958${server}`],
    [client4, `2464c4abcf10c957${server.replace(/^01/, '02')}`],
    [client4, `2464c4abcf10c957${server}00`],
    [client4, `2464c4abcf10c957${server.slice(0, 16)}`],
    [client4, `2464c4abcf10c957${server.replace(/0$/, '1')}`],
  ] as const) {
    const { isProven, reply } = check([secret], now, from, cookie)
    assert.equal(isProven, false, cookie)
    assert.equal(check([secret], now, from, reply).isProven, true)
  }
})

test('secrets are replaced whole, also more often than there are banks, and at most four are kept', () => {
  const memory = new SharedArrayBuffer(cookieSecretsBytes)
  const cookies = new Cookies(memory)
  const isKnown = (secret: number): boolean => {
    const { reply } = check([Buffer.alloc(16, secret).toString('hex')], 0, client4, '00'.repeat(8))
    return cookies.check(Buffer.from(reply, 'hex'), 0, 24, client4)
  }
  for (let count = 1; count <= 6; count++) {
    const secrets = Array.from({ length: count }, (_, index) => count + index)
    replaceCookieSecrets(
      memory,
      secrets.map((secret) => Buffer.alloc(16, secret)),
    )
    const known = Array.from({ length: 16 }, (_, secret) => secret).filter(isKnown)
    assert.deepEqual(known, secrets.slice(0, 4))
  }
})

test('a rotation in the middle of a check changes nothing for that check', () => {
  const memory = new SharedArrayBuffer(cookieSecretsBytes)
  const cookies = new Cookies(memory)
  const [newest = '', before = '', next = ''] = ['01', '02', '03'].map((octet) => octet.repeat(16))
  replaceCookieSecrets(memory, [Buffer.from(newest, 'hex'), Buffer.from(before, 'hex')])
  const { reply } = check([before], 0, client4, '00'.repeat(8))
  // The first octet of the hash is read between the first secret and the second.
  const hashAt = 16
  let rotations = 0
  const cookie = new Proxy(Buffer.from(reply, 'hex'), {
    get(octets, key) {
      if (key === String(hashAt) && rotations++ === 0) {
        replaceCookieSecrets(memory, [Buffer.from(next, 'hex')])
      }
      return Reflect.get(octets, key)
    },
  })
  assert.equal(cookies.check(cookie, 0, 24, client4), true)
  assert.ok(rotations > 1)
  // The cookie that goes back is made with the newest secret of the same set.
  const renewed = check([newest], 0, client4, '00'.repeat(8))
  assert.equal(Buffer.from(cookies.reply).toString('hex'), renewed.reply)
})
