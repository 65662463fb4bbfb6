// A thread of the name server with a fault built in, for tests of what happens when one hangs: a question whose first
// label is `hang` is never answered, nor anything after it.
import { parentPort, workerData } from 'node:worker_threads'
import { runWorker } from '../../src/nameserver/worker.ts'

const label = Buffer.from('\x04hang')

if (parentPort !== null) {
  await runWorker(workerData, parentPort, (respond) => (query, length, response, transport) => {
    while (label.equals(query.subarray(12, 12 + label.length)));
    return respond(query, length, response, transport)
  })
}
