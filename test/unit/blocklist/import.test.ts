// A whole named list in place of what it held: what is then listed, beside other origins of the same prefixes, through
// refusals, holes, two at once, and a death at any moment.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { listingAt } from '../../../src/blocklist/pages.ts'
import type { ImportItem, ImportOutcome } from '../../../src/blocklist/types.ts'
import { readFeed, writeFeed } from '../../../src/feeds/feed.ts'
import { formatPrefix } from '../../../src/ip/address.ts'
import { cli, type Door, openDoor, prefix, request, start, testPolicy } from '../../support/door.ts'
import fc from '../../support/properties.ts'

async function* feed(text: string, format: 'text' | 'csv' | 'rbldnsd' | 'ndjson' = 'text') {
  async function* octets() {
    yield Buffer.from(text)
  }
  yield* readFeed(octets(), { format, now: start })
}

async function importText(
  door: Door,
  list: string,
  text: string,
  format: 'text' | 'csv' | 'rbldnsd' | 'ndjson' = 'text',
  isStrict = false,
) {
  return await door.blocklist.import({
    list,
    items: feed(text, format),
    isStrict,
    isForced: true,
    actor: cli,
  })
}

function isRefusal(outcome: ImportOutcome): outcome is Exclude<ImportOutcome, { added: number }> {
  return !('added' in outcome)
}

/** Prefixes of the list as an export shows them. */
async function exported(door: Door, list?: string): Promise<string[]> {
  const found = await door.blocklist.export(list)
  assert.ok(found, `${list} is a list`)
  return [...found.pages].flat().map((entry) => formatPrefix(entry.prefix))
}

const zone = { head: () => '', text: '' }

test('the status tells how far an import is, phase by phase', async (t) => {
  const door = openDoor(t)
  const lines = Array.from({ length: 20_000 }, (_, at) => `20.0.${at >> 8}.${at & 255}\n`)
  const seen: string[] = []
  let isOver = false
  const importing = importText(door, 'a', lines.join('')).finally(() => {
    isOver = true
  })
  while (!isOver) {
    const [running] = door.blocklist.status().imports
    if (running !== undefined) {
      const { list, phase, done, total } = running
      assert.equal(list, 'a')
      assert.equal(total, phase === 'reading' ? null : 20_000)
      assert.ok(done >= 0 && done <= 20_000)
      if (seen.at(-1) !== phase) seen.push(phase)
    }
    await setImmediate()
  }
  await importing
  assert.deepEqual(seen, ['reading', 'sorting', 'storing', 'publishing'])
  assert.deepEqual(door.blocklist.status().imports, [])
})

test('a dry run says that the import would need force, and why', async (t) => {
  const door = openDoor(t)
  await importText(door, 'a', '20.0.0.1\n20.0.0.2\n')
  const dryRun = async (text: string, isForced = false) => {
    const request = { list: 'a', items: feed(text), isStrict: false, isDryRun: true, isForced }
    const outcome = await door.blocklist.import({ ...request, actor: cli })
    assert.ok(!isRefusal(outcome))
    return outcome.needsForce
  }
  assert.equal(await dryRun(''), 'the import is empty; all 2 entries of list a would be removed')
  assert.equal(await dryRun('20.0.0.1\n'), undefined)
  assert.equal(await dryRun('', true), undefined)
})

test('an import adds, removes and keeps; the rest of the world is left alone', async (t) => {
  const door = openDoor(t)
  await door.blocklist.list([request('20.0.0.1', { kinds: ['dsn'] }), request('20.0.9.9')], cli)
  const first = await importText(door, 'a', '20.0.0.1\n20.0.0.2\n2a00::/64\n')
  assert.deepEqual(first, {
    list: 'a',
    added: 3,
    removed: 0,
    kept: 0,
    refused: [],
    refusedCount: 0,
  })
  const before = listingAt(door.store, 'a:20.0.0.2-32', door.now)
  assert.deepEqual([before?.origin, before?.list, before?.expiresAt], ['import', 'a', null])
  door.now += 100
  const second = await importText(door, 'a', '20.0.0.2\n20.0.0.3\n')
  assert.deepEqual(
    { ...second, refused: 0 },
    { list: 'a', added: 1, removed: 2, kept: 1, refused: 0, refusedCount: 0 },
  )
  assert.deepEqual(
    listingAt(door.store, 'a:20.0.0.2-32', door.now),
    before,
    'what it has still is as old',
  )
  assert.equal(listingAt(door.store, 'a:20.0.0.3-32', door.now)?.createdAt, door.now)
  assert.deepEqual(
    ['20.0.0.1', '20.0.0.2', '20.0.0.3', '2a00::1', '20.0.9.9'].map((at) => door.codes(at)),
    [...[[2, 3], [2], [2], [], [2]]],
  )
  assert.deepEqual(door.blocklist.status().entries, { ipv4: 4, ipv6: 0, domains: 0 })
  assert.deepEqual(await exported(door, 'a'), ['20.0.0.2/32', '20.0.0.3/32'])
  assert.deepEqual(await exported(door), [
    '20.0.0.1/32',
    '20.0.0.2/32',
    '20.0.0.3/32',
    '20.0.9.9/32',
  ])
  assert.equal(
    [...door.store.listingWalks.page({ prefix: prefix('20.0.0.1') }, 10)]
      .flat()
      .filter(({ endedAt }) => endedAt !== null).length,
    0,
    'replaced is not removed',
  )
  door.reopen()
  assert.deepEqual(door.codes('20.0.0.3'), [2])
})

