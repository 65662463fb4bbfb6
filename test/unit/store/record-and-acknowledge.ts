// A process that records one piece of evidence in the database named on its command line and, when that has been
// accepted, writes one line: what a trap does before it answers 250.
import { writeSync } from 'node:fs'
import { Blocklist } from '../../../src/blocklist/blocklist.ts'
import { openStore } from '../../../src/store/database.ts'
import { evidence, silentLog, testPolicy } from '../../support/door.ts'

const store = openStore(process.argv[2] ?? '')
const blocklist = new Blocklist({
  ...{ store, policy: testPolicy(), log: silentLog },
  ...{ now: () => 1_800_000_000, validForSeconds: 86_400, retired: false },
})
store.begin()
store.mailboxPositions.set('imap', '7', 1)
store.commit()
writeSync(1, 'ready\n')
await blocklist.record([evidence({ content: 'power-loss' })])
writeSync(1, 'acknowledged\n')
