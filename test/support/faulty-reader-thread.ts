// In place of the thread that reads messages: does what the message's own octets say. It names the message that it is
// at, as the real one does.
import { parentPort, workerData } from 'node:worker_threads'
import {
  type ReaderData,
  type ReadJob,
  type ReadResult,
  sharedWords,
} from '../../src/traps/message-reader.ts'

const { shared } = workerData as ReaderData
const { number, cpuStart } = sharedWords(shared)
const kept: unknown[] = []

const faults: Readonly<Record<string, () => void>> = {
  loop: () => {
    for (let turn = 0; ; turn++) kept[0] = turn
  },
  'fill the heap': () => {
    for (;;) kept.push({ turn: [kept.length] })
  },
  exit: () => process.exit(3),
  throw: () => {
    throw new Error('a fault of the thread')
  },
  // Nothing is computed meanwhile, as in a process that stands still.
  sleep: () => {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1500)
  },
  'exit unnamed': () => {
    Atomics.store(number, 0, 0)
    process.exit(3)
  },
}

parentPort?.on('message', (job: ReadJob) => {
  const { user, system } = process.threadCpuUsage()
  cpuStart[0] = user + system
  Atomics.store(number, 0, job.number)
  faults[Buffer.from(job.raw).toString().trim()]?.()
  Atomics.store(number, 0, 0)
  const result: ReadResult = {
    number: job.number,
    classification: {
      backscatter: false,
      kind: null,
      notBackscatter: 'other',
      certainty: null,
      facts: [],
      rule: 'read',
      generator: null,
      dsn: null,
      returned: null,
      viaList: false,
    },
    evidence: [],
  }
  parentPort?.postMessage(result)
})
