// A process that lists a prefix in a database as a command does while no server runs, and prints the status.
import { Blocklist } from '../../../src/blocklist/blocklist.ts'
import { openStore } from '../../../src/store/database.ts'
import { cli, request, silentLog, start, testPolicy } from '../../support/door.ts'

const [, , path = '', prefix = ''] = process.argv
const store = openStore(path)
const blocklist = new Blocklist({
  ...{ store, policy: testPolicy(), log: silentLog },
  ...{ now: () => start, validForSeconds: 86_400, retired: false },
})
await blocklist.list([request(prefix)], cli)
process.stdout.write(JSON.stringify(blocklist.status()))
blocklist.close()
store.close()
