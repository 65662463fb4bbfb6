// What a benchmark is told of a process that it started.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BenchProcess } from '../../bench/processes.ts'

function node(name: string, code: string): BenchProcess {
  return new BenchProcess(name, [process.execPath, '-e', code])
}

test('a program that ended is named, with how it ended and what it printed', async () => {
  const early = node('early', 'console.error("no such zone"); process.exitCode = 3')
  await assert.rejects(early.prints(/ready/), {
    message: 'early ended (exit code 3); it printed: no such zone',
  })
  assert.throws(() => early.requireRunning(), /^Error: early ended/)
  const killed = node('killed', 'process.kill(process.pid, "SIGKILL")')
  await assert.rejects(killed.output(), { message: 'killed ended (SIGKILL); it printed: nothing' })
  const none = new BenchProcess('none', ['/nowhere/at-all'])
  await assert.rejects(none.prints(/ready/), /^Error: none ended \(.*\); it printed: .*ENOENT/)
})

test('a program goes on printing after what was waited for, and is not killed by it', async () => {
  const child = node(
    'talker',
    'console.log("zones reloaded"); setTimeout(() => console.log("started"), 50); setInterval(() => 0, 1000)',
  )
  await child.prints(/zones reloaded/)
  await child.prints(/started/)
  child.requireRunning()
  await child.stop()
  assert.throws(() => child.requireRunning(), /talker ended \(SIGTERM\)/)
})
