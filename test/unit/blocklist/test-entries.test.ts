// Exemptions around the test entries, which stand in the zone as the pieces that hold none of these: one piece, pieces that
// several exemptions have in common, and all of them after a start.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cli, openDoor, prefix, testPolicy } from '../../support/door.ts'
import { entryInTree, journalLeads } from './agreement.ts'

const exempt = (...texts: string[]) =>
  testPolicy({ exempt: texts.map((text) => ({ prefix: prefix(text), note: '' })) })

test('an exemption that test entries leave one piece of is in the zone as that', async (t) => {
  const door = openDoor(t)
  const piece = () => entryInTree(door, prefix('127.0.0.0/31'))
  await door.blocklist.addException('exemption', prefix('127.0.0.0/29'), null, cli)
  assert.deepEqual([piece(), door.codes('127.0.0.2')], ['exempt', [2]])
  door.reopen()
  assert.equal(piece(), 'exempt')
  await door.blocklist.removeException('exemption', prefix('127.0.0.0/29'), cli)
  assert.equal(piece(), '')
  journalLeads(door)
})

test('exemptions that have pieces in common come and go in one transaction', async (t) => {
  const door = openDoor(t)
  const [inner, outer] = ['::ffff:127.0.0.0/127', '::ffff:127.0.0.0/126']
  await door.blocklist.reconfigure(exempt(inner, outer))
  const pieces = () =>
    [inner, '::ffff:127.0.0.3/128'].map((text) => entryInTree(door, prefix(text)))
  assert.deepEqual(pieces(), ['exempt', 'exempt'])
  await door.blocklist.reconfigure(exempt(inner))
  assert.deepEqual(pieces(), ['exempt', ''])
  await door.blocklist.reconfigure(exempt())
  assert.deepEqual(pieces(), ['', ''])
  journalLeads(door)
})
