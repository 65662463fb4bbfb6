// A process that imports a list and kills itself (SIGKILL) at one of the import's commits: before it, or after it but
// before its publication. Prints the serial and a digest of each publication, and "done" if it gets to the end.
import { writeSync } from 'node:fs'
import { Blocklist } from '../../src/blocklist/blocklist.ts'
import { openStore } from '../../src/store/database.ts'
import { TreeReader } from '../../src/tree/reader.ts'
import { TreeWriter } from '../../src/tree/writer.ts'
import { digest, importList, newAt, newKinds } from '../unit/blocklist/two-lists.ts'
import { silentLog, testPolicy } from './door.ts'

const [, , path = '', number = '', moment = ''] = process.argv
const store = openStore(path)
const tree = new TreeWriter(1 << 24)
const reader = new TreeReader(tree.buffer, 63)
const publish = tree.publish.bind(tree)
tree.publish = (version) => {
  publish(version)
  writeSync(1, `${version.serial} ${digest(reader)}\n`)
}
let commits = 0
const blocklist = new Blocklist({
  store,
  tree,
  policy: testPolicy(),
  log: silentLog,
  now: () => newAt,
  validForSeconds: 86_400,
  retired: false,
})
const commit = store.commit.bind(store)
store.commit = () => {
  commits += 1
  if (moment === 'before' && commits === Number(number)) die()
  commit()
  if (moment === 'after' && commits === Number(number)) die()
}
await importList(blocklist, 'a', newKinds)
writeSync(1, 'done\n')

function die(): void {
  process.kill(process.pid, 'SIGKILL')
}