test('kinds of several lists and origins are united until the last ends', async (t) => {
  const door = openDoor(t)
  await importText(door, 'a', '20.0.0.1,dsn\n', 'csv')
  await importText(door, 'b', '20.0.0.1,auto-reply\n20.0.0.1,challenge-response\n', 'csv')
  assert.deepEqual(door.codes('20.0.0.1'), [2, 3, 4, 5])
  await importText(door, 'a', '20.0.0.1,content-notice\n', 'csv')
  assert.deepEqual(door.codes('20.0.0.1'), [2, 4, 5, 6])
  await importText(door, 'b', '20.0.0.9\n')
  assert.deepEqual(door.codes('20.0.0.1'), [2, 6])
  await importText(door, 'a', '')
  assert.deepEqual(door.codes('20.0.0.1'), [])
  assert.equal(door.blocklist.status().entries.ipv4, 1)
})

test('what may not be listed is refused line by line, and with strict altogether', async (t) => {
  const door = openDoor(t, {
    policy: testPolicy({ exempt: [{ prefix: prefix('20.5.0.0/16'), note: 'ours' }] }),
  })
  await door.blocklist.addException('exclusion', prefix('20.6.0.0/24'), null, cli)
  const lines = [
    '20.0.0.1',
    '10.0.0.1',
    '20.5.1.1',
    '8.0.0.0/8',
    '20.6.0.0/24',
    'junk',
    '224.0.0.1',
    '2a00::/16',
  ]
  const done = await importText(door, 'a', lines.join('\n'))
  assert.ok(!isRefusal(done))
  assert.equal(done.added, 1)
  assert.deepEqual(
    done.refused.map(({ line, text, why }) => `${line} ${text} ${why}`),
    [
      '2 10.0.0.1 is in 10.0.0.0/8 (Private-Use, RFC 1918), which is listed only if policy.allowSpecial names it',
      '3 20.5.1.1 is exempt: 20.5.0.0/16 (ours); end that exemption first',
      '4 8.0.0.0/8 is shorter than policy.shortest4 (16): list longer prefixes in it, or lower that key',
      '5 20.6.0.0/24 is excluded: include it first',
      '6 junk not an IP address',
      '7 224.0.0.1 is in 224.0.0.0/4 (Multicast, RFC 5771), which is listed only if policy.allowSpecial names it',
      '8 2a00::/16 is shorter than policy.shortest6 (32): list longer prefixes in it, or lower that key',
    ],
  )
  const { serial } = door.blocklist.status()
  const refused = await importText(door, 'a', '20.0.0.7\n10.0.0.1\n', 'text', true)
  assert.ok(isRefusal(refused) && 'line' in refused)
  assert.equal(refused.line?.line, 2)
  const page = await importText(door, 'a', '<html>\n<body>\n')
  assert.ok(isRefusal(page), 'an error page does not empty a list')
  const stale = await importText(door, 'a', '20.0.0.7\n$TIMESTAMP 1 2\n', 'rbldnsd')
  assert.ok(isRefusal(stale))
  assert.equal(door.blocklist.status().serial, serial)
  assert.deepEqual(await exported(door, 'a'), ['20.0.0.1/32'])
})

