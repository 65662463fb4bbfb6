// Runs the README's “two minutes” as a newcomer would: the demonstration on free ports, then each command as it
// stands in the README, in one shell.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { needs } from '../support/debian.ts'
import { commandsOf, runCommands, startDemo } from '../support/demo.ts'

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

test('the README’s five calls over HTTP', needs('curl', 'curl'), async (t) => {
  const { site, onFreePorts } = await startDemo(t)
  const readme = readFileSync('README.md', 'utf8')
  const section = /## Over HTTP\n(.*?)\n## /s.exec(readme)?.[1] ?? ''
  const commands = commandsOf(section)
    .map(({ text }) => text)
    .join('')
  assert.equal(commands.match(/^curl /gm)?.length, 5)
  const { status, stdout, stderr } = runCommands(
    onFreePorts(commands).replaceAll('curl -sS', "curl -sS -w '\\n%{http_code}\\n'"),
    { cwd: site.folder, configFile: site.configFile },
  )
  assert.equal(status, 0, stderr + stdout)
  const lines = stdout.trim().split('\n')
  const statuses = lines.filter((line) => /^\d{3}$/.test(line))
  assert.deepEqual(statuses, ['200', '201', '200', '201', '200'], stdout)
  const bodies = lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line))
  const [before, listed, listings] = bodies
  assert.equal(before.listed, false)
  assert.equal(listed.prefix, '198.51.100.20/32')
  assert.equal(listings.items[0].id, listed.id)
  assert.equal(statSync(join(site.folder, 'admin.key')).mode & 0o777, 0o600)
})
