// Off the list on request, through DNS: what is asked too early waits for the operator, what the rules allow is done at once,
// and who is heard again is listed again, for longer.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { submit } from '../../scripts/submit.ts'
import { ask, reversed } from '../support/ask.ts'
import { origin, type Server, Site, until } from '../support/server.ts'

const bounce = readFileSync('data/samples/postfix-bounce.eml', 'latin1')
const sender = '198.51.100.10'
const day = 86_400_000

/** Another message each time. */
let messages = 0
function deliver(server: Server): Promise<string> {
  const message = bounce.replaceAll('@trap.example.org', `${++messages}@trap.example.org`)
  const to = [`orders${messages}@trap.example.org`]
  return submit({ server: server.smtp, from: '', to, client: sender, message })
}

async function answers(server: Server, expected: string[]): Promise<void> {
  const { a, rcode } = await until(
    () => ask(server.dns, reversed(sender, origin)),
    (answer) => `${answer.a.sort()}` === `${expected}`,
    30_000,
  )
  assert.deepEqual([a.sort(), rcode], [expected, expected.length === 0 ? 3 : 0])
}

/** The members of the answers that are looked at. */
interface Answer {
  readonly state?: string
  readonly why?: string
  readonly listed?: boolean
  readonly decidedBy?: string
}

async function post(server: Server, path: string, body: object, key?: string) {
  const reply = await fetch(`http://${server.admin}${path}`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(key !== undefined && { authorization: `Bearer ${key}` }),
    },
    body: JSON.stringify(body),
  })
  return { status: reply.status, body: (await reply.json()) as Answer }
}

async function termDays(site: Site): Promise<number> {
  const { listings } = JSON.parse((await site.run('show', sender, '--json')).stdout)
  const [{ expiresAt, lastHitAt }] = listings
  return Math.round((Date.parse(expiresAt) - Date.parse(lastHitAt)) / day)
}

test('a request too early waits, and its approval is in DNS; who is heard again is listed anew, with its history', async (t) => {
  const site = new Site(t)
  writeFileSync(site.configFile, site.configuration('[admin]\nlisten = "127.0.0.1:0"\n'))
  const server = await site.start()
  const made = await site.run('key', 'create', '--name', 'w', '--scope', 'write', '--json')
  const { key } = JSON.parse(made.stdout)

  assert.match(await deliver(server), /^250 /)
  await answers(server, ['127.0.0.2', '127.0.0.3'])
  assert.equal(await termDays(site), 7)
  const early = await post(server, '/v1/removals', { address: sender })
  assert.deepEqual([early.status, early.body.state, early.body.listed], [202, 'queued', true])
  await answers(server, ['127.0.0.2', '127.0.0.3'])
  assert.match((await site.run('status')).stdout, /removals +1 waits for a decision/)
  assert.equal((await post(server, '/v1/removals/1/approve', {})).status, 401)

  const approved = await post(server, '/v1/removals/1/approve', { why: 'mended' }, key)
  assert.deepEqual([approved.status, approved.body.decidedBy], [200, 'w'])
  await answers(server, [])
  assert.equal((await post(server, '/v1/removals', { address: sender })).status, 404)
  assert.doesNotMatch((await site.run('status')).stdout, /removals/)

  assert.match(await deliver(server), /^250 /)
  await answers(server, ['127.0.0.2', '127.0.0.3'])
  assert.equal(await termDays(site), 14)
  const shown = JSON.parse((await site.run('show', sender, '--json')).stdout)
  assert.deepEqual(
    shown.history.map(({ state, origin: by }: { state: string; origin: string }) => [state, by]),
    [['removed', 'trap']],
  )
})

test('what the rules allow is done at once and survives a crash; a SIGHUP turns it off', async (t) => {
  const site = new Site(t)
  const admin = '[admin]\nlisten = "127.0.0.1:0"\n'
  const rules = '[removal]\nquiet = "0s"\ntimes = 1\n'
  writeFileSync(site.configFile, site.configuration(`${admin}${rules}`))
  let server = await site.start()
  await deliver(server)
  await answers(server, ['127.0.0.2', '127.0.0.3'])
  const removed = await post(server, '/v1/removals', { address: sender })
  assert.deepEqual([removed.status, removed.body.state], [200, 'removed'])
  await answers(server, [])
  await server.kill('SIGKILL')
  server = await site.start()
  await answers(server, [])

  await deliver(server)
  await answers(server, ['127.0.0.2', '127.0.0.3'])
  const again = await post(server, '/v1/removals', { address: sender })
  assert.deepEqual([again.status, again.body.why], [202, 'it was removed once within 30d'])
  const off = `${admin}removal = false\n${rules}`
  writeFileSync(site.configFile, site.configuration(off))
  process.kill(server.pid, 'SIGHUP')
  const { status } = await until(
    () => post(server, '/v1/removals', { address: sender }),
    (answer) => answer.status === 403,
    30_000,
  )
  assert.equal(status, 403)
})