test('exclusions of a list are holes in that list alone; what is listed inside them stays', async (t) => {
  const door = openDoor(t)
  const text =
    '20.0.0.0/24\n!20.0.0.64/26\n20.0.0.65\n!20.9.0.0/24\n20.9.0.1\n20.0.1.0/24 :3:\n!20.0.1.0\n20.0.1.128/25\n'
  await importText(door, 'a', text, 'rbldnsd')
  const listed = (at: string) => door.codes(at).length > 0
  for (const at of ['20.0.0.0', '20.0.0.63', '20.0.0.65', '20.0.0.128', '20.9.0.1', '20.0.1.1']) {
    assert.ok(listed(at), at)
  }
  for (const at of ['20.0.0.64', '20.0.0.66', '20.0.0.127', '20.9.0.2', '20.0.1.0']) {
    assert.ok(!listed(at), at)
  }
  assert.deepEqual([door.codes('20.0.1.5'), door.codes('20.0.1.200')], [[2, 3], [2]])
  await importText(door, 'b', '20.0.0.0/24\n')
  assert.ok(listed('20.0.0.66'))
})

test('two imports of one list: the second is refused, one of another list is not', async (t) => {
  const door = openDoor(t)
  const { promise: gate, resolve: open } = Promise.withResolvers<void>()
  async function* slow(): AsyncGenerator<ImportItem[]> {
    yield [
      {
        line: 1,
        text: '',
        prefix: prefix('20.0.0.1'),
        attributes: { kinds: 0, reason: null, expiresAt: null },
      },
    ]
    await gate
  }
  const first = door.blocklist.import({ list: 'a', items: slow(), isStrict: false, actor: cli })
  const second = await importText(door, 'a', '20.0.0.2')
  assert.ok(isRefusal(second) && second.refused === 'conflict')
  assert.ok(!isRefusal(await importText(door, 'b', '20.0.0.3')))
  open()
  assert.ok(!isRefusal(await first))
  assert.ok(!isRefusal(await importText(door, 'a', '20.0.0.2')))
  assert.deepEqual(
    [door.codes('20.0.0.1'), door.codes('20.0.0.2'), door.codes('20.0.0.3')],
    [[], [2], [2]],
  )
})

test('an entry that ends while its list is being read is kept, and not answered', async (t) => {
  const door = openDoor(t)
  await importText(door, 'a', '20.0.0.1\n20.0.0.2\n')
  const ends = { kinds: 0, reason: null, expiresAt: start + 2 }
  async function* slow(): AsyncGenerator<ImportItem[]> {
    yield [{ line: 1, text: '', prefix: prefix('20.0.0.1'), attributes: ends }]
    door.now += 10
    yield [
      { line: 2, text: '', prefix: prefix('20.0.0.2'), attributes: { ...ends, expiresAt: null } },
    ]
  }
  const request = { list: 'a', items: slow(), isStrict: false, actor: cli }
  const outcome = await door.blocklist.import(request)
  assert.ok('added' in outcome)
  assert.deepEqual([outcome.added, outcome.removed, outcome.kept], [0, 0, 2])
  await door.blocklist.expire()
  assert.deepEqual([door.codes('20.0.0.1'), door.codes('20.0.0.2')], [[], [2]])
  assert.equal(door.blocklist.status().entries.ipv4, 1)
})

test('entries that end while the same list is read again are neither new nor gone', async (t) => {
  const door = openDoor(t)
  const text =
    '{"prefix": "20.0.0.1", "expiresAt": "2027-01-15T08:00:05Z"}\n{"prefix": "20.0.0.2"}\n'
  await importText(door, 'a', text, 'ndjson')
  async function* slow(): AsyncGenerator<ImportItem[]> {
    for await (const batch of feed(text, 'ndjson')) yield batch as ImportItem[]
    door.now += 10
    yield []
  }
  const request = { list: 'a', items: slow(), isStrict: false, actor: cli }
  const outcome = await door.blocklist.import(request)
  assert.ok('added' in outcome)
  assert.deepEqual([outcome.added, outcome.removed, outcome.kept], [0, 0, 2])
  await door.blocklist.expire()
  assert.deepEqual(door.codes('20.0.0.1'), [])
})

