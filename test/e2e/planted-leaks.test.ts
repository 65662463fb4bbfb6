// A sender writes a trap into every field of its bounces, in every form, and sends them to two traps, so that there is public
// evidence: none of it shows the trap.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { disclosuresIn, formsOf } from '../support/disclosure.ts'
import { type Server, Site } from '../support/server.ts'
import { SmtpClient } from '../unit/traps/smtp-client.ts'

const trap = 'quiet.heron42@hidden-trap.example.org'
const other = 'leiser.reiher7@versteckte-fallen.example'
const traps = [trap, other]
const sample = readFileSync('data/samples/postfix-bounce.eml', 'latin1')

/** The sample bounce to both traps, with a text wherever a sender may write one. */
function bounceWith(planted: string): string {
  const fields: [field: RegExp, value: string][] = [
    [/^Message-Id: .*$/m, `Message-Id: <${planted}>`],
    [/^Subject: .*$/m, `Subject: Undelivered ${planted}`],
    [/^Reporting-MTA: .*$/m, `Reporting-MTA: dns; ${planted}`],
    [/^X-Postfix-Queue-ID: .*$/m, `X-Postfix-Queue-ID: ${planted}`],
    [/^Arrival-Date: .*$/m, `Original-Envelope-Id: ${planted}`],
    [/^Status: .*$/m, `Status: 5.1.1 ${planted}`],
    [/^Diagnostic-Code: .*$/m, `Diagnostic-Code: X-Postfix; ${planted}`],
    [/^Auto-Submitted: .*$/m, `Auto-Submitted: auto-replied\nX-Mailer: ${planted}`],
  ]
  const written = fields.reduce((text, [field, value]) => {
    assert.match(text, field)
    return text.replace(field, () => value)
  }, sample)
  return written.replaceAll(/<?[\w.+-]+@trap\.example(\.org)?>?/g, `<${trap}>`)
}

async function send(t: TestContext, server: Server, host: string, planted: string): Promise<void> {
  const client = new SmtpClient(t, server.smtp)
  await client.hear(1)
  const isWord = /^[!-~]{1,200}$/.test(planted)
  const replies = await client.say(
    'EHLO proxy.example',
    `XCLIENT ADDR=${host} NAME=[UNAVAILABLE]`,
    `EHLO ${isWord ? planted : 'sender.example'}`,
    'MAIL FROM:<>',
    ...traps.map((each) => `RCPT TO:<${each}>`),
    'DATA',
  )
  assert.match(replies.at(-1) ?? '', /^354/, `${planted}: ${replies}`)
  client.send(`${bounceWith(planted).replaceAll(/\r?\n/g, '\r\n')}\r\n.\r\n`)
  await client.hear(replies.length + 2)
  assert.match(client.replies().at(-1) ?? '', /^250/)
  client.socket.destroy()
}

async function lookup(server: Server, host: string, key?: string): Promise<string> {
  const headers: Record<string, string> =
    key === undefined ? {} : { authorization: `Bearer ${key}` }
  const reply = await fetch(`http://${server.admin}/v1/lookup/${host}`, { headers })
  const head = [...reply.headers].map(([name, value]) => `${name}: ${value}`).join('\n')
  return `${head}\n\n${await reply.text()}`
}

function evidenceOf(shown: string): Record<string, unknown>[] {
  return JSON.parse(shown.slice(shown.indexOf('\n\n'))).evidence
}

test('no form of a trap in any field of a bounce shows in the public evidence', async (t) => {
  const site = new Site(t)
  const tables = traps.map((each) => `[[trap]]\naddress = "${each}"\n`).join('')
  const configuration = site
    .configuration(
      '[admin]\nlisten = "127.0.0.1:0"\n[admin.rateLimit]\nrequests = 1000\n[evidence]\nminTraps = 2',
    )
    .replace('[[trap]]\naddress = "@trap.example.org"\n', tables)
  writeFileSync(site.configFile, configuration)
  const server = await site.start()
  const made = await site.run('key', 'create', '--name', 'all', '--scope', 'admin', '--json')
  const { key } = JSON.parse(made.stdout)
  const forms = Object.entries(formsOf(trap))
    .map(([name, form]): [string, string] => [name, Buffer.from(form).toString('latin1')])
    // A digest of one trap says nothing about which of two it was.
    .filter(([name]) => !/^(md5|sha)/.test(name))
  assert.ok(forms.length > 35)
  const outputs: { name: string; open: string; whole: string }[] = []
  for (const [index, [name, form]] of forms.entries()) {
    const host = `198.51.100.${index + 1}`
    await send(t, server, host, form.replaceAll(/[\r\n]+/g, '\r\n '))
    outputs.push({
      name,
      open: await lookup(server, host),
      whole: await lookup(server, host, key),
    })
  }
  for (const { name, open, whole } of outputs) {
    const [shown] = evidenceOf(open)
    assert.equal(shown?.['traps'], '1–2', `${name}: there is evidence`)
    assert.deepEqual(disclosuresIn(open, traps), [], `${name}: ${open}`)
    const found = evidenceOf(whole).map(({ trap: _, ...fields }) => fields)
    assert.notDeepEqual(disclosuresIn(JSON.stringify(found), traps), [], `${name}: it was planted`)
    const [written] = found
    const leaked = JSON.stringify({ ...shown, helo: written?.['helo'], more: written })
    assert.notDeepEqual(disclosuresIn(leaked, traps), [], `${name}: the test would find it`)
  }
  // What names no trap shows.
  await send(t, server, '203.0.113.1', 'mx.sender.example')
  const [plain] = evidenceOf(await lookup(server, '203.0.113.1'))
  assert.deepEqual([plain?.['helo'], plain?.['reportingMta']], Array(2).fill('mx.sender.example'))
})
