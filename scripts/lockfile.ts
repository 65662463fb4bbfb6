// Mends package-lock.json after `npm install`, which drops "gypfile": false from better-sqlite3's entry. Without that npm 10
// compiles the package, although its binary ships with it. Run: npm run lockfile
import { readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'

const file = resolve(import.meta.dirname, '../package-lock.json')
const lock = JSON.parse(readFileSync(file, 'utf8'))
lock.packages['node_modules/better-sqlite3'].gypfile = false
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`)
