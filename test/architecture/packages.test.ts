// What keeps `npm ci` quick and the same everywhere: exact pins, and a lock file that tells npm not to compile.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

const manifest = JSON.parse(readFileSync('package.json', 'utf8'))
const lock = JSON.parse(readFileSync('package-lock.json', 'utf8'))

test('every dependency is pinned to an exact version', () => {
  for (const [name, version] of Object.entries({
    ...manifest.dependencies,
    ...manifest.devDependencies,
  })) {
    assert.match(String(version), /^\d+\.\d+\.\d+$/, name)
  }
})

test('the lock file tells npm 10 that better-sqlite3 need not be compiled', () => {
  assert.equal(lock.packages['node_modules/better-sqlite3'].gypfile, false, 'npm run lockfile')
})

test('the lock file names no download address', () => {
  for (const [name, entry] of Object.entries<{ resolved?: string }>(lock.packages)) {
    assert.equal(entry.resolved, undefined, name)
  }
})

test('packages that ship their binaries run no install script', () => {
  assert.deepEqual(manifest.allowScripts, { node: true, 'better-sqlite3': false, koffi: false })
})
