// A process that lists one address after another until the database cannot be written, and prints how many were
// accepted, the error's code, and whether the tree holds exactly those.
import { Blocklist } from '../../../src/blocklist/blocklist.ts'
import { OperationalError } from '../../../src/errors.ts'
import { openStore } from '../../../src/store/database.ts'
import { TreeReader } from '../../../src/tree/reader.ts'
import { TreeWriter } from '../../../src/tree/writer.ts'
import { cli, request, silentLog, start, testPolicy } from '../../support/door.ts'

const attempts = 20_000
const store = openStore(process.argv[2] ?? '')
const tree = new TreeWriter(1 << 24)
const blocklist = new Blocklist({
  ...{ store, tree, policy: testPolicy(), log: silentLog },
  ...{ now: () => start, validForSeconds: 86_400, retired: false },
})
const word = (index: number) => 0x1400_0000 + index
let accepted = 0
let code = ''
while (code === '' && accepted < attempts) {
  const prefix = { family: 4, w0: word(accepted), w1: 0, w2: 0, w3: 0, length: 32 } as const
  const reason = 'x'.repeat(1000)
  await blocklist.list([{ ...request('20.0.0.0'), prefix, reason }], cli).then(
    () => {
      accepted += 1
    },
    (error) => {
      code = error instanceof OperationalError ? error.code : String(error)
    },
  )
}
const reader = new TreeReader(tree.buffer, 63)
reader.enter()
let agree = reader.ipv4Entries === accepted
for (let index = 0; index < accepted + 1000; index++) {
  agree &&= reader.find(4, word(index), 0, 0, 0) >= 0 === index < accepted
}
reader.leave()
const entries = blocklist.status().entries.ipv4
process.stdout.write(JSON.stringify({ accepted, code, agree, entries }))
