// Each format as a table: a line of it, and what it is read as.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { listingExample } from '../../../src/admin/schemas/listings.ts'
import { kindsOf } from '../../../src/blocklist/types.ts'
import { type FeedOptions, formatOfFile, readFeed } from '../../../src/feeds/feed.ts'
import { formatPrefix } from '../../../src/ip/address.ts'

const now = 1_800_000_000

/** The items of a feed as words: "PREFIX KINDS REASON END", "!PREFIX" for a hole, "LINE: WHY" for what is wrong. */
async function read(text: string | Buffer, options: FeedOptions, pieces = 1): Promise<string[]> {
  const octets = Buffer.from(text)
  const size = Math.ceil(octets.length / pieces) || 1
  async function* body() {
    for (let at = 0; at < octets.length; at += size) yield octets.subarray(at, at + size)
  }
  const words: string[] = []
  for await (const batch of readFeed(body(), { ...options, now })) {
    for (const item of batch) {
      if ('fault' in item) words.push(`${item.line}! ${item.fault}`)
      else if ('why' in item) words.push(`${item.line}: ${item.why}`)
      else if (item.attributes === null) words.push(`!${formatPrefix(item.prefix)}`)
      else {
        const { kinds, reason, expiresAt } = item.attributes
        const more = [...kindsOf(kinds), reason ?? '', expiresAt ?? ''].filter(
          (each) => each !== '',
        )
        words.push([formatPrefix(item.prefix), ...more].join(' '))
      }
    }
  }
  return words
}

const tables: Readonly<Record<string, { options: FeedOptions; lines: Record<string, string[]> }>> =
  {
    text: {
      options: { format: 'text' },
      lines: {
        '192.0.2.1': ['192.0.2.1/32'],
        '  192.0.2.0/24  # a note': ['192.0.2.0/24'],
        '2001:db8::/32\r': ['2001:db8::/32'],
        '::ffff:192.0.2.0/120': ['192.0.2.0/24'],
        '\ufeff192.0.2.1': ['192.0.2.1/32'],
        '# only a note': [],
        '': [],
        '192.0.2.1 192.0.2.2': ['1: not an IP address'],
        '192.0.2.1/24': ['1: host bits are set: the network is 192.0.2.0/24'],
        '192.0.2.300': ['1: not an IP address'],
        '\u0000\u0001\ufffd': ['1: not an IP address'],
        'fe80::1%eth0': ['1: an address must not have a zone id here'],
      },
    },
    csv: {
      options: { format: 'csv' },
      lines: {
        '192.0.2.1': ['192.0.2.1/32'],
        '192.0.2.1,dsn auto-reply,"said ""no"", twice",2027-03-01T00:00:00Z': [
          '192.0.2.1/32 dsn auto-reply said "no", twice 1803859200',
        ],
        'prefix,kinds,reason,expiresAt\n192.0.2.1,,,': ['192.0.2.1/32'],
        'expiresAt,reason,prefix,\n,bounces,192.0.2.0/24,': ['192.0.2.0/24 bounces'],
        'prefix,first seen,expires_at\n': [
          '1! unknown column (not shown), expires_at: a list has prefix, kinds, reason, expiresAt',
        ],
        '# note\nprefix,kinds,kinds\n': ['2! column kinds appears twice'],
        '192.0.2.1,dsn,said no, twice,': ['1: not a time as in RFC 3339: twice'],
        'prefix,reason\n192.0.2.1,no, never': ['2: has 3 fields for 2 columns'],
        '192.0.2.1,bounce': ['1: unknown kind of backscatter: bounce'],
        'Prefix,Reason,EXPIRESAT\n192.0.2.1,bounces,2027-03-01T00:00:00Z': [
          '192.0.2.1/32 bounces 1803859200',
        ],
        '192.0.2.1,,,2027-02-30T00:00:00Z': ['1: not a time as in RFC 3339: 2027-02-30T00:00:00Z'],
        '192.0.2.1,,,2027-02-28T24:00:00Z': ['1: not a time as in RFC 3339: 2027-02-28T24:00:00Z'],
        '192.0.2.1,,,tomorrow': ['1: not a time as in RFC 3339: tomorrow'],
        '192.0.2.1,,"open': ['1: a quoted field does not end on this line, or has text after it'],
        '"192.0.2.1"x,': ['1: a quoted field does not end on this line, or has text after it'],
        ',dsn': ['1: not an IP address'],
        '# note': [],
        [`192.0.2.1,,${'x'.repeat(1001)}`]: ['1: the reason is longer than 1000 characters'],
      },
    },
    ndjson: {
      options: { format: 'ndjson' },
      lines: {
        '{"prefix":"192.0.2.1"}': ['192.0.2.1/32'],
        '{"prefix":"2001:db8::/32","kinds":["callout"],"reason":null,"expiresAt":null,"hits":3}': [
          '2001:db8::/32 callout',
        ],
        '{"prefix":"192.0.2.1","expiresAt":"2027-03-01T00:00:00Z"}': ['192.0.2.1/32 1803859200'],
        // A listing as the HTTP interface gives it, with all its keys.
        [JSON.stringify(listingExample)]: [
          '198.51.100.20/32 dsn bounces to forged senders 1784109600',
        ],
        '{"prefix":"192.0.2.1","state":"expired"}': ['1: its state is not “listed”: expired'],
        '{"prefix":"192.0.2.1","expires_at":"2027-03-01T00:00:00Z","Kinds":[]}': [
          '1: unknown key expires_at, Kinds: an entry has prefix, kinds, reason, expiresAt',
        ],
        '{"prefix":"192.0.2.1","a@trap.example.org":1}': [
          '1: unknown key (not shown): an entry has prefix, kinds, reason, expiresAt',
        ],
        '{"prefix":5}': ['1: prefix is not a string'],
        '{"prefix":"192.0.2.1","kinds":"dsn"}': ['1: kinds is not an array of strings'],
        '{"prefix":"192.0.2.1","reason":1}': ['1: reason is not a string'],
        '[]': ['1: not a JSON object'],
        null: ['1: not a JSON object'],
        '{': ['1: not JSON'],
      },
    },
    rbldnsd: {
      options: { format: 'rbldnsd' },
      lines: {
        '192.0.2.1': ['192.0.2.1/32'],
        '10.1': ['10.1.0.0/16'],
        '10': ['10.0.0.0/8'],
        '10.1/17': ['10.1.0.0/17'],
        '10.1.2.3/24': ['1: host bits are set: the network is 10.1.2.0/24'],
        '192.0.2.0-192.0.2.6': ['192.0.2.0/30', '192.0.2.4/31', '192.0.2.6/32'],
        '192.0.2.254-255': ['192.0.2.254/31'],
        '10.1-10.2': ['10.1.0.0/16', '10.2.0.0/16'],
        '10.1-3': ['10.1.0.0/16', '10.2.0.0/15'],
        '255.255.255.255-255': ['255.255.255.255/32'],
        '0.0.0.0-255.255.255.255': ['0.0.0.0/0'],
        '192.0.2.9-192.0.2.1': ['1: the range ends before it begins'],
        '192.0.2.1-10.2': ['1: the two ends of the range have different numbers of octets'],
        '!192.0.2.7': ['!192.0.2.7/32'],
        '! 192.0.2.7': ['!192.0.2.7/32'],
        '192.0.2.1 :3:sends bounces': ['192.0.2.1/32 dsn sends bounces'],
        '192.0.2.1 :127.0.0.4:': ['192.0.2.1/32 auto-reply'],
        '192.0.2.1 :9:other': ['192.0.2.1/32 other'],
        '192.0.2.1 why it is here': ['192.0.2.1/32 why it is here'],
        '192.0.2.1 # note': ['192.0.2.1/32'],
        ':127.0.0.7:callouts\n192.0.2.1\n192.0.2.2 :2:': [
          '192.0.2.1/32 callout callouts',
          '192.0.2.2/32 callouts',
        ],
        '$SOA 3600 ns1 host 0 1 2 3 4\n$NS 3600 ns1\n$TTL 5\n#$SOA x': [],
        '; note\n# note': [],
        '127.0.0.2 :2:test entry': [],
        '2001:db8::/32': ['2001:db8::/32'],
        '$MAXRANGE4 /16\n10\n10.1': [
          "2: larger than the file's own $MAXRANGE4 of /16",
          '10.1.0.0/16',
        ],
        '$MAXRANGE4 256\n10.1\n10.1.1': [
          "2: larger than the file's own $MAXRANGE4 of /24",
          '10.1.1.0/24',
        ],
        '$TIMESTAMP 1700000000 1700000001': ['1! $TIMESTAMP: the list has expired'],
        '$TIMESTAMP 1799999999 +1d': [],
        '$TIMESTAMP 2027:01:10 +7d': [],
        '$TIMESTAMP 2040:01:01 0': ['1! $TIMESTAMP: the time of the list is in the future'],
        '$DATASET ip4set:x @': [
          '1! $DATASET: combined files are not supported; import their parts',
        ],
        'example.org': ['1: not an IP address'],
        '10.1.2.3.4': ['1: not an IP address'],
        '10.1/33': ['1: the prefix length must be a number from 0 to 32'],
        '10.256': ['1: not an IP address'],
        '10.1.2.3.4-5': ['1: not a range of IPv4 addresses'],
        '2001:db8::1-2001:db8::2': ['1: not an IP address'],
        '010.001': ['10.1.0.0/16'],
      },
    },
    'rbldnsd ip6trie': {
      options: { format: 'rbldnsd', type: 'ip6trie' },
      lines: { '2001:db8::/32': ['2001:db8::/32'], '192.0.2.1': ['1: not an IPv6 entry'] },
    },
  }

