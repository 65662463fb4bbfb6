// A trap that is known is no trap any more: after a full run, with mailboxes that fail in every way, nothing that the
// public, a key below scope admin, the default log or an export gets to see names a trap in any form that mail, DNS and
// the web have for an address. Scope admin and level debug see what was said.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { domainToASCII } from 'node:url'
import { submit } from '../../scripts/submit.ts'
import { mailboxErrors } from '../../src/traps/mailbox.ts'
import { ask, reversed } from '../support/ask.ts'
import { needs } from '../support/debian.ts'
import { disclosuresIn, formsOf } from '../support/disclosure.ts'
import { failingMailboxes } from '../support/failing-mailboxes.ts'
import {
  dnsAnswers,
  type Output,
  readings,
  refusals,
  smtpReplies,
} from '../support/public-outputs.ts'
import { main, origin, type Server, Site, until } from '../support/server.ts'

const trap = 'quiet.heron42@hidden-trap.example.org'
const international = 'leiser.reiher7@versteckte-fälle.example'
const traps = [trap, international]
const sender = '198.51.100.10'

function tellNothing(all: readonly Output[]): void {
  // One by one only where many together tell something.
  const outputs = groupsOf(all, 50).filter(
    (group) => disclosuresIn(joined(group), traps).length > 0,
  )
  const told = outputs.flat().flatMap(({ from, said }) => {
    const found = disclosuresIn(said, traps)
    return found.length === 0 ? [] : [`${from}: ${found.slice(0, 3).join('; ')}`]
  })
  assert.deepEqual(told.slice(0, 200), [], `${told.length} of ${all.length}`)
}

function groupsOf<T>(items: readonly T[], size: number): T[][] {
  const count = Math.ceil(items.length / size)
  return Array.from({ length: count }, (_, at) => items.slice(at * size, (at + 1) * size))
}

function joined(outputs: readonly Output[]): Buffer {
  return Buffer.concat(outputs.flatMap(({ said }) => [Buffer.from(said), Buffer.from('\n\n')]))
}

/** The site's own configuration for these traps, with every listener and every query in the log. */
function configuration(site: Site, tables: string): string {
  const addresses = traps.map((each) => `[[trap]]\naddress = "${each}"\n`).join('')
  return site
    .configuration(`[admin]\nlisten = "127.0.0.1:0"\n${tables}`)
    .replace('[[trap]]\naddress = "@trap.example.org"\n', addresses)
    .replace('workers = 1', 'workers = 1\nnsid = "ns1"\nversion = true\nqueryLog = 1')
}

/** The sample bounce as the second server would have sent it, with the trap wherever one can stand. */
function bounceTo(address: string): string {
  return readFileSync('data/samples/postfix-bounce.eml', 'latin1')
    .replaceAll(/<?[\w.+-]+@trap\.example(\.org)?>?/g, `<${address}>`)
    .replace(
      /^Subject: .*$/m,
      `Subject: Undelivered: bounces+${address.replace('@', '=')}@list.example`,
    )
    .replace(/^Message-ID: .*$/im, `Message-ID: <1.${address}>`)
}

async function keysOf(site: Site): Promise<Record<string, string>> {
  const keys: Record<string, string> = {}
  for (const scope of ['read', 'write', 'collect']) {
    const made = await site.run('key', 'create', '--name', scope, '--scope', scope, '--json')
    keys[scope] = JSON.parse(made.stdout).key
  }
  return keys
}

interface Status {
  readonly name: string
  readonly state: string
  readonly lastError: string | null
  readonly lastErrorDetail?: string | null
}

async function statuses(site: Site): Promise<Status[]> {
  return JSON.parse((await site.run('status', '--json')).stdout).mailboxes
}

/** `NAME: CODE` of each mailbox; the code is `ok` where there is none. */
function codes(mailboxes: readonly Status[]): string[] {
  return mailboxes
    .map(({ name, state, lastError }) => `${name}: ${lastError?.split(':')[0] ?? state}`)
    .sort()
}

async function hearsBounces(server: Server): Promise<void> {
  const [user = '', domain = ''] = international.split('@')
  const punycode = `${user}@${domainToASCII(domain)}`
  for (const [index, address] of [trap, punycode].entries()) {
    const client = sender.replace(/\d+$/, (last) => `${Number(last) + index}`)
    const replies: string[] = []
    const message = bounceTo(address)
    const onLine = (line: string) => line.startsWith('S: ') && replies.push(line)
    await submit({ server: server.smtp, from: '', to: [address], client, message, onLine })
    tellNothing([{ from: 'replies to a bounce', said: replies.join('\n') }])
    const { a } = await until(
      () => ask(server.dns, reversed(client, origin)),
      (answer) => answer.a.length > 0,
      60_000,
    )
    assert.equal(a.length, 2, client)
  }
}

