// A thread of the name server with a fault built in, for tests of what happens when one dies: a question whose first
// label is `crash` throws inside answering.
import { parentPort, workerData } from 'node:worker_threads'
import { runWorker } from '../../src/nameserver/worker.ts'

const label = Buffer.from('\x05crash')

if (parentPort !== null) {
  await runWorker(workerData, parentPort, (respond) => (query, length, response, transport) => {
    if (label.equals(query.subarray(12, 12 + label.length))) throw new Error('made to crash')
    return respond(query, length, response, transport)
  })
}
