// Runs the README's “two minutes” as a newcomer would: the demonstration on free ports, then each command as it
// stands in the README, in one shell.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { needs } from '../support/debian.ts'
import { startDemo } from '../support/demo.ts'

test('the README’s two minutes', needs('dig', 'bind9-dnsutils'), async (t) => {
  const { ports, onFreePorts } = await startDemo(t)

  const readme = readFileSync('README.md', 'utf8')
  const section = /## See it work in two minutes\n(.*?)\n## /s.exec(readme)?.[1] ?? ''
  const commands = [...section.matchAll(/```sh\n(.*?)```/gs)].map(([, block]) => block).join('')
  assert.ok(commands.split('\n').length >= 12)
  assert.ok(commands.includes('--config $PWD/data/demo.toml'), 'never another configuration')
  const script = [
    'set -e; shopt -s expand_aliases',
    onFreePorts(commands).replace(
      'npm run sample',
      `npm run sample -- --server 127.0.0.1:${ports[2525]}`,
    ),
  ].join('\n')
  // Twice: a newcomer tries again.
  for (const time of ['first', 'second']) {
    const { status, stdout, stderr } = spawnSync(
      'bash',
      ['-c', script.replace(/^(backscatterd lookup .*)$/m, '$1 || test $? = 3')],
      {
        encoding: 'utf8',
        // A production configuration that happens to be there.
        env: { ...process.env, BACKSCATTERD_CONFIG: '/nowhere/production.toml' },
      },
    )
    assert.equal(status, 0, time + stderr + stdout)
    assert.match(stdout, /S: 250 /)
    assert.match(stdout, /^127\.0\.0\.2\n127\.0\.0\.3$/m)
    assert.match(
      stdout,
      /^"Backscatter source; see https:\/\/backscatter\.example\/lookup\/198\.51\.100\.10"$/m,
    )
    assert.match(stdout, /198\.51\.100\.10.* is listed/)
  }
})
