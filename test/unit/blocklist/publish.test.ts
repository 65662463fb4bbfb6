import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { isRefusal } from '../../../src/blocklist/types.ts'
import { withoutTestEntries } from '../../../src/blocklist/zone-entry.ts'
import { backscatterKinds } from '../../../src/classify/kinds.ts'
import { OperationalError } from '../../../src/errors.ts'
import { formatPrefix } from '../../../src/ip/address.ts'
import { openStore } from '../../../src/store/database.ts'
import {
  address,
  cli,
  type Door,
  day,
  evidence,
  openDoor,
  prefix,
  request,
  start,
  temporaryDirectory,
  testPolicy,
} from '../../support/door.ts'

const probes = [
  ...['20.0.0.0', '20.0.0.1', '20.0.0.2', '20.0.0.255', '20.0.1.0', '8.8.8.8', '0.0.0.0'],
  ...['126.255.255.255', '127.0.0.0', '127.0.0.1', '127.0.0.2', '127.0.0.3', '127.0.0.7'],
  ...['127.0.0.8', '127.9.9.9', '128.0.0.0', '255.255.255.255'],
  ...['::ffff:127.0.0.0', '::ffff:127.0.0.1', '::ffff:127.0.0.2', '::ffff:127.0.0.3'],
  ...['::1', '2a00::1', '2a00:1::1', 'ffff::'],
]

/** The tree and explain() say the same of every probe; returns what they say. */
function answers(door: Door): Record<string, string> {
  const said: Record<string, string> = {}
  for (const probe of probes) {
    const codes = door.codes(probe).map((code) => `127.0.0.${code}`)
    const explained = door.blocklist.explain(address(probe))
    assert.deepEqual(explained.codes, codes, `${probe}: explained as ${explained.state}`)
    assert.equal(explained.listed, codes.length > 0)
    if (codes.length > 0) said[probe] = codes.join(' ')
  }
  return said
}

const testAnswers = {
  '127.0.0.2': '127.0.0.2',
  '127.0.0.3': '127.0.0.2 127.0.0.3',
  '127.0.0.7': '127.0.0.2 127.0.0.7',
  '::ffff:127.0.0.2': '127.0.0.2',
}

test('an empty list answers the test entries and counts none (RFC 5782 §5)', (t) => {
  const door = openDoor(t)
  assert.deepEqual(answers(door), testAnswers)
  for (const [index, kind] of backscatterKinds.entries()) {
    assert.deepEqual(door.codes(`127.0.0.${3 + index}`), [2, 3 + index], kind)
  }
  assert.deepEqual(door.blocklist.status().entries, { ipv4: 0, ipv6: 0, domains: 0 })
})

test('test entries are answered whatever is exempt or excluded around them', async (t) => {
  const door = openDoor(t, {
    policy: testPolicy({ exempt: [{ prefix: prefix('127.0.0.0/8'), note: '' }] }),
  })
  assert.deepEqual(answers(door), testAnswers)
  const around = [
    ...['0.0.0.0/0', '127.0.0.0/8', '127.0.0.0/29', '127.0.0.2/31', '127.0.0.2/32', '126.0.0.0/7'],
    ...['::/0', '::ffff:0:0/96', '::ffff:127.0.0.2/128', '::ffff:127.0.0.0/126'],
  ]
  for (const text of around) {
    await door.blocklist.addException('exclusion', prefix(text), null, cli)
    await door.blocklist.addException('exemption', prefix(text), null, cli)
    assert.deepEqual(answers(door), testAnswers, text)
  }
  door.reopen()
  assert.deepEqual(answers(door), testAnswers)
  for (const text of around) {
    const outcome = await door.blocklist.removeException('exemption', prefix(text), cli)
    assert.equal(isRefusal(outcome), text === '127.0.0.0/8')
    await door.blocklist.removeException('exclusion', prefix(text), cli)
    assert.deepEqual(answers(door), testAnswers, text)
  }
})