test('other kinds published while DNS follows a list: no prefix has some of the old list and some of the new', async (t) => {
  const door = openDoor(t)
  const hosts = Array.from({ length: 5000 }, (_, index) => `20.0.${index >> 8}.${index & 255}`)
  const lines = (kind: string) => `prefix,kinds\n${hosts.map((at) => `${at},${kind}\n`).join('')}`
  await importText(door, 'a', lines('dsn'), 'csv')
  await importText(door, 'b', hosts.map((at) => `${at.replace('20.', '21.')}\n`).join(''))
  const old = door.store.lists.named('a')?.version
  const done = importText(door, 'a', lines('auto-reply'), 'csv')
  while (door.store.lists.named('a')?.version === old) await setImmediate()
  assert.deepEqual(door.codes('20.0.19.135'), [2, 3], 'DNS has not followed')
  await door.blocklist.reconfigure(testPolicy({ publish: ['dsn', 'auto-reply'] }))
  for (const at of hosts) {
    const codes = door.codes(at).join(' ')
    assert.ok(codes === '2 3' || codes === '2 4', `${at}: ${codes}`)
  }
  await done
  for (const at of hosts) assert.deepEqual(door.codes(at), [2, 4])
  assert.equal(door.blocklist.status().entries.ipv4, 2 * hosts.length)
})

test('a body that breaks off changes nothing, and leaves nothing behind', async (t) => {
  const door = openDoor(t)
  await importText(door, 'a', '20.0.0.1\n')
  async function* broken(): AsyncGenerator<ImportItem[]> {
    yield* []
    throw new Error('aborted')
  }
  await assert.rejects(
    door.blocklist.import({ list: 'a', items: broken(), isStrict: false, actor: cli }),
    /aborted/,
  )
  assert.deepEqual(await exported(door, 'a'), ['20.0.0.1/32'])
  assert.deepEqual(door.store.lists.unused(), [])
})

test('died at any commit of an import: the next start has the old list or the new one, and no leftovers', async (t) => {
  const number = (index: number) => `20.${index >> 16}.${(index >> 8) & 255}.${index & 255}`
  const text = (from: number, count: number) =>
    Array.from({ length: count }, (_, index) => number(from + index)).join('\n')
  const wanted = { old: 1500, new: 2500 }
  for (let commits = 0, isNew = false, isOver = false; !isOver; commits++) {
    const door = openDoor(t)
    await importText(door, 'a', text(0, wanted.old))
    await door.blocklist.list([request(number(1), { kinds: ['dsn'] })], cli)
    let left = commits
    const { commit } = door.store
    t.mock.method(door.store, 'commit', () => {
      if (left-- <= 0) throw new Error('died')
      commit.call(door.store)
    })
    // From then on nothing is written any more, as when the process is gone.
    await importText(door, 'a', text(1000, wanted.new)).then(
      () => {
        isOver = true
      },
      () => undefined,
    )
    t.mock.restoreAll()
    door.reopen()
    // What was being loaded is forgotten beside everything else.
    for (let turns = 0; turns < 1000 && door.store.lists.unused().length > 0; turns++) {
      await setImmediate()
    }
    const list = await exported(door, 'a')
    const isNewNow = list.length === wanted.new
    assert.ok(isNewNow || list.length === wanted.old, `${list.length} after ${commits} commits`)
    assert.equal(list[0], `${number(isNewNow ? 1000 : 0)}/32`)
    assert.ok(!isNew || isNewNow, 'once it is the new list it stays so')
    isNew = isNewNow
    assert.deepEqual(door.store.lists.unused(), [])
    assert.deepEqual(door.codes(number(1)), [2, 3])
    assert.deepEqual(door.codes(number(2)), isNew ? [] : [2])
    assert.deepEqual(door.codes(number(3499)), isNew ? [2] : [])
    assert.equal(door.blocklist.status().entries.ipv4, list.length + (isNew ? 1 : 0))
    door.blocklist.close()
    if (isOver) assert.ok(isNew && commits > 4)
  }
})

test('a small import is differences to those who follow, a large one a new beginning', async (t) => {
  const door = openDoor(t)
  await importText(door, 'a', '20.0.0.1\n20.0.0.2\n')
  const { serial } = door.blocklist.status()
  await importText(door, 'a', '20.0.0.2\n20.0.0.3\n')
  const changes = [...door.store.journal.changes(serial, door.blocklist.status().serial)]
  assert.deepEqual(
    changes.map(({ prefix: at, before, after }) => [formatPrefix(at), before, after]),
    [
      ['20.0.0.1/32', 1, 0],
      ['20.0.0.3/32', 0, 1],
    ],
  )
  const many = Array.from(
    { length: 101_000 },
    (_, index) => `20.${index >> 16}.${(index >> 8) & 255}.${index & 255}`,
  )
  await importText(door, 'a', many.join('\n'))
  assert.equal(door.store.journal.publication(serial), undefined)
  assert.equal(door.blocklist.status().entries.ipv4, 101_000)
})

