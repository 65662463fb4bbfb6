// Mends package-lock.json after `npm install`: npm 10 compiles better-sqlite3 for a minute, although its binary
// ships with it, unless its lock entry says "gypfile": false, which every `npm install` drops. Run: npm run lockfile
import { readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'

const file = resolve(import.meta.dirname, '../package-lock.json')
const lock = JSON.parse(readFileSync(file, 'utf8'))
lock.packages['node_modules/better-sqlite3'].gypfile = false
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`)