test('an exemption of everything covers all but the test entries, and comes off as it went on', async (t) => {
  const door = openDoor(t)
  const texts = ['20.0.0.0/24', '128.0.0.0/16', '126.255.0.0/16', '2a00::/32', '8.8.8.8']
  await door.blocklist.list(
    texts.map((text) => request(text)),
    cli,
  )
  const before = answers(door)
  assert.ok(before['20.0.0.255'] && before['126.255.255.255'] && before['128.0.0.0'])
  await door.blocklist.addException('exemption', prefix('0.0.0.0/0'), null, cli)
  await door.blocklist.addException('exemption', prefix('::/0'), null, cli)
  assert.deepEqual(answers(door), testAnswers)
  door.reopen()
  assert.deepEqual(answers(door), testAnswers)
  await door.blocklist.addException('exemption', prefix('127.0.0.0/8'), null, cli)
  await door.blocklist.removeException('exemption', prefix('0.0.0.0/0'), cli)
  await door.blocklist.removeException('exemption', prefix('127.0.0.0/8'), cli)
  await door.blocklist.removeException('exemption', prefix('::/0'), cli)
  assert.deepEqual(answers(door), before)
  door.reopen()
  assert.deepEqual(answers(door), before)
})

test('a prefix without its test entries is the rest of it, in the largest pieces', () => {
  const pieces = (text: string) => withoutTestEntries(prefix(text)).map(formatPrefix)
  assert.deepEqual(pieces('20.0.0.0/8'), ['20.0.0.0/8'])
  assert.deepEqual(pieces('127.0.0.2'), [])
  assert.deepEqual(pieces('127.0.0.0/30'), ['127.0.0.0/31'])
  assert.deepEqual(pieces('127.0.0.0/27'), ['127.0.0.0/31', '127.0.0.8/29', '127.0.0.16/28'])
  assert.deepEqual(pieces('::ffff:127.0.0.0/126'), ['::ffff:7f00:0/127', '::ffff:7f00:3/128'])
  assert.equal(pieces('0.0.0.0/0').length, 30)
  assert.equal(pieces('::/0').length, 128)
})

test('serials only grow: with the time, within a second, when it runs backwards, over restarts', async (t) => {
  const door = openDoor(t)
  const serials = [door.blocklist.status().serial]
  const change = async () => {
    await door.blocklist.list([request(`20.0.0.${serials.length}`)], cli)
    serials.push(door.blocklist.status().serial)
  }
  await change()
  await change()
  door.now = start + 100
  await change()
  door.now = start - 1000
  await change()
  door.reopen()
  serials.push(door.blocklist.status().serial)
  const from = start
  assert.deepEqual(serials, [from, from + 1, from + 2, from + 100, from + 101, from + 102])
  door.reader.enter()
  assert.equal(door.reader.serial, start + 102)
  assert.equal(door.reader.ipv4Entries, 4)
  assert.equal(door.reader.generatedAt, start - 1000)
  assert.equal(door.reader.validUntil, start - 1000 + day)
  door.reader.leave()
})

test('what changes no answer is not published', async (t) => {
  const door = openDoor(t)
  await door.blocklist.list([request('20.0.0.1')], cli)
  const { serial } = door.blocklist.status()
  await door.blocklist.record([evidence({ client: '20.0.0.9' })])
  await door.blocklist.list([request('20.0.0.1', { expiresAt: null })], cli)
  await door.blocklist.addTrap('@trap.example.org', cli)
  assert.equal(door.blocklist.status().serial, serial)
})

test('everything that waits at once is one publication', async (t) => {
  const door = openDoor(t)
  const { serial } = door.blocklist.status()
  await Promise.all(
    Array.from({ length: 50 }, (_, index) =>
      door.blocklist.list([request(`20.0.0.${index}`)], cli),
    ),
  )
  assert.equal(door.blocklist.status().entries.ipv4, 50)
  assert.ok(door.blocklist.status().serial - serial <= 5)
})

test('freshness is published each quarter of its validity, and not before', async (t) => {
  const door = openDoor(t, { validForSeconds: 400 })
  const { serial } = door.blocklist.status()
  door.now = start + 99
  await door.blocklist.expire()
  assert.equal(door.blocklist.status().serial, serial)
  door.now = start + 100
  await door.blocklist.expire()
  const { validUntil } = door.blocklist.status()
  assert.deepEqual([door.blocklist.status().serial, validUntil], [serial + 100, start + 500])
  door.reader.enter()
  assert.equal(door.reader.validUntil, start + 500)
  door.reader.leave()
})

