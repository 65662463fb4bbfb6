// What is acknowledged is on disk: seen from outside, by the system calls of a process that records evidence.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { openStore } from '../../../src/store/database.ts'
import { address, temporaryDirectory } from '../../support/door.ts'

const hasStrace = spawnSync('strace', ['-V']).status === 0

test('evidence is written to the log, and that synced, before it is acknowledged', {
  skip: hasStrace ? false : 'needs the Debian package strace',
}, (t) => {
  const directory = temporaryDirectory(t)
  const path = join(directory, 'a.db')
  const trace = join(directory, 'trace')
  const program = join(import.meta.dirname, 'record-and-acknowledge.ts')
  const run = spawnSync(
    'strace',
    [
      // -z writes each call in one line once it is over, whatever other threads do meanwhile.
      ...['-f', '-z', '-y', '-o', trace, '-e', 'trace=write,pwrite64,fsync,fdatasync'],
      ...[process.execPath, program, path],
    ],
    { encoding: 'utf8', timeout: 60_000 },
  )
  assert.equal(run.stdout, 'ready\nacknowledged\n', run.stderr)
  const calls = readFileSync(trace, 'utf8').split('\n')
  const from = calls.findIndex((line) => line.includes('"ready\\n"'))
  const to = calls.findIndex((line) => line.includes('"acknowledged\\n"'))
  const between = calls.slice(from + 1, to)
  const written = between.findLastIndex((line) => /\bpwrite64\(\d+<.*a\.db-wal>/.test(line))
  const synced = between.findLastIndex((line) =>
    /\b(fsync|fdatasync)\(\d+<.*a\.db-wal>\) += 0/.test(line),
  )
  assert.ok(written >= 0, 'the evidence was not written to the log')
  assert.ok(synced > written, 'the log was not synced after the last write')
  const store = openStore(path)
  assert.ok(store.evidence.has(address('20.0.0.1'), 'one@trap.example.org', 'power-loss'))
  store.close()
})
