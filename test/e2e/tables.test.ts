// The commands that show what is there, and those that decide, against a running server: what their tables say.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { test } from 'node:test'
import { submit } from '../../scripts/submit.ts'
import { Site } from '../support/server.ts'

/** The cells of each line of a table; columns are two blanks apart. */
function cells(text: string): string[][] {
  const lines = text.trimEnd().split('\n')
  return lines.map((line) => line.split(/ {2,}/))
}

test('list, lists, exemptions, exclusions and audit are headed tables', async (t) => {
  const site = new Site(t)
  await site.start()
  const shown = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await site.run(...args)
    assert.equal(code, 0, stderr)
    return stdout
  }
  const file = join(site.folder, 'drop.txt')
  writeFileSync(file, '203.0.113.64/26\n203.0.113.5\n')
  await shown('add', '203.0.113.9', '--kind', 'dsn', '--reason', 'ticket 7')
  await shown('add', '2001:db8:7::/64', '--permanent')
  await shown('import', file, '--list', 'drop')
  await shown('exempt', '203.0.113.32/28', '--note', 'ours')
  await shown('exclude', '203.0.113.70')
  await shown('remove', '2001:db8:7::/64')

  const [header, ...rows] = cells(await shown('list'))
  assert.deepEqual(header?.slice(0, 4), ['prefix', 'state', 'kinds', 'from'])
  assert.deepEqual(
    rows.map((row) => row.slice(0, 4)),
    [
      ['203.0.113.9/32', 'listed', 'dsn', 'by hand'],
      ['203.0.113.5/32', 'listed', 'no kind', 'drop'],
      ['203.0.113.64/26', 'listed', 'no kind', 'drop'],
    ],
  )
  assert.equal(rows[0]?.at(-1), 'ticket 7')
  const prefixes = async (...args: string[]): Promise<string[]> => {
    const { items } = JSON.parse(await shown('list', '--json', ...args))
    return items.map((each: { prefix: string }) => each.prefix)
  }
  assert.deepEqual(await prefixes('--list', 'drop', '--limit', '1'), ['203.0.113.5/32'])
  assert.deepEqual(await prefixes('--state', 'removed'), ['2001:db8:7::/64'])
  assert.deepEqual(await prefixes('--kind', 'dsn', '--origin', 'manual'), ['203.0.113.9/32'])
  assert.deepEqual(await prefixes('--prefix', '203.0.113.0/28'), [
    '203.0.113.5/32',
    '203.0.113.9/32',
  ])
  assert.equal((await prefixes('--state', 'all')).length, 4)
  assert.match((await site.run('list', '--limit', '1')).stderr, /^Only the first 1 are shown/)
  assert.equal((await site.run('list', '--limit', 'all')).code, 2)
  assert.match(
    (await site.run('list', '--list', 'dorp')).stderr,
    /^backscatterd: there is no list named dorp\n$/,
  )

  const [, drop] = cells(await shown('lists'))
  assert.deepEqual([drop?.[0], drop?.[1], drop?.[3]], ['drop', '2', 'yes'])
  const [, exemption] = cells(await shown('exemptions'))
  assert.deepEqual([exemption?.[0], exemption?.[3]], ['203.0.113.32/28', 'ours'])
  assert.equal(cells(await shown('exclusions'))[1]?.[0], '203.0.113.70/32')
  const audit = cells(await shown('audit', '--actor', 'cli', '--limit', '2'))
  assert.deepEqual(
    audit.slice(1).map(([, ...rest]) => rest),
    [
      ['cli', 'delist', '2001:db8:7::/64'],
      ['cli', 'exclude', '203.0.113.70/32'],
    ],
  )
  const ofAddress = cells(await shown('audit', '--target', '203.0.113.70'))
  assert.deepEqual(ofAddress[1]?.slice(1), ['cli', 'exclude', '203.0.113.70/32'])
})

test('requests for removal are shown and decided, and a purge tells what it ended', async (t) => {
  const site = new Site(t)
  writeFileSync(site.configFile, site.configuration('[removal]\ntimes = 0\n'))
  const server = await site.start()
  assert.equal(
    (await site.run('removals')).stdout,
    'No request waits for a decision: “removals list --state all” shows the others.\n',
  )
  const senders = ['198.51.100.10', '198.51.100.11']
  for (const client of senders) {
    const answer = await submit({
      server: server.smtp,
      from: '',
      to: ['orders@trap.example.org'],
      client,
      message: readFileSync('data/samples/postfix-bounce.eml', 'latin1'),
    })
    assert.match(answer, /^250 /)
    await ask(join(site.folder, 'backscatterd.sock'), '/v1/removals', { address: client })
  }
  const states = async (...args: string[]): Promise<string[][]> =>
    cells((await site.run('removals', ...args)).stdout).map((row) => row.slice(0, 3))
  assert.deepEqual(await states(), [
    ['id', 'prefix', 'state'],
    ['2', '198.51.100.11/32', 'queued'],
    ['1', '198.51.100.10/32', 'queued'],
  ])
  assert.match((await site.run('removals', 'approve', '1')).stdout, /^198.51.100.10\/32 is removed/)
  assert.match(
    (await site.run('removals', 'refuse', '2', '--reason', 'still sends')).stdout,
    /^198.51.100.11\/32 stays listed/,
  )
  assert.equal((await site.run('removals', 'refuse', '2')).code, 1)
  assert.deepEqual(await states('list', '--state', 'removed'), [
    ['id', 'prefix', 'state'],
    ['1', '198.51.100.10/32', 'removed'],
  ])
  assert.match((await site.run('removals', 'list', '--state', 'all')).stdout, /still sends$/m)

  const purge = ['purge', '--trap', 'orders@trap.example.org']
  const planned = await site.run(...purge, '--dry-run')
  assert.match(
    planned.stdout,
    /\nMessages that no longer count: 2. Listings that end: 1; that end earlier: 0\.\n/,
  )
  assert.match((await site.run('show', '198.51.100.11')).stdout, / is listed, since /)
  assert.match((await site.run(...purge)).stdout, /\n198.51.100.11\/32 .* at once\n/)
  const shown = (await site.run('show', '198.51.100.11')).stdout
  assert.match(shown, /is not listed: its listing was purged at /)
  assert.match(shown, /^ {2}198.51.100.11\/32 +purged /m)
  assert.match(
    (await site.run('show', '198.51.100.10')).stdout,
    /is not listed: it was removed at /,
  )
  assert.equal((await site.run('purge')).code, 2)
  const wrong = await site.run('purge', '--from', 'yesterday')
  assert.equal(wrong.code, 2)
  assert.match(wrong.stderr, /--from yesterday: expected a time such as 2026-/)
})

/** Sends a body to the server's control socket, as somebody would over HTTP. */
async function ask(socketPath: string, path: string, body: object): Promise<void> {
  const headers = { 'content-type': 'application/json' }
  const sent = request({ socketPath, path, method: 'POST', headers }).end(JSON.stringify(body))
  const [response] = await once(sent, 'response')
  assert.equal(response.resume().statusCode, 202)
}