test('a thousand listings that end together are gone after one call, which lets others in between', async (t) => {
  const door = openDoor(t)
  const requests = Array.from({ length: 1700 }, (_, index) =>
    request(`20.0.${index >> 8}.${index & 255}`, { expiresAt: start + 5 }),
  )
  await door.blocklist.list(requests, cli)
  door.now = start + 5
  const order: string[] = []
  const expiring = door.blocklist.expire().then((count) => order.push(`expired ${count}`))
  assert.equal(door.blocklist.expire(), door.blocklist.expire(), 'a second call joins the first')
  await door.blocklist.list([request('20.1.0.0/24')], cli)
  order.push('listed')
  await expiring
  assert.deepEqual(order, ['listed', 'expired 1700'])
  assert.deepEqual(door.blocklist.status().entries.ipv4, 1)
})

test('a retired list answers nothing, test entries neither, and comes back whole', async (t) => {
  const door = openDoor(t)
  await door.blocklist.list([request('20.0.0.0/24'), request('2a00::/64')], cli)
  const before = answers(door)
  const { serial } = door.blocklist.status()
  door.reopen({ retired: true })
  assert.deepEqual(answers(door), {})
  assert.deepEqual(door.blocklist.status().entries, { ipv4: 0, ipv6: 0, domains: 0 })
  assert.equal(door.store.journal.publication(serial), undefined, 'no differences lead here')
  await door.blocklist.list([request('8.8.8.8')], cli)
  assert.deepEqual(answers(door), {})
  door.reopen({ retired: false })
  assert.deepEqual(answers(door), { ...before, '8.8.8.8': '127.0.0.2' })
  assert.deepEqual(door.blocklist.status().entries, { ipv4: 2, ipv6: 1, domains: 0 })
})

test('the journal replays to what the tree holds', async (t) => {
  const door = openDoor(t)
  const from = door.blocklist.status().serial
  await door.blocklist.list([request('20.0.0.0/24'), request('20.0.0.1', { kinds: ['dsn'] })], cli)
  await door.blocklist.addException('exemption', prefix('20.0.0.0/28'), null, cli)
  await door.blocklist.addException('exclusion', prefix('20.0.0.0/24'), null, cli)
  await door.blocklist.delist([prefix('20.0.0.1')], cli)
  await door.blocklist.removeException('exclusion', prefix('20.0.0.0/24'), cli)
  await door.blocklist.removeException('exemption', prefix('20.0.0.0/28'), cli)
  await door.blocklist.list([request('20.0.0.0/24', { kinds: ['auto-reply'] })], cli)
  const leaves = new Map<string, number>()
  for (const change of door.store.journal.changes(from, door.blocklist.status().serial)) {
    const text = formatPrefix(change.prefix)
    assert.equal(change.before, leaves.get(text) ?? 0, text)
    if (change.after === 0) leaves.delete(text)
    else leaves.set(text, change.after)
  }
  // Kind 1 of the tree's entries, and above it the mask of auto-reply.
  assert.deepEqual(Object.fromEntries(leaves), { '20.0.0.0/24': 1 | (0b10 << 2) })
})

test('kinds published anew: after a restart and while running', async (t) => {
  const door = openDoor(t)
  const callouts = Array.from({ length: 5 }, (_, index) =>
    evidence({ kind: 'callout', recipient: `${index}@trap.example.org`, client: '20.0.0.1' }),
  )
  await door.blocklist.record(callouts)
  await door.blocklist.list([request('20.0.0.2', { kinds: ['dsn', 'callout'] })], cli)
  assert.deepEqual([door.codes('20.0.0.1'), door.codes('20.0.0.2')], [[], [2, 3]])
  const callout = testPolicy({ publish: ['callout'] })
  door.reopen({ policy: callout })
  assert.deepEqual(
    [door.codes('20.0.0.1'), door.codes('20.0.0.2')],
    [
      [2, 7],
      [2, 7],
    ],
  )
  assert.equal(door.blocklist.explain(address('20.0.0.1')).state, 'listed')
  assert.equal(door.blocklist.status().entries.ipv4, 2)
  await door.blocklist.reconfigure(testPolicy({ publish: ['dsn'] }))
  assert.deepEqual([door.codes('20.0.0.1'), door.codes('20.0.0.2')], [[], [2, 3]])
  assert.equal(door.blocklist.explain(address('20.0.0.1')).state, 'shadow')
  await door.blocklist.reconfigure(callout)
  assert.deepEqual(
    [door.codes('20.0.0.1'), door.codes('20.0.0.2')],
    [
      [2, 7],
      [2, 7],
    ],
  )
  assert.deepEqual(Object.keys(answers(door)).slice(0, 2), ['20.0.0.1', '20.0.0.2'])
})

