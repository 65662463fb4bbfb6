// A whole transfer that takes long: whatever happens to the list meanwhile, the receiver gets the zone of one moment.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { transferMessages } from '../../../src/transfer/transfer.ts'
import { cli, openDoor, prefix, request, start, testPolicy } from '../../support/door.ts'
import { localOptions, loopback, transferred } from '../../support/local-transfers.ts'
import { applyTransfer, axfrQuery, readMessage } from '../../support/transfer-client.ts'

test('entries expire, come and go between the messages of a transfer, which is the zone of its beginning', async (t) => {
  const policy = testPolicy({ allowSpecial: [prefix('0.0.0.0/0')] })
  const door = openDoor(t, { policy })
  const { path } = door.store
  const listed = Array.from({ length: 2000 }, (_, index) =>
    request(`20.0.${index >> 8}.${index & 255}/32`, { expiresAt: start + 10 * (index % 20) + 10 }),
  )
  await door.blocklist.list(listed, cli)
  const atFirst = transferred(path)?.copy
  assert.ok(atFirst)

  const steps = transferMessages(
    axfrQuery('bl.test.example'),
    loopback,
    localOptions(path),
    () => 0,
  )
  const messages: Uint8Array[] = []
  for (const step of steps) {
    assert.ok(!('pauseMs' in step))
    messages.push(step)
    door.now += 10
    await door.blocklist.expire()
    await door.blocklist.list([request(`20.1.0.${messages.length}/32`)], cli)
    await door.blocklist.delist([prefix(`20.0.7.${messages.length}/32`)], cli)
  }
  assert.ok(messages.length > 5, `${messages.length} messages`)
  const records = messages.flatMap((message) => readMessage(message).records)
  assert.deepEqual(applyTransfer(records, undefined).copy, atFirst)
  const atLast = transferred(path)?.copy
  assert.ok(atLast && atLast.serial > atFirst.serial && atLast.records.size < atFirst.records.size)
})
