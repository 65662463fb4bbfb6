// The command line as a whole: help, version, wrong use, wrong configuration, and a reader that goes away.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import manifest from '../../../package.json' with { type: 'json' }
import { needs } from '../../support/debian.ts'
import { main, runCommand, Site } from '../../support/server.ts'

const commands = [
  ...['serve', 'check-config', 'status', 'add', 'remove', 'show', 'lookup'],
  ...['exempt', 'unexempt', 'exclude', 'include', 'trap', 'classify'],
  'policy',
]

test('the version is the package’s', async () => {
  const { code, stdout } = await runCommand(['--version'], tmpdir())
  assert.deepEqual([code, stdout], [0, `${manifest.version}\n`])
})

test('help lists every command, and each command has its own', async () => {
  const { code, stdout } = await runCommand(['--help'], tmpdir())
  assert.equal(code, 0)
  assert.match(stdout, /Exit codes: 0 done; 1 failed/)
  for (const command of commands) {
    assert.match(stdout, new RegExp(`^ {2}${command} `, 'm'))
    const help = await runCommand([command, '--help'], tmpdir())
    assert.deepEqual([help.code, help.stderr], [0, ''])
    assert.match(help.stdout, new RegExp(`^Usage: backscatterd ${command} .*\n\n[A-Z]`))
  }
  assert.match((await runCommand(['help', 'add'], tmpdir())).stdout, /Examples:/)
  const { stdout: nested } = await runCommand(['help', 'key', 'create'], tmpdir())
  assert.match(nested, /^Usage: backscatterd key create /)
})

test('wrong use is one line and exit code 2', async () => {
  const cases: [args: string[], why: RegExp][] = [
    [
      ['frobnicate'],
      /^backscatterd: unknown command 'frobnicate'.* \(see backscatterd --help\)\n$/,
    ],
    [['--colour'], /unknown option '--colour'/],
    [['kye', 'list'], /unknown command 'kye' \(Did you mean key\?\)/],
    [['key', 'creat'], /unknown command 'creat' \(Did you mean create\?\)/],
    [['key', 'nonsense', '--help'], /unknown command 'nonsense'/],
    [['nonsense', '--help'], /unknown command 'nonsense'/],
    [['help', 'nonsense'], /unknown command 'nonsense'/],
    [['help', 'key', 'nonsense'], /unknown command 'nonsense'/],
    [['status', '--jsno'], /unknown option '--jsno' \(Did you mean --json\?\)/],
    [['add', '--config'], /option '--config/],
    [['key', 'create'], /'--name <name>' .* \(see backscatterd key create --help\)\n$/],
    [['policy', '192.0.2.1'], /unknown command .* \(see backscatterd policy --help\)\n$/],
    [
      ['key', 'create', '--name', 'a', '--scope', 'all'],
      / --scope all: expected one of read, write/,
    ],
    [
      ['key', 'create', '--name', 'a/b', '--scope', 'read'],
      / --name a\/b: letters, digits, blanks/,
    ],
    [['completion', 'tcsh'], / tcsh: expected one of bash, zsh, fish\n$/],
    [['audit', '--action', 'remove'], / --action remove: expected one of list, .*delist/],
    [['export', '--format', 'pdf'], / --format pdf: expected one of text, csv/],
    [['show', '192.0.2.1', '192.0.2.2'], /too many arguments/],
    [['serve', 'now'], /too many arguments/],
  ]
  for (const [args, why] of cases) {
    const { code, stdout, stderr } = await runCommand(args, tmpdir())
    assert.deepEqual([code, stdout], [2, ''], args.join(' '))
    assert.match(stderr, why)
    assert.equal(stderr.indexOf('\n'), stderr.length - 1)
  }
  for (const args of [[], ['trap'], ['policy']]) {
    const { code, stderr } = await runCommand(args, tmpdir())
    assert.equal(code, 2)
    assert.match(stderr, /^Usage: backscatterd/)
  }
})

test('a wrong configuration is exit code 2 with a line for each key, whatever the command', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'backscatterd-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'wrong.toml')
  writeFileSync(
    file,
    '[zone]\norigin = 5\nnameservers = ["a.example"]\nhostmaster = "b.example"\n[dnss]\n',
  )
  for (const args of [['show', '192.0.2.1'], ['add', '203.0.113.1'], ['status']]) {
    const { code, stdout, stderr } = await runCommand(['--config', file, ...args], folder)
    assert.deepEqual([code, stdout], [2, ''])
    const lines = stderr.trimEnd().split('\n')
    assert.equal(lines.length, 2)
    for (const line of lines) assert.ok(line.startsWith(`${file}: `), line)
  }
  const missing = await runCommand(['--config', 'nowhere.toml', 'status'], folder)
  assert.equal(missing.code, 2)
  assert.match(missing.stderr, /nowhere\.toml: cannot be read/)
})

test('BACKSCATTERD_CONFIG stands for --config', async (t) => {
  const site = new Site(t)
  const child = spawn(process.execPath, [main, 'trap', 'list'], {
    cwd: tmpdir(),
    env: { ...process.env, BACKSCATTERD_CONFIG: site.configFile },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const text = Buffer.concat(await child.stdout.toArray()).toString()
  assert.match(text, /trap\.example\.org/)
})

test('colour is for a terminal, and not with NO_COLOR', needs('script', 'bsdutils'), async (t) => {
  const site = new Site(t)
  assert.equal((await site.run('add', '203.0.113.1')).code, 0)
  const list = `"${process.execPath}" "${main}" --config "${site.configFile}" list`
  const shown = (command: string, environment: NodeJS.ProcessEnv): string => {
    // Nothing is inherited: CI=true, for one, tells Node that there are no colours.
    const env = { PATH: process.env['PATH'], TERM: 'xterm', ...environment }
    const done = spawnSync('script', ['-qec', command, '/dev/null'], { encoding: 'utf8', env })
    assert.equal(done.status, 0, done.stdout)
    return done.stdout
  }
  assert.ok(shown(list, {}).includes('\x1b[1mprefix\x1b[22m'))
  assert.ok(!shown(list, { NO_COLOR: '1' }).includes('\x1b'))
  assert.ok(!shown(`${list} | cat`, {}).includes('\x1b'))
})

test(
  'an import that is refused at once says why on a terminal too',
  needs('script', 'bsdutils'),
  (t) => {
    const site = new Site(t)
    const command = `"${process.execPath}" "${main}" --config "${site.configFile}" import /dev/null --list a`
    const done = spawnSync('script', ['-qec', command, '/dev/null'], { encoding: 'utf8' })
    assert.match(done.stdout, /nothing was changed: the import is empty/)
    assert.equal(done.status, 1)
  },
)

test('a reader that goes away is no failure', async (t) => {
  const site = new Site(t)
  const args = [main, '--config', site.configFile, 'add', '203.0.113.1']
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  child.stdout.destroy()
  const errors = child.stderr.toArray()
  const [code] = await once(child, 'exit')
  assert.deepEqual([code, Buffer.concat(await errors).toString()], [0, ''])
  const shown = JSON.parse((await site.run('show', '203.0.113.1', '--json')).stdout)
  assert.equal(shown.listed, true)
})