test('exemptions and traps of the configuration follow it, over restarts and while running', async (t) => {
  const exempt = (...texts: string[]) => texts.map((text) => ({ prefix: prefix(text), note: 'x' }))
  const door = openDoor(t, { policy: testPolicy({ exempt: exempt('20.0.0.0/24', '2a00::/32') }) })
  await door.blocklist.addException('exemption', prefix('20.0.0.0/25'), null, cli)
  await door.blocklist.list([request('20.0.0.0/23')], cli)
  assert.deepEqual(answers(door), { ...testAnswers, '20.0.1.0': '127.0.0.2' })
  door.reopen({ policy: testPolicy({ exempt: exempt('20.0.1.0/24') }) })
  assert.deepEqual(answers(door), { ...testAnswers, '20.0.0.255': '127.0.0.2' })
  await door.blocklist.reconfigure(testPolicy({ exempt: [], traps: ['@t.example.org'] }))
  assert.ok(door.blocklist.isTrap('a@t.example.org'))
  await door.blocklist.removeException('exemption', prefix('20.0.0.0/25'), cli)
  const all = Object.fromEntries(
    ['20.0.0.0', '20.0.0.1', '20.0.0.2', '20.0.0.255', '20.0.1.0'].map((at) => [at, '127.0.0.2']),
  )
  assert.deepEqual(answers(door), { ...all, ...testAnswers })
})

test('a special-purpose range that is no longer allowed is no longer listed', async (t) => {
  const allowSpecial = [prefix('198.51.100.0/24'), prefix('2001:db8::/32')]
  const door = openDoor(t, { policy: testPolicy({ allowSpecial }) })
  const texts = ['198.51.100.7', '198.51.100.0/25', '198.51.0.0/16', '2001:db8:1::/48', '20.0.0.1']
  await door.blocklist.list(
    texts.map((text) => request(text, { expiresAt: null })),
    cli,
  )
  door.reopen({ policy: testPolicy({ allowSpecial: allowSpecial.slice(1) }) })
  assert.deepEqual(door.codes('198.51.100.7'), [])
  assert.deepEqual(door.codes('198.51.1.1'), [], 'what contains it is not either')
  assert.deepEqual(door.codes('2001:db8:1::1'), [2])
  assert.equal(door.blocklist.explain(address('198.51.100.7')).state, 'removed')
  await door.blocklist.reconfigure(testPolicy())
  assert.deepEqual(door.codes('2001:db8:1::1'), [])
  assert.deepEqual(door.codes('20.0.0.1'), [2])
  assert.deepEqual(door.blocklist.status().entries, { ipv4: 1, ipv6: 0, domains: 0 })
  assert.deepEqual(
    door.store.audit.page(4).map(({ actor, action, target }) => [actor, action, target]),
    ['2001:db8:1::/48', '198.51.100.7/32', '198.51.100.0/25', '198.51.0.0/16'].map((target) => [
      ...['config', 'delist', target],
    ]),
  )
})

test('a command without a tree changes what the next server answers, and its serial', async (t) => {
  const door = openDoor(t)
  await door.blocklist.list([request('20.0.0.0/24')], cli)
  const { serial } = door.blocklist.status()
  door.blocklist.close()
  door.store.close()
  const program = join(import.meta.dirname, 'list-without-server.ts')
  const run = spawnSync(process.execPath, [program, join(door.directory, 'test.db'), '20.0.1.0/24'])
  assert.equal(run.status, 0, String(run.stderr))
  assert.deepEqual(JSON.parse(String(run.stdout)).entries, { ipv4: 2, ipv6: 0, domains: 0 })
  door.reopen()
  assert.deepEqual(door.codes('20.0.1.0'), [2])
  assert.equal(door.blocklist.status().serial, serial + 2)
  assert.ok(door.store.journal.publication(serial), 'differences lead here all the same')
})

test('killed between COMMIT and publication: the next start shows what was committed', (t) => {
  const path = join(temporaryDirectory(t), 'test.db')
  const program = join(import.meta.dirname, 'die-before-publication.ts')
  const run = spawnSync(process.execPath, [program, path, '20.0.0.1'])
  assert.equal(run.signal, 'SIGKILL', String(run.stderr))
  const store = openStore(path)
  assert.equal(store.listings.currentAt(prefix('20.0.0.1')).length, 1)
  store.close()
  const door = openDoor(t, {}, path)
  assert.deepEqual(door.codes('20.0.0.1'), [2])
})

