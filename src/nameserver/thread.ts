// The file that a thread of the name server starts with; workers.ts starts it.
import { parentPort, workerData } from 'node:worker_threads'
import { runWorker } from './worker.ts'

if (parentPort !== null) await runWorker(workerData, parentPort)