for (const [name, { options, lines }] of Object.entries(tables)) {
  test(`${name}: each line as it is read`, async () => {
    for (const [text, expected] of Object.entries(lines)) {
      assert.deepEqual(await read(text, options), expected, text)
    }
  })
}

test('lines are the same however the octets arrive', async () => {
  const text = '\ufeff192.0.2.1\r\n\n# ü\n2001:db8::1 # € \r\nnonsense\n192.0.2.2'
  const whole = await read(text, { format: 'text' })
  assert.deepEqual(whole, [
    '192.0.2.1/32',
    '2001:db8::1/128',
    '5: not an IP address',
    '192.0.2.2/32',
  ])
  for (const pieces of [2, 3, 7, 20, Buffer.byteLength(text)]) {
    assert.deepEqual(await read(text, { format: 'text' }, pieces), whole, `${pieces} pieces`)
  }
})

test('a line over 64 KiB is one wrong line, and the next is read', async () => {
  for (const pieces of [1, 50]) {
    const words = await read(
      `${'1'.repeat(300_000)}\n192.0.2.1\n${'2'.repeat(70_000)}`,
      { format: 'text' },
      pieces,
    )
    assert.deepEqual(words, [
      '1: longer than 65536 characters',
      '192.0.2.1/32',
      '3: longer than 65536 characters',
    ])
  }
})

test('a file’s name says its format', () => {
  const names = ['a.csv', 'a.NDJSON', 'a.jsonl', 'a.rbldnsd', 'a.txt', 'a', 'a.csv/b']
  assert.deepEqual(names.map(formatOfFile), [
    'csv',
    'ndjson',
    'ndjson',
    'rbldnsd',
    'text',
    'text',
    'text',
  ])
})
