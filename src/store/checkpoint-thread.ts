// Moves what is in the write-ahead log of a database into it each time it is asked to, and answers how far it came: a
// thread of its own, since that waits for the disk. Started by checkpoints.ts.
import { parentPort, workerData } from 'node:worker_threads'
import Database from 'better-sqlite3'

const database = new Database(String(workerData), { fileMustExist: true })
parentPort?.on('message', () => {
  // PASSIVE: keeps no writer and no reader waiting.
  const [result] = database.pragma('wal_checkpoint(PASSIVE)') as object[]
  parentPort?.postMessage(result)
})
