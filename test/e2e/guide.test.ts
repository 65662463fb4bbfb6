// The guide's pages (data/guide): their commands run as they stand there, and what their tables say is so.
import assert from 'node:assert/strict'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { benchmarks } from '../bench/run.ts'
import { needs } from '../support/debian.ts'
import { commandsOf, runCommands, startDemo } from '../support/demo.ts'
import { Site } from '../support/server.ts'

const page = (name: string): string => readFileSync(`data/guide/${name}.md`, 'utf8')

/** Runs the commands of a page in the project's folder; resolves with what they printed. */
async function run(t: { after(cleanup: () => unknown): void }, name: string): Promise<string> {
  const { site, onFreePorts } = await startDemo(t)
  const commands = commandsOf(page(name)).filter(({ needs }) => needs === '')
  assert.ok(commands.length > 0, name)
  const text = commands.map((each) => each.text).join('')
  const where = { cwd: process.cwd(), configFile: site.configFile }
  const { status, stdout, stderr } = runCommands(onFreePorts(text), where)
  assert.equal(status, 0, stdout + stderr)
  return stdout
}

test('judging: its commands, and the command for Message-IDs', async (t) => {
  const stdout = await run(t, 'judging')
  assert.match(stdout, /rule +rfc3464-report/)
  assert.match(stdout, /What would list it/)
  const { site } = await startDemo(t)
  const [command] = commandsOf(page('judging')).filter(({ needs }) => needs === 'mail.log')
  const log =
    '2026-11-24T12:00:00+00:00 mx postfix/cleanup[7]: 4F1: message-id=<1@trap.example.org>\n'
  writeFileSync(join(site.folder, 'mail.log'), log)
  runCommands(command?.text ?? '', { cwd: site.folder, configFile: site.configFile })
  assert.equal(readFileSync(join(site.folder, 'message-ids'), 'utf8'), '<1@trap.example.org>\n')
})

test('traps: its commands', async (t) => {
  assert.match(await run(t, 'traps'), /@trap\.example\.org/)
})

test('received: its command', async (t) => {
  assert.match(await run(t, 'received'), /rfc3464-report/)
})

test('received: each example of a Received field is read as its table says', async (t) => {
  const { site } = await startDemo(t)
  const examples = [...page('received').matchAll(/^```eml\n(.*?)^```\n\n((?:\|[^\n]*\n)+)/gms)]
  assert.ok(examples.length >= 12)
  for (const [index, [, fields = '', table = '']] of examples.entries()) {
    const file = join(site.folder, `${index}.eml`)
    writeFileSync(file, `${fields}Subject: test\n\nText\n`)
    const rows = table.trim().split('\n').slice(2)
    assert.ok(rows.length > 0)
    for (const row of rows) {
      const [, relays = '', client = ''] = row.split('|')
      const named = relays.match(/(?<=`)[^`,]+(?=`)/g)?.filter((each) => each.trim() !== '') ?? []
      const { stdout, code } = await site.run(
        ...['classify', '--json', file],
        ...named.flatMap((each) => ['--trusted-relay', each.trim()]),
      )
      assert.equal(code, 0, row)
      const said = JSON.parse(stdout).client
      assert.equal(
        said,
        client.includes('unknown') ? null : client.replace(/[` ]/g, ''),
        fields + row,
      )
    }
  }
})

test('configuration: its command', async (t) => {
  assert.match(await run(t, 'configuration'), /ok/)
})

const dnsTools = {
  skip: needs('dig', 'bind9-dnsutils').skip || needs('openssl', 'openssl').skip,
}

