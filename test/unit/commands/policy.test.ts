// What `policy explain` says of an address.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { serveOnSocket } from '../../../src/admin/listeners.ts'
import { evidence, openAdmin, start } from '../../support/admin.ts'
import { Site } from '../../support/server.ts'

/** A site whose control socket this process serves, over a blocklist that knows one host. */
async function served(t: TestContext): Promise<Site> {
  const site = new Site(t)
  const admin = openAdmin(t)
  await admin.blocklist.record([
    evidence('203.0.113.9', 'dsn'),
    evidence('203.0.113.8', 'challenge-response'),
    evidence('203.0.113.8', 'content-notice', { seenAt: start - 86_400 }),
    evidence('203.0.113.9', 'auto-reply', { seenAt: start - 60, certainty: 'likely' }),
  ])
  const control = await serveOnSocket(admin.app, join(site.folder, 'backscatterd.sock'))
  t.after(() => control.close())
  return site
}

async function explain(site: Site, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await site.run('policy', 'explain', ...args)
  assert.deepEqual([code, stderr], [0, ''])
  return stdout
}

test('a listed address: paragraphs on what counts, what lists it and what frees it', async (t) => {
  const text = await explain(await served(t), '203.0.113.9')
  const paragraphs = text.split(/\n(?=\S)/).map((each) => each.trimEnd())
  assert.equal(paragraphs[0], '203.0.113.9/32 is listed for dsn until 2026-07-08 10:00:00 UTC.')
  const [, listing, counts, messages, past, next, exits] = paragraphs
  assert.match(
    listing ?? '',
    /^Its listing was made at 2026-07-01 10:00:00 UTC \(episode 1, term 7d\):\n {2}began with {2}dsn {2}1 message to 1 trap {2}/,
  )
  assert.match(
    counts ?? '',
    /^What counts now:\n {2}kind .*\n {2}dsn {9}1 of 1 .*\n {2}auto-reply /,
  )
  assert.match(
    messages ?? '',
    /^Its messages, the newest first:\n {2}time .*\n.* dsn .*\n {4}now: .*\n {4}what it did: listed it .*\n.* likely /,
  )
  assert.match(past ?? '', / episode 1$/)
  assert.match(
    next ?? '',
    /^What would list it .*:\n {2}one more certain dsn, to any trap, before /,
  )
  assert.match(next ?? '', /\n {2}After this listing the next one has episode 2 and a term of 14d/)
  assert.match(
    exits ?? '',
    /^What would free it:\n {2}it ends at 2026-07-08 10:00:00 UTC if nothing /,
  )
  for (const line of text.split('\n')) {
    assert.equal(line, line.trimEnd())
  }
  assert.doesNotMatch(text, /secret|trap\.example/)
})

test('every line fits into 100 columns', async (t) => {
  const text = await explain(await served(t), '203.0.113.8')
  assert.match(text, /challenge-response/)
  for (const line of text.split('\n')) assert.ok(line.length <= 100, line)
})

test('an address of which nothing is known', async (t) => {
  const text = await explain(await served(t), '203.0.113.10')
  assert.match(
    text,
    /^203\.0\.113\.10\/32 was never listed for mail to a trap\.\n\nNothing of it counts now\.\n\nWhat would /,
  )
  assert.match(text, /\n {2}The next listing has episode 1 and a term of 7d\.\n$/)
})

test('an address that is listed by hand: which command names and ends that listing', async (t) => {
  const site = new Site(t)
  assert.equal((await site.run('add', '203.0.113.10')).code, 0)
  const control = JSON.parse(await explain(site, '203.0.113.10', '--json'))
  assert.equal(control.listed, true)
  const text = await explain(site, '203.0.113.10')
  assert.match(text, /^203\.0\.113\.10\/32 was never .*, but another listing\ncovers it\.\n/)
  assert.match(
    text,
    /\nWhat would free it:\n {2}“backscatterd show 203\.0\.113\.10” names the listing/,
  )
})

test('an exempt address: nothing lists it, and so nothing need free it', async (t) => {
  const text = await explain(await served(t), '203.0.113.241')
  assert.equal(
    text,
    `203.0.113.241/32 is not listed, whatever it sends: exempt: 203.0.113.240/28
(our relays).

Nothing of it counts now.
`,
  )
})

test('JSON, also on the database alone', async (t) => {
  const site = new Site(t)
  const { query, state, kinds } = JSON.parse(await explain(site, '203.0.113.9', '--json'))
  assert.deepEqual([query, state, kinds.length], ['203.0.113.9', null, 5])
  const { code, stderr } = await site.run('policy', 'explain', '203.0.113.0/24')
  assert.equal(code, 2)
  assert.match(stderr, /a prefix; ask for one address, such as 203\.0\.113\.0\n$/)
})
