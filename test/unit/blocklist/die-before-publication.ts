// A process that lists a prefix and dies, as by kill -9, when the transaction is committed and the tree is not changed.
import { Blocklist } from '../../../src/blocklist/blocklist.ts'
import { openStore } from '../../../src/store/database.ts'
import { TreeWriter } from '../../../src/tree/writer.ts'
import { cli, request, silentLog, start, testPolicy } from '../../support/door.ts'

const [, , path = '', prefix = ''] = process.argv
const tree = new TreeWriter(1 << 20)
const blocklist = new Blocklist({
  ...{ store: openStore(path), tree, policy: testPolicy(), log: silentLog },
  ...{ now: () => start, validForSeconds: 86_400, retired: false },
})
tree.publish = () => process.kill(process.pid, 'SIGKILL')
await blocklist.list([request(prefix)], cli)