test('dns: its commands, and its access rules', dnsTools, async (t) => {
  const stdout = await run(t, 'dns')
  assert.match(stdout, /^127\.0\.0\.2\n127\.0\.0\.3\n"Backscatter source; /)
  assert.match(stdout, /^"serial=\d+ entries=0 generated=.* valid-until=.*"$/m)
  assert.match(stdout, /^bl\.backscatter\.example\.\s+\d+\s+IN\s+SOA\s/m)
  assert.match(stdout, /127\.0\.0\.2.* is listed/)
  assert.match(stdout, /^[0-9a-f]{32}$/m)
  const site = new Site(t)
  const [, rules = ''] = /```toml\n(.*?)```/s.exec(page('dns')) ?? []
  assert.equal(rules.match(/^\[\[dns\.access\]\]$/gm)?.length, 3)
  writeFileSync(site.configFile, `${site.configuration()}\n${rules}`)
  const { code, stdout: checked } = await site.run('check-config')
  assert.deepEqual([code, /ok/.test(checked)], [0, true], checked)
})

test('lists: its commands, without a server and with one', needs('curl', 'curl'), async (t) => {
  const [first, ...others] = commandsOf(page('lists'))
  const { site: served, onFreePorts } = await startDemo(t)
  for (const [site, more] of [
    [new Site(t), []],
    [served, others],
  ] as const) {
    const text = [first, ...more].map((each) => each?.text).join('')
    const where = { cwd: site.folder, configFile: site.configFile }
    const { status, stdout, stderr } = runCommands(onFreePorts(text), where)
    assert.equal(status, 0, stderr + stdout)
    assert.match(stdout, /^partners: 2 added, 0 removed, 0 kept, 1 refused\.$/m)
    assert.match(stderr, /^partners\.txt:3: 10\.0\.0\.1: is in 10\.0\.0\.0\/8/m)
    assert.match(stdout, /^192\.88\.100\.0\/24,,,$/m)
    assert.match(stdout, /^partners: 0 would be added, 0 removed, 2 kept, 0 refused\.$/m)
    assert.match(stdout, /^partners: 0 added, 0 removed, 2 kept, 0 refused\.$/m)
    const isPiped = /^copy: 2 added, 0 removed, 0 kept, 0 refused\.$/m.test(stdout)
    assert.equal(isPiped, more.length > 0, stdout)
    assert.match(readFileSync(join(site.folder, 'all.rbldnsd'), 'utf8'), /^192\.88\.100\.0\/24/m)
    assert.equal(/^\{"list":"partners","added":0/m.test(stdout), more.length > 0, stdout)
    assert.equal(/\{"prefix":"192\.88\.100\.0\/24"/m.test(stdout), more.length > 0, stdout)
  }
})

test('http: its calls', needs('curl', 'curl'), async (t) => {
  const { site, onFreePorts } = await startDemo(t)
  const text = commandsOf(page('http'))
    .map((each) => each.text)
    .join('')
    .replaceAll('curl -sS', "curl -sS -w '\\n%{http_code}\\n'")
  const where = { cwd: process.cwd(), configFile: site.configFile }
  const { status, stdout, stderr } = runCommands(onFreePorts(text), where)
  assert.equal(status, 0, stderr + stdout)
  const lines = stdout.trim().split('\n')
  const statuses = lines.filter((line) => /^\d{3}$/.test(line))
  assert.deepEqual(statuses, ['200', '201', '200', '201', '200', '404', '200'], stdout)
  const bodies = lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line))
  const [before, listed, listings] = bodies
  assert.equal(before.listed, false)
  assert.equal(listed.prefix, '198.51.100.20/32')
  assert.equal(listings.items[0].id, listed.id)
  assert.deepEqual([bodies[5].code, bodies[6].items[0].decision], ['not-listed', 'listed'])
  assert.equal(statSync(join(site.folder, 'admin.key')).mode & 0o777, 0o600)
})

test('benchmarks: its table names them all, and the one that it runs prints figures', () => {
  const text = commandsOf(page('benchmarks')).map((each) => each.text)
  const { status, stdout } = runCommands(text.join(''), { cwd: process.cwd(), configFile: '' })
  assert.equal(status, 0, stdout)
  assert.match(stdout, /IPv4 A, listed: \d+ ns an answer/)
  const named = [...page('benchmarks').matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name)
  assert.deepEqual(named, Object.keys(benchmarks))
})

test('operating: its commands', needs('dig', 'bind9-dnsutils'), async (t) => {
  const stdout = await run(t, 'operating')
  assert.match(stdout, /^"serial=\d+ entries=\d+ /m)
})

test('operating: a second name server answers as the first', async (t) => {
  const [first, second] = [new Site(t), new Site(t)]
  await first.run('add', '198.51.100.0/25', '--kind', 'dsn')
  await first.run('exclude', '198.51.100.64/28')
  await first.run('add', '2001:db8::/48', '--permanent')
  const [command] = commandsOf(page('operating')).filter(({ needs }) => needs === 'ns1')
  assert.ok(command)
  const ssh = `ssh() ( shift; BACKSCATTERD_CONFIG=${first.configFile}; "$@" )\n`
  const where = { cwd: second.folder, configFile: second.configFile }
  for (const added of [4, 0]) {
    const { status, stdout, stderr } = runCommands(ssh + command.text, where)
    assert.equal(status, 0, stderr)
    assert.match(stdout, new RegExp(`^ns1: ${added} added, 0 removed, `))
  }
  for (const [address, listed] of Object.entries({
    '198.51.100.63': true,
    '198.51.100.64': false,
    '198.51.100.80': true,
    '198.51.100.128': false,
    '2001:db8::1': true,
  })) {
    for (const site of [first, second]) {
      const { stdout } = await site.run('show', address, '--json')
      assert.equal(JSON.parse(stdout).listed, listed, address)
    }
  }
})
