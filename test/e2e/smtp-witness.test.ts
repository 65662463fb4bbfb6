// The live listener in a server of its own: sender callouts become code .7, TLS certificates are renewed on SIGHUP.
import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { ask, reversed } from '../support/ask.ts'
import { makeCertificate } from '../support/certificate.ts'
import { needs } from '../support/debian.ts'
import { origin, Site, until } from '../support/server.ts'
import { SmtpClient } from '../unit/traps/smtp-client.ts'

test('callouts of several traps list their host under .7, and one trap alone does not', async (t) => {
  const site = new Site(t)
  const text = site.configuration().replace('[policy]', '[policy]\npublish = ["dsn", "callout"]')
  writeFileSync(
    site.configFile,
    text.replace('threshold.dsn', 'threshold.callout = { messages = 2, traps = 2 }\nthreshold.dsn'),
  )
  const server = await site.start()
  const probe = async (client: string, trap: string): Promise<void> => {
    const proxy = new SmtpClient(t, server.smtp)
    await proxy.hear(1)
    await proxy.say('EHLO proxy.ours', `XCLIENT ADDR=${client}`, 'EHLO far.example')
    await proxy.say('MAIL FROM:<>', `RCPT TO:<${trap}@trap.example.org>`, 'QUIT')
    await proxy.ended
  }
  for (let times = 0; times < 5; times++) await probe('203.0.113.78', 'a')
  for (const trap of ['a', 'b']) await probe('203.0.113.77', trap)
  const listed = () => ask(server.dns, reversed('203.0.113.77', origin))
  const { a } = await until(listed, (answer) => answer.a.length > 0, 30_000)
  assert.deepEqual(a.sort(), ['127.0.0.2', '127.0.0.7'])
  assert.deepEqual((await ask(server.dns, reversed('203.0.113.78', origin))).a, [])
  const { evidence } = await until(
    async () => JSON.parse((await site.run('show', '203.0.113.78', '--json')).stdout),
    (shown) => shown.evidence.length > 0,
    60_000,
  )
  const days = evidence.map(({ seenAt }: { seenAt: string }) => seenAt.slice(0, 10))
  assert.equal(days.length, Math.max(1, new Set(days).size), 'one for each day')
  assert.doesNotMatch(server.stderr(), /trap\.example\.org/)
})

test(
  'SIGHUP shows the new certificate, and keeps the old one when it is broken',
  needs('openssl', 'openssl'),
  async (t) => {
    const site = new Site(t)
    const { certificateFile, keyFile } = makeCertificate(site.folder, 'first.example')
    const tls = `[trapSmtp]\ncertificateFile = "${certificateFile}"\nkeyFile = "${keyFile}"`
    writeFileSync(site.configFile, site.configuration().replace('[trapSmtp]', tls))
    const server = await site.start()
    const shown = async (): Promise<unknown> => {
      const client = new SmtpClient(t, server.smtp)
      await client.hear(1)
      await client.say('EHLO h.example', 'STARTTLS')
      client.socket.removeAllListeners('data')
      const secured = connectTls({ socket: client.socket, rejectUnauthorized: false })
      secured.on('error', () => undefined)
      await new Promise((resolve) => secured.once('secureConnect', resolve))
      return secured.getPeerCertificate().subject.CN
    }
    assert.equal(await shown(), 'first.example')
    makeCertificate(site.folder, 'second.example')
    process.kill(server.pid, 'SIGHUP')
    assert.equal(await until(shown, (name) => name === 'second.example', 30_000), 'second.example')
    writeFileSync(keyFile, 'broken')
    process.kill(server.pid, 'SIGHUP')
    const broken =
      /"code":"config-invalid",.*"keys":\["trapSmtp\.keyFile"\],.*"cause":\{.*"code":"ERR_OSSL.*not reloaded/
    await until(
      async () => server.stderr(),
      (text) => broken.test(text),
      60_000,
    )
    assert.match(server.stderr(), broken)
    assert.equal(await shown(), 'second.example')
    rmSync(certificateFile)
    process.kill(server.pid, 'SIGHUP')
    const both = /"keys":\["trapSmtp\.certificateFile","trapSmtp\.keyFile"\],.*"code":"ENOENT"/
    // The path is one of our own configuration.
    const path = /"syscall":"open","path":"[^"]*cert\.pem"/
    await until(
      async () => server.stderr(),
      (text) => both.test(text) && path.test(text),
      60_000,
    )
    assert.match(server.stderr(), both)
    assert.match(server.stderr(), path)
    assert.equal(await shown(), 'second.example')
  },
)
