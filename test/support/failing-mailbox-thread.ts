// A thread that reads mailboxes as the real one does, but for the mailbox "deadly", with whose reading it comes to an
// end in the way that its path names.
import { parentPort, workerData } from 'node:worker_threads'
import type { MailboxThreadData, ToThread } from '../../src/traps/mailbox-thread.ts'

const { mailboxes } = workerData as MailboxThreadData
const how = mailboxes.find(({ name }) => name === 'deadly')?.path

parentPort?.on('message', (message: ToThread) => {
  if (!('call' in message) || message.call !== 'next' || message.mailbox !== 'deadly') return
  if (how === 'exit') process.exit(3)
  if (how === 'throw') throw new Error('a bug')
  const kept: string[][] = []
  while (how === 'heap') kept.push(String(kept.length).repeat(100).split(''))
})
await import('../../src/traps/mailbox-thread.ts')
