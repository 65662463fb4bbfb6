// A process that opens a database and dies, as by kill -9, right before the nth script of SQL that is run on it.
import Database from 'better-sqlite3'
import { openStore } from '../../../src/store/database.ts'

const [, , path = '', nth = ''] = process.argv
const { exec } = Database.prototype
let count = 0
Database.prototype.exec = function (this: Database.Database, sql: string) {
  if (this.name === path) count += 1
  if (count === Number(nth)) process.kill(process.pid, 'SIGKILL')
  return exec.call(this, sql)
}
openStore(path).close()
