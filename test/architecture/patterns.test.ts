// scripts/patterns.ts tells a pattern that backtracks from one that does not. CI runs it over src/.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

test('an exponential and a quadratic pattern are named with their place, a linear one is not', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'backscatterd-patterns-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'some.ts')
  writeFileSync(file, 'const a = /^x{1,3}$/\nconst b = [/^(a+)+$/, 1]\nfoo(/\\s+$/u)\n')
  const { status, stdout, stderr } = spawnSync(process.execPath, ['scripts/patterns.ts', file], {
    encoding: 'utf8',
  })
  assert.match(stderr, /some\.ts:2: \/\^\(a\+\)\+\$\/ is vulnerable: exponential/)
  assert.match(stderr, /some\.ts:3: \/\\s\+\$\/u is vulnerable: 2nd degree polynomial/)
  assert.equal(stderr.trim().split('\n').length, 2)
  assert.equal(stdout, '3 patterns checked\n')
  assert.equal(status, 1)
})
