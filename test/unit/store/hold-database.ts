// A process that opens the database named on its command line, writes to it, says so, and holds it until it is killed.
import { openStore } from '../../../src/store/database.ts'

const store = openStore(process.argv[2] ?? '')
store.mailboxPositions.set('held', 'yes', 1)
process.stdout.write('open\n')
setInterval(() => store.path, 1000)