/** Requests to be removed: one that waits, one that is refused, and one that comes again after that. */
async function removalAnswers(server: string, key: string): Promise<Output[]> {
  const outputs: Output[] = []
  const post = async (path: string, body: object, headers = {}): Promise<number> => {
    const url = `http://${server}/v1/removals${path}`
    const type = { 'content-type': 'application/json' }
    const payload = JSON.stringify(body)
    const reply = await fetch(url, {
      method: 'POST',
      body: payload,
      headers: { ...type, ...headers },
    })
    outputs.push({ from: `POST /v1/removals${path}`, said: await reply.text() })
    return reply.status
  }
  const statuses = [
    await post('', { address: sender }),
    await post('', { address: '198.51.100.11' }),
    await post('/1/refuse', {}, { authorization: `Bearer ${key}` }),
    await post('', { address: sender }),
  ]
  assert.deepEqual(statuses, [202, 202, 200, 409])
  return outputs
}

/** Of commands that print the operator's own secrets only what they say on standard error; of the others all. */
async function commandOutputs(site: Site): Promise<Output[]> {
  const outputs: Output[] = []
  const open = [
    ...['text', 'csv', 'ndjson', 'rbldnsd'].map((format) => ['export', '--format', format]),
    ['check-config'],
    ['key', 'list'],
    ['lookup', '9.9.9.9'],
    ['lookup', sender],
    ['policy', 'explain', sender],
    ['--help'],
    ['add', '203.0.113.77', '--json'],
    ['remove', '203.0.113.78'],
    ['exempt', '203.0.113.80'],
    ['backup', join(site.folder, 'copy.db')],
    ['migrate'],
    ['serve'],
    ['nonsense'],
  ]
  const secret = [
    ['show', sender],
    ['status'],
    ['trap', 'list'],
    ['classify', 'README.md'],
    ['ingest', '--dry-run', 'data/samples/postfix-bounce.eml'],
  ]
  const run = async (args: string[], isOpen: boolean): Promise<void> => {
    const { code, stdout, stderr } = await site.run(...args)
    outputs.push({ from: args.join(' '), said: isOpen ? `${code}\n${stdout}\n${stderr}` : stderr })
  }
  for (const args of open) await run(args, true)
  for (const args of secret) await run(args, false)
  return outputs
}

/** What stands beside the database: its names, and who may read it. */
function filesBeside(site: Site, before: ReadonlySet<string>): Output[] {
  const names = readdirSync(site.folder).filter((name) => !before.has(name))
  for (const name of names) {
    const { mode, size } = statSync(join(site.folder, name))
    assert.ok((mode & 0o077) === 0 || size === 0, `${name} has mode ${(mode & 0o777).toString(8)}`)
  }
  return [{ from: 'names of files', said: names.join('\n') }]
}

