// V8 flags are set while the program runs: one that V8 no longer has must not keep the server from starting.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'

const flags = new URL('../../../src/commands/v8-flags.ts', import.meta.url).href

function run(code: string) {
  return spawnSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8' })
}

test('this V8 knows every flag', () => {
  const { status, stderr } = run(`
    import { allowMoreInlining, keepOldSpaceSmall } from '${flags}'
    allowMoreInlining()
    keepOldSpaceSmall()`)
  assert.deepEqual([status, stderr], [0, ''])
})

test('a flag that V8 does not know is a warning, and the program goes on', () => {
  const { status, stdout, stderr } = run(`
    import { setFlagsFromString } from 'node:v8'
    setFlagsFromString('--flag-of-an-earlier-v8=1')
    console.log('goes on')`)
  assert.deepEqual([status, stdout], [0, 'goes on\n'])
  assert.match(stderr, /unrecognized flag/)
})