test('a full tree refuses what is new, while everything else goes on', async (t) => {
  const door = openDoor(t, { capacityBytes: 32 * 1024 })
  const listed: string[] = []
  let refused: unknown
  for (let index = 0; refused === undefined && index < 5000; index++) {
    const texts = [0, 1, 2, 3].map((last) => `20.${index & 255}.${index >> 8}.${last}`)
    await door.blocklist
      .list(
        texts.map((text) => request(text)),
        cli,
      )
      .then(
        () => listed.push(...texts),
        (error) => {
          refused = error
        },
      )
  }
  assert.ok(refused instanceof OperationalError)
  assert.equal(refused.code, 'capacity-reached')
  const { serial, entries } = door.blocklist.status()
  assert.equal(entries.ipv4, listed.length)
  const [first = '', second = ''] = listed
  // What is new is refused by itself: what waits with it is done.
  const [news, extension, counted, trap] = await Promise.allSettled([
    door.blocklist.list(
      Array.from({ length: 50 }, (_, index) => request(`9.9.${index}.9`)),
      cli,
    ),
    door.blocklist.list([request(first, { expiresAt: null })], cli),
    door.blocklist.record([evidence({ client: '9.9.9.9' })]),
    door.blocklist.addTrap('@trap.example.org', cli),
  ])
  assert.equal(news?.status, 'rejected')
  assert.deepEqual(
    [extension?.status, counted?.status, trap?.status],
    ['fulfilled', 'fulfilled', 'fulfilled'],
  )
  assert.equal(door.blocklist.status().serial, serial)
  assert.equal(door.blocklist.explain(address('9.9.0.9')).state, null)
  for (const text of listed) assert.deepEqual(door.codes(text), [2], text)
  await door.blocklist.delist([prefix(first)], cli)
  await door.blocklist.delist([prefix(second)], cli)
  assert.deepEqual(door.codes(first), [])
  assert.equal(door.blocklist.status().entries.ipv4, listed.length - 2)
  door.reopen()
  assert.equal(door.blocklist.status().entries.ipv4, listed.length - 2)
})

test('a COMMIT that fails leaves tree and store as they were, and the next one works', async (t) => {
  const door = openDoor(t)
  await door.blocklist.list([request('20.0.0.1')], cli)
  const before = answers(door)
  const { serial } = door.blocklist.status()
  const message = evidence({ client: '20.0.0.2' })
  const commit = t.mock.method(door.store, 'commit', () => {
    throw new OperationalError('database-failed', 'disk full')
  })
  const results = await Promise.allSettled([
    door.blocklist.list([request('8.8.8.8')], cli),
    door.blocklist.delist([prefix('20.0.0.1')], cli),
    door.blocklist.addException('exemption', prefix('0.0.0.0/0'), null, cli),
    door.blocklist.record([message]),
  ])
  assert.ok(results.every((each) => each.status === 'rejected'))
  assert.deepEqual(answers(door), before)
  assert.equal(door.blocklist.status().serial, serial)
  commit.mock.restore()
  const [decision] = await door.blocklist.record([message])
  assert.equal(decision?.decision, 'counted', 'the evidence had not been kept')
  await door.blocklist.list([request('8.8.8.8')], cli)
  assert.deepEqual(answers(door), { ...before, '8.8.8.8': '127.0.0.2' })
  door.reopen()
  assert.deepEqual(answers(door), { ...before, '8.8.8.8': '127.0.0.2' })
})

test('a disk that is full: refused, nothing half done, and answers go on', (t) => {
  const directory = temporaryDirectory(t)
  const program = join(import.meta.dirname, 'fill-disk.ts')
  // No file may grow over 1,000 KiB, and the signal that says so is ignored: writes fail as on a full disk.
  const run = spawnSync(
    'bash',
    [
      '-c',
      'trap "" XFSZ; ulimit -f 1000; exec "$0" "$@"',
      process.execPath,
      program,
      join(directory, 'a.db'),
    ],
    { encoding: 'utf8', timeout: 60_000 },
  )
  assert.equal(run.status, 0, run.stderr)
  const { accepted, code, agree, entries } = JSON.parse(run.stdout)
  assert.equal(code, 'database-failed')
  assert.ok(accepted > 10 && agree, run.stdout)
  assert.equal(entries, accepted)
  const store = openStore(join(directory, 'a.db'))
  t.after(() => store.close())
  let kept = 0
  store.listingWalks.eachAnswered(() => {
    kept += 1
  })
  assert.equal(kept, accepted, 'what was acknowledged, and nothing else, is there')
})