test('nothing public tells a trap', needs('openssl', 'openssl'), async (t) => {
  const site = new Site(t)
  const { tables, expected } = await failingMailboxes(t, site.folder, trap)
  writeFileSync(site.configFile, configuration(site, tables))
  const before = new Set(readdirSync(site.folder))
  const server = await site.start()
  await hearsBounces(server)

  const wanted = Object.entries({ ...expected, box: null })
    .map(([name, fault]) => `${name}: ${fault ?? 'ok'}`)
    .sort()
  const told = await until(
    () => statuses(site),
    (mailboxes) => codes(mailboxes).join() === wanted.join(),
    180_000,
  )
  assert.deepEqual(codes(told), wanted)
  const failures = Object.values(expected).filter((fault) => fault !== null)
  assert.ok(failures.length >= 19, `${failures.length} failures`)
  for (const { lastError } of told) {
    const [code = '', text] = lastError?.split(/: (.*)/) ?? []
    if (lastError !== null) assert.equal(text, mailboxErrors[code as keyof typeof mailboxErrors])
  }
  const details = told.map(({ lastErrorDetail }) => lastErrorDetail ?? '').join('\n')
  assert.notDeepEqual(disclosuresIn(details, traps), [], 'the operator sees what was said')

  const keys = await keysOf(site)
  const names = Object.keys(expected)
  const values = { address: [sender, '198.51.100.11', '127.0.0.2', '9.9.9.9'], name: names }
  const http = { server: server.admin, keys, trap, values: { ...values, id: ['1', '2', '99'] } }
  const { write = '' } = keys
  const removals = await removalAnswers(server.admin, write)
  const read = await readings(http)
  assert.ok(read.filter(({ said }) => String(said).startsWith('200\n')).length > 60)
  const refused = await refusals(http)
  assert.ok(refused.filter(({ said }) => /^4\d\d\n/.test(String(said))).length > 500)
  const dns = await dnsAnswers(server.dns, origin, sender)
  const smtp = await smtpReplies(t, server.smtp, trap)
  // What asks a list of addresses for one lands in the query log.
  for (const name of [trap.replace('@', '.'), Buffer.from(trap).toString('hex').slice(0, 60)]) {
    await ask(server.dns, `${name}.${origin}`).catch(() => undefined)
    await ask(server.dns, `${name}.elsewhere.example`).catch(() => undefined)
  }
  const commands = await commandOutputs(site)
  const argumentsOf = readFileSync(`/proc/${server.pid}/cmdline`)
  // A wrong configuration at run time.
  const sound = readFileSync(site.configFile, 'utf8')
  writeFileSync(site.configFile, `${sound}\n[[trap]]\naddress = "${trap}@"\n`)
  process.kill(server.pid, 'SIGHUP')
  const parts = ['mailbox cannot be read', 'message skipped', 'message refused', 'query']
    .map((part) => `"msg":"${part}"`)
    .concat('not reloaded')
  const log = await until(
    async () => server.stderr(),
    (text) => parts.every((part) => text.includes(part)),
    60_000,
  )
  for (const part of parts) assert.ok(log.includes(part), part)
  tellNothing([
    ...[removals, read, refused, dns, smtp, commands, filesBeside(site, before)].flat(),
    { from: 'arguments of the process', said: argumentsOf },
    ...log.split('\n').map((said) => ({ from: 'the default log', said })),
  ])

  // Level debug has it all.
  const info = server.stderr().length
  // With another mailbox all are read anew at once, however long they had come to wait.
  const more = '[[mailbox]]\nname = "more"\ntype = "maildir"\npath = "nowhere"\n'
  writeFileSync(site.configFile, `${sound}\n[log]\nlevel = "debug"\n${more}`)
  process.kill(server.pid, 'SIGHUP')
  // Mailboxes fail in any order, and only some of their details hold a trap.
  const isTold = (text: string) => disclosuresIn(text, traps).length > 0
  const debugged = await until(async () => server.stderr().slice(info), isTold, 180_000)
  assert.ok(isTold(debugged), debugged)
  const shown = await site.run('show', sender, '--json')
  assert.notDeepEqual(disclosuresIn(shown.stdout, traps), [], 'the operator sees the evidence')
})

const errors = new URL('../../src/errors.ts', import.meta.url).href
/** The trap as mail and the web write addresses: each masked in the text of an error. */
const { plain, VERP, SRS0, xtext, base64url, hexadecimal, ...otherForms } = formsOf(trap)
const writtenForms = [
  ...[plain, VERP, SRS0, xtext, base64url, hexadecimal],
  ...Object.entries(otherForms)
    .filter(([name]) => /^(BATV|percent|quoted-printable$|HTML|an HTML|base64 after)/.test(name))
    .map(([, form]) => form),
  trap.replace(/(.*)@/, '"$1"@'),
].join(' ')

for (const where of ['the main thread', 'a thread of the name server']) {
  test(`an error that nobody caught in ${where} tells no secret`, async (t) => {
    const site = new Site(t)
    const isMain = where === 'the main thread'
    const order = join(site.folder, 'fail')
    const fault = `import { existsSync, unlinkSync } from 'node:fs'
      import { isMainThread, threadName } from 'node:worker_threads'
      import { OperationalError } from '${errors}'
      const fail = () => {
        if (!existsSync('${order}')) return
        unlinkSync('${order}')
        throw new OperationalError('database-failed', ${JSON.stringify(`cannot deliver to ${writtenForms}`)})
      }
      if (${isMain ? 'isMainThread' : "threadName === 'dns-tcp'"}) setInterval(fail, 50).unref()`
    const preload = ['--import', `data:text/javascript,${encodeURIComponent(fault)}`]
    const child = spawn(
      process.execPath,
      [...preload, main, '--config', site.configFile, 'serve'],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    )
    t.after(() => child.kill('SIGKILL'))
    const ended = once(child, 'close')
    let log = ''
    child.stderr.setEncoding('utf8').on('data', (text) => {
      log += text
    })
    // The ready line: all threads answer.
    await once(child.stdout, 'data')
    writeFileSync(order, '')
    const word = isMain ? 'fatal error: the server stops' : 'a name server thread died'
    await until(
      async () => log,
      (text) => text.includes(word),
      60_000,
    )
    if (!isMain) child.kill('SIGTERM')
    const [code] = await ended
    assert.equal(code, isMain ? 1 : 0, log)
    assert.match(log, new RegExp(`"message":"cannot deliver to \\(address\\) .*${word}`))
    // The preload itself is an argument, which no log holds.
    tellNothing([{ from: 'the default log', said: log }])
  })
}
