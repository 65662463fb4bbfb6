// A trap that is known is no trap any more: after a full run nothing that the public, a reading key, the default log or
// an export gets to see holds a trap's address, in any encoding or rewriting that mail and the web use.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { submit } from '../../scripts/submit.ts'
import { ask, reversed } from '../support/ask.ts'
import { origin, Site, until } from '../support/server.ts'

const user = 'quiet.heron42'
const domain = 'hidden-trap.example.org'
const trap = `${user}@${domain}`
const sender = '198.51.100.10'

/** What betrays the trap: found in lower case, and base64 as it stands. */
function needles(): { folded: string[]; exact: string[] } {
  const texts = [user, domain, trap, `${user}=${domain}`, `${domain}=${user}`]
  const everyOctet = (mark: string): string =>
    [...Buffer.from(user)].map((octet) => `${mark}${octet.toString(16).padStart(2, '0')}`).join('')
  const folded = [...texts, ...texts.map(encodeURIComponent)].map((text) => text.toLowerCase())
  folded.push(everyOctet('%'), everyOctet('='), everyOctet(''), everyOctet('\\x'))
  // Base64 of a text inside another one: by where it falls, without the characters that its neighbours share.
  const exact = [user, user.toUpperCase(), domain].flatMap((text) =>
    [0, 1, 2].map((shift) => {
      const coded = Buffer.from(`${'\0'.repeat(shift)}${text}`).toString('base64')
      return coded.replace(/=+$/, '').slice(shift === 0 ? 0 : shift + 1, -1)
    }),
  )
  return { folded, exact }
}

function leaksIn(text: string): string[] {
  const { folded, exact } = needles()
  const lower = text.toLowerCase()
  return [
    ...folded.filter((each) => lower.includes(each)),
    ...exact.filter((each) => text.includes(each)),
  ]
}

test('the search finds the trap in every usual form', () => {
  const forms = [
    trap,
    trap.toUpperCase(),
    `SRS0=abcd=xy=${domain}=${user}@forwarder.example`,
    `SRS1=abcd=hop.example==xy=zz=${domain}=${user}@forwarder.example`,
    `bounces+${user}=${domain}@list.example`,
    `prvs=1234abcdef=${trap}`,
    encodeURIComponent(trap),
    trap.replace('@', '=40'),
    Buffer.from(trap).toString('hex'),
    ...['', 'x', 'xy'].map((before) => Buffer.from(`${before}${trap}`).toString('base64')),
    `=?utf-8?B?${Buffer.from(`an ${trap}`).toString('base64')}?=`,
    `=?utf-8?Q?${[...Buffer.from(user)].map((octet) => `=${octet.toString(16)}`).join('')}?=`,
  ]
  for (const form of forms) assert.notDeepEqual(leaksIn(`before ${form} after`), [], form)
  assert.deepEqual(leaksIn('nothing of the kind, 198.51.100.10, aGVyb24='), [])
})

test('nothing public tells a trap', async (t) => {
  const site = new Site(t)
  const settings = site
    .configuration('[admin]\nlisten = "127.0.0.1:0"\n')
    .replaceAll('"@trap.example.org"', `"${trap}"`)
  writeFileSync(site.configFile, settings)
  const server = await site.start()
  const bounce = readFileSync('data/samples/postfix-bounce.eml', 'latin1')
  const message = bounce
    .replaceAll(/<?[\w.+-]+@trap\.example(\.org)?>?/g, `<${trap}>`)
    .replace(/^Subject: .*$/m, `Subject: Undelivered: bounces+${user}=${domain}@list.example`)
  const sent = await submit({ server: server.smtp, from: '', to: [trap], client: sender, message })
  assert.match(sent, /^250 /)
  assert.doesNotMatch(sent, new RegExp(user))

  const outputs: [from: string, text: string][] = []
  const name = reversed(sender, origin)
  await until(
    () => ask(server.dns, name),
    ({ a }) => a.length > 0,
    2000,
  )
  for (const each of [name, origin, `_status.${origin}`]) {
    for (const type of ['A', 'TXT'] as const) {
      outputs.push([`DNS ${each} ${type}`, JSON.stringify(await ask(server.dns, each, type))])
    }
  }
  const created = await site.run('key', 'create', '--name', 'reader', '--scope', 'read', '--json')
  const { key } = JSON.parse(created.stdout)
  const paths = [
    ...['/healthz', '/readyz', '/openapi.json', '/v1/stats', '/v1/listings', '/v1/listings/1'],
    ...['/v1/exemptions', '/v1/exclusions', '/v1/mailboxes', '/v1/mailboxes/box', '/v1/traps'],
    ...['/v1/audit', '/v1/keys', '/v1/evidence', '/v1/changes', '/v1/notices', '/metrics'],
    ...[
      `/v1/lookup/${sender}`,
      `/v1/policy/explain/${sender}`,
      `/lookup/${sender}`,
      '/policy',
      '/',
    ],
    ...['text', 'csv', 'ndjson', 'rbldnsd'].map((format) => `/v1/export?format=${format}`),
  ]
  let seen = 0
  for (const path of paths) {
    for (const headers of [{}, { authorization: `Bearer ${key}` }]) {
      const response = await fetch(`http://${server.admin}${path}`, { headers })
      const head = [...response.headers].map(([field, value]) => `${field}: ${value}`).join('\n')
      if (response.ok) seen++
      outputs.push([`${path} ${Object.keys(headers)}`, `${head}\n${await response.text()}`])
    }
  }
  assert.ok(seen >= 10, `${seen} answers`)
  for (const format of ['text', 'csv', 'ndjson', 'rbldnsd']) {
    const { stdout, stderr } = await site.run('export', '--format', format)
    assert.match(stdout, /198\.51\.100\.10/, stderr)
    outputs.push([`export ${format}`, stdout])
  }
  outputs.push(['the log', server.stderr()])
  for (const [from, text] of outputs) assert.deepEqual(leaksIn(text), [], from)
  const shown = await site.run('show', sender, '--json')
  assert.notDeepEqual(leaksIn(shown.stdout), [], 'the operator sees what the others must not')
})
