// A bug thrown in a UDP worker, again and again, under a steady stream from several source ports: what is lost is no
// more than what the dead worker held in its buffers, and no source port is forgotten.
import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { injectFaults } from '../support/dns-faulty-thread.ts'
import { buildQuery, reversed, types } from '../support/dns-query.ts'
import { silentLog, startSubject, subjectZone } from '../support/dns-subject.ts'
import { until } from '../support/server.ts'

const ports = 8
const everyMs = 4
const rounds = 750
const crashes = 3
/** As many datagrams one recvmmsg takes. */
const buffered = 64
/** So many unanswered ones fit into the receive buffer of one socket. */
const mostUnanswered = 400

for (const batch of [true, false]) {
  test(`no stream is swallowed by a worker that dies, datagrams moved ${batch ? 'in batches' : 'one by one'}`, async (t) => {
    injectFaults(t)
    const died: string[] = []
    const subject = await startSubject({
      workers: 2,
      batch,
      log: { ...silentLog, error: (_, message) => void died.push(message) },
      onFatal: (error) => void died.push(`fatal: ${error.message}`),
    })
    t.after(() => subject.close())
    const streams = await Promise.all(
      Array.from({ length: ports }, async () => {
        const socket = createSocket('udp4').bind(0, '127.0.0.1')
        t.after(() => socket.close())
        await once(socket, 'listening')
        const answered = new Set<number>()
        socket.on('message', (message) => answered.add(message.readUInt16BE(0)))
        return { socket, answered }
      }),
    )
    const name = `${reversed('127.0.0.2')}.${subjectZone.origin}`
    const fatal = buildQuery(`crash.${subjectZone.origin}`, types.A)
    let sent = 0
    let crashed = 0
    const countLost = async () =>
      streams.reduce((sum, { answered }) => sum + sent - answered.size, 0)
    while (sent < rounds) {
      const id = sent++
      for (const { socket } of streams) {
        socket.send(buildQuery(name, types.A, { id }), subject.port, subject.host)
      }
      // From one port after the other, so that either worker may be hit.
      if (crashed < crashes && sent > ((crashed + 1) * rounds) / (crashes + 1)) {
        // A worker that is dying would take this one with it.
        await until(
          async () => died.length,
          (count) => count >= crashed,
          60_000,
        )
        streams[crashed % ports]?.socket.send(fatal, subject.port, subject.host)
        crashed++
      }
      await sleep(everyMs)
      await until(countLost, (count) => count <= mostUnanswered, 60_000)
    }
    const isRight = (count: number): boolean =>
      count <= crashed * buffered && streams.every(({ answered }) => answered.has(sent - 1))
    const lost = await until(countLost, isRight, 60_000)
    assert.equal(
      died.filter((line) => line.startsWith('a name server thread died')).length,
      crashed,
    )
    assert.equal(died.length, crashed, died.join('; '))
    t.diagnostic(`${sent * ports} queries, ${crashed} crashes, ${lost} lost`)
    assert.ok(lost <= crashed * buffered, `${lost} lost`)
    for (const { answered } of streams) assert.ok(answered.has(sent - 1), 'the last of each stream')
  })
}
