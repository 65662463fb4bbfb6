// The transfers of one client, and of all, at once: those above the limits wait for their turn.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { addressFromIPv4 } from '../../../src/ip/address.ts'
import { type Transfer, type TransferSink, Transfers } from '../../../src/transfer/transfers.ts'
import { subjectZone } from '../../support/dns-subject.ts'
import { openDoor } from '../../support/door.ts'
import { localOptions } from '../../support/local-transfers.ts'
import { axfrQuery } from '../../support/transfer-client.ts'

/** A client that takes what it gets only when `take` is called. */
class Client implements TransferSink {
  readonly #got = Promise.withResolvers<void>()
  readonly #taken = Promise.withResolvers<void>()
  readonly #ended = Promise.withResolvers<boolean>()
  hasGot = false
  readonly got = this.#got.promise
  readonly ended = this.#ended.promise
  readonly take = this.#taken.resolve

  async send(): Promise<void> {
    this.hasGot = true
    this.#got.resolve()
    await this.#taken.promise
  }

  end(isAnswered: boolean): void {
    this.#ended.resolve(isAnswered)
  }

  fail(): void {
    this.#ended.resolve(false)
  }
}

/** Starts transfers for clients with these addresses. */
function starter(t: TestContext) {
  const transfers = new Transfers(localOptions(openDoor(t).store.path))
  t.after(async () => await transfers.close())
  return (address: number): { client: Client; transfer: Transfer } => {
    const client = new Client()
    const query = axfrQuery(subjectZone.origin)
    return { client, transfer: transfers.start(query, addressFromIPv4(address), client) }
  }
}

test('ten transfers of a client run at once, the next ones when it has taken or ended those', async (t) => {
  const start = starter(t)
  const all = Array.from({ length: 13 }, () => start(0x7f00_0001))
  const got = () => all.filter(({ client }) => client.hasGot).length
  /** The thread does all in order, so what it was told before another client's transfer is done. */
  const other = async (): Promise<void> => {
    const { client } = start(0x7f00_0002)
    await client.got
    client.take()
    assert.equal(await client.ended, true)
  }
  await other()
  assert.equal(got(), 10)
  all[3]?.client.take()
  await all[10]?.client.got
  all[12]?.transfer.stop()
  all[4]?.transfer.stop()
  await all[11]?.client.got
  await other()
  assert.deepEqual(
    all.map(({ client }) => client.hasGot),
    all.map((_, index) => index !== 12),
  )
  for (const { client } of all) client.take()
  for (const [index, { client }] of all.entries()) {
    if (index !== 4 && index !== 12) assert.equal(await client.ended, true)
  }
})

test('fifty transfers run at once, and the others in the order in which they came', async (t) => {
  const start = starter(t)
  const all = Array.from({ length: 60 }, (_, index) => start(0x7f00_0001 + index))
  const got = () => all.map(({ client }) => client.hasGot)
  const first = (count: number) => all.map((_, index) => index < count)
  await all[49]?.client.got
  assert.deepEqual(got(), first(50))
  all[7]?.client.take()
  await all[50]?.client.got
  assert.deepEqual(got(), first(51))
  for (const { client } of all) client.take()
  for (const { client } of all) assert.equal(await client.ended, true)
})
