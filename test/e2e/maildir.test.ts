// The Maildir source: read at the scheduled tick, moved only after the commit, counted once whatever happens.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ask, reversed } from '../support/ask.ts'
import { origin, Site, until } from '../support/server.ts'

const sample = readFileSync('data/samples/postfix-bounce.eml', 'utf8')

/** The sample as our own MX would have stored it just now. */
function stored(client: string): string {
  const date = new Date().toUTCString().replace('GMT', '+0000')
  return `Return-Path: <>\r\nDelivered-To: orders@trap.example.org\r\nReceived: from mail.pf.example (mail.pf.example [${client}])\r\n\tby mx.trap.example.org (Postfix) with ESMTP id 4Y1;\r\n\t${date}\r\n${sample}`
}

function drop(site: Site, name: string, content: string): void {
  const maildir = join(site.folder, 'maildir')
  writeFileSync(join(maildir, 'tmp', name), content)
  renameSync(join(maildir, 'tmp', name), join(maildir, 'new', name))
}

async function evidenceOf(site: Site, client: string): Promise<unknown[]> {
  return JSON.parse((await site.run('show', client, '--json')).stdout).evidence
}

async function lastReadAt(site: Site): Promise<string | null> {
  const { mailboxes } = JSON.parse((await site.run('status', '--json')).stdout)
  return mailboxes[0].lastReadAt
}

function inFolder(site: Site, folder: 'new' | 'cur'): string[] {
  return readdirSync(join(site.folder, 'maildir', folder))
}

test('a message is listed at the next tick, moved to cur, and not counted again at the one after', async (t) => {
  const site = new Site(t)
  const server = await site.start()
  const client = '203.0.113.30'
  drop(site, '1.a.host', stored(client))
  const name = reversed(client, origin)
  const { a } = await until(
    () => ask(server.dns, name),
    ({ a }) => a.length > 0,
    120_000,
  )
  assert.deepEqual(a.sort(), ['127.0.0.2', '127.0.0.3'])
  await until(
    async () => inFolder(site, 'cur'),
    (files) => files.length === 1,
    120_000,
  )
  assert.deepEqual(inFolder(site, 'new'), [])
  assert.match(inFolder(site, 'cur')[0] ?? '', /^1\.a\.host:2,S$/)
  // The first of two ticks may have begun before.
  for (let ticks = 0; ticks < 2; ticks++) {
    const last = await lastReadAt(site)
    await until(
      () => lastReadAt(site),
      (at) => at !== last,
      120_000,
    )
  }
  assert.equal((await evidenceOf(site, client)).length, 1)
})

test('SIGKILL at any moment loses nothing and doubles nothing', async (t) => {
  const site = new Site(t)
  const clients = Array.from({ length: 6 }, (_, index) => `203.0.113.${40 + index}`)
  for (const [round, client] of clients.entries()) {
    const server = await site.start()
    drop(site, `${round}.k.host`, stored(client))
    // The tick is at the full second, so these moments straddle reading, commit and move.
    await new Promise((resolve) => setTimeout(resolve, 1000 - (Date.now() % 1000) + round * 8))
    await server.kill('SIGKILL')
  }
  const server = await site.start()
  await until(
    async () => inFolder(site, 'new'),
    (files) => files.length === 0,
    120_000,
  )
  assert.equal(inFolder(site, 'cur').length, clients.length)
  for (const client of clients) {
    assert.equal((await evidenceOf(site, client)).length, 1, client)
    assert.equal((await ask(server.dns, reversed(client, origin))).a.length, 2, client)
  }
})
