// Faults in the threads of a name server, for tests of what happens when one dies or hangs: a question whose first label is
// `crash` throws inside answering, one whose first label is `hang` is never answered, nor anything after it.
import { syncBuiltinESMExports } from 'node:module'
import type { TestContext } from 'node:test'
import workerThreads, { type WorkerOptions } from 'node:worker_threads'
import { Responder } from '../../src/dns/responder.ts'

const crash = Buffer.from('\x05crash')
const hang = Buffer.from('\x04hang')
const { respond } = Responder.prototype

Responder.prototype.respond = function (query, ...rest) {
  if (crash.equals(query.subarray(12, 12 + crash.length))) throw new Error('made to crash')
  while (hang.equals(query.subarray(12, 12 + hang.length)));
  return respond.call(this, query, ...rest)
}

/** From now on until the test ends, threads load this file before their own. */
export function injectFaults(t: TestContext): void {
  const { Worker } = workerThreads
  workerThreads.Worker = class extends Worker {
    constructor(file: URL, options: WorkerOptions) {
      super(file, { ...options, execArgv: [`--import=${import.meta.url}`] })
    }
  }
  syncBuiltinESMExports()
  t.after(() => {
    workerThreads.Worker = Worker
    syncBuiltinESMExports()
  })
}
