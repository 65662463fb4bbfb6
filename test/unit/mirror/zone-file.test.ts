// The file of a mirror's zone: whatever is torn off or changed in it is never believed.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { NetworkReader } from '../../../src/mirror/received-names.ts'
import { ZoneFile } from '../../../src/mirror/zone-file.ts'
import { host, messages, soa, status, zone, zoneOrigin } from '../../support/hostile-primary.ts'
import { axfrQuery } from '../../support/transfer-client.ts'

const options = {
  origin: zoneOrigin,
  networks: new NetworkReader('Listed: {ip}'),
  maxNames: 1000,
}

/** A file with a whole zone of serial 1 and differences to serial 2, both heard of at 1000. */
function makeFile(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'backscatterd-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'list.db-zone')
  const file = new ZoneFile(path)
  const differences = [soa(2), soa(1), status(1), ...host(1), soa(2), status(2), ...host(3), soa(2)]
  const ends: number[] = []
  for (const [isWhole, records] of [
    [true, zone(1, [1, 2])],
    [false, differences],
  ] as const) {
    file.begin()
    for (const message of messages(axfrQuery('bl.test.example'), records)) file.add(message)
    file.keep(isWhole, 1000)
    ends.push(readFileSync(path).length)
  }
  const load = () => new ZoneFile(path).load(options)
  return { path, ends, load, octets: readFileSync(path) }
}

test('what was kept is read again', (t) => {
  const { load } = makeFile(t)
  const kept = load()
  assert.deepEqual([kept?.zone?.serial, kept?.heardAt, kept?.isDamaged], [2, 1000, false])
})

test('each octet that is torn off counts as damage, and no part of the response is used', (t) => {
  const { path, ends, load, octets } = makeFile(t)
  const [wholeEnd = 0] = ends
  for (let length = 0; length < octets.length; length++) {
    writeFileSync(path, octets.subarray(0, length))
    const kept = load()
    assert.equal(kept?.isDamaged, length !== wholeEnd, `${length} octets`)
    assert.equal(kept.zone?.serial, length >= wholeEnd ? 1 : undefined, `${length} octets`)
    if (kept.zone !== undefined) assert.equal(load()?.isDamaged, false)
  }
})

test('each bit that is flipped is seen, and nothing of its response is used', (t) => {
  const { path, ends, load, octets } = makeFile(t)
  const [wholeEnd = 0] = ends
  for (let at = 0; at < octets.length; at++) {
    const changed = Buffer.from(octets)
    changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8))
    writeFileSync(path, changed)
    const kept = load()
    assert.equal(kept?.isDamaged, true, `octet ${at}`)
    const isInHead = at >= 8 && at < 20
    const serial = isInHead ? 2 : at >= wholeEnd ? 1 : undefined
    assert.equal(kept.zone?.serial, serial, `octet ${at}`)
    // When the primary was heard of is not guessed: the zone counts as stale until it answers.
    assert.equal(kept.heardAt, at < 20 ? 0 : 1000, `octet ${at}`)
  }
})

test('a file that was kept under another text is told from a damaged one', (t) => {
  const { path, octets } = makeFile(t)
  const other = { ...options, networks: new NetworkReader('See {ip}') }
  const load = () => {
    const { zone, isDamaged, misfit = '' } = new ZoneFile(path).load(other) ?? {}
    return [zone, isDamaged, /zone\.text/.test(misfit)]
  }
  assert.deepEqual(load(), [undefined, false, true])
  octets[octets.length - 40] = (octets[octets.length - 40] ?? 0) ^ 1
  writeFileSync(path, octets)
  assert.deepEqual(load(), [undefined, false, true])
  octets[100] = (octets[100] ?? 0) ^ 1
  writeFileSync(path, octets)
  assert.deepEqual(load(), [undefined, true, false])
})

test('octets of another program are no zone', (t) => {
  const { path, load } = makeFile(t)
  for (const content of ['', 'bsdzone1', 'x'.repeat(5000)]) {
    writeFileSync(path, content)
    const nothing = { zone: undefined, misfit: undefined }
    assert.deepEqual(load(), { ...nothing, heardAt: 0, isDamaged: true })
  }
})