const anyPrefix = fc.oneof(
  fc
    .record({ host: fc.nat(63), length: fc.integer({ min: 26, max: 32 }) })
    .map(({ host, length }) => {
      const size = 2 ** (32 - length)
      return `20.0.0.${host - (host % size)}/${length}`
    }),
  fc.nat(7).map((net) => `2a00:0:0:${net}::/64`),
)
const anyList = fc.uniqueArray(
  fc.record({
    prefix: anyPrefix,
    kinds: fc.uniqueArray(fc.constantFrom('dsn', 'auto-reply', 'callout')),
    reason: fc.option(
      fc.string({ maxLength: 20 }).map((text) => text.replaceAll(/\s+/g, ' ').trim() || null),
    ),
    expiresAt: fc.constantFrom(null, '2027-03-01T00:00:00Z'),
  }),
  { selector: (entry) => entry.prefix, maxLength: 40 },
)

for (const format of ['text', 'csv', 'ndjson', 'rbldnsd'] as const) {
  test(`export and import as ${format} is the same set`, async (t) => {
    const door = openDoor(t)
    await fc.assert(
      fc.asyncProperty(anyList, async (entries) => {
        await importText(
          door,
          'a',
          entries.map((entry) => JSON.stringify(entry)).join('\n'),
          'ndjson',
        )
        const found = await door.blocklist.export('a')
        assert.ok(found)
        const original = [...found.pages].flat()
        assert.equal(original.length, entries.length)
        const text = [...writeFeed({ ...found, pages: [original] }, { format, zone })].join('')
        const done = await importText(door, 'b', text, format, true)
        assert.ok(!isRefusal(done), JSON.stringify(done))
        const again = await door.blocklist.export('b')
        assert.ok(again)
        const fields =
          format === 'text'
            ? []
            : format === 'rbldnsd'
              ? ['kinds']
              : ['kinds', 'reason', 'expiresAt']
        const shown = (all: typeof original) =>
          all.map(({ prefix: at, attributes }) => [
            formatPrefix(at),
            ...fields.map((name) => attributes[name as keyof typeof attributes]),
          ])
        assert.deepEqual(shown([...again.pages].flat()), shown(original))
      }),
      { numRuns: 40 },
    )
  })
}

test('a zone made of all that is listed has the kinds that are answered; a list, and data, have all', async (t) => {
  const door = openDoor(t)
  await importText(door, 'a', '{"prefix":"20.0.0.1","kinds":["dsn","callout"]}', 'ndjson')
  const written = async (list: string | undefined, format: 'rbldnsd' | 'csv') => {
    const found = await door.blocklist.export(list)
    assert.ok(found)
    return [...writeFeed(found, { format, zone })]
      .join('')
      .split('\n')
      .filter((line) => /^20\./.test(line))
  }
  assert.deepEqual(await written(undefined, 'rbldnsd'), ['20.0.0.1/32', '20.0.0.1/32 :3:'])
  assert.deepEqual(await written('a', 'rbldnsd'), [
    '20.0.0.1/32',
    '20.0.0.1/32 :3:',
    '20.0.0.1/32 :7:',
  ])
  assert.deepEqual(await written(undefined, 'csv'), ['20.0.0.1/32,dsn callout,,'])
})

test('a reason does not keep in memory what the line was cut from', async (t) => {
  setFlagsFromString('--expose-gc')
  const collectGarbage: () => void = runInNewContext('gc')
  const door = openDoor(t)
  const lines = 200
  const linesBytes = lines * 60_000
  let keptBytes = 0
  async function* octets() {
    collectGarbage()
    const before = process.memoryUsage().heapUsed
    for (let line = 0; line < lines; line++) {
      yield Buffer.from(
        `20.0.${line >> 8}.${line & 255},,reason number ${line},${','.repeat(60_000)}\n`,
      )
    }
    // Lines are handed on some thousand at a time: these blank ones bring the others on.
    yield Buffer.from('\n'.repeat(5000))
    collectGarbage()
    keptBytes = process.memoryUsage().heapUsed - before
  }
  const items = readFeed(octets(), { format: 'csv', now: start })
  const outcome = await door.blocklist.import({ list: 'a', items, isStrict: true, actor: cli })
  assert.ok(!isRefusal(outcome) && outcome.added === lines)
  assert.ok(keptBytes < linesBytes / 4, `${keptBytes} octets of ${linesBytes} were kept`)
})
