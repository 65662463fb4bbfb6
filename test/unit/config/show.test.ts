// `config show`: every key with its value and origin, as TOML that gives the same configuration; secrets hidden.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { loadConfig, showConfig } from '../../../src/config/load.ts'
import { formatTables } from '../../../src/config/show.ts'

const required = `
[zone]
origin = "bl.test.example"
nameservers = ["ns1.test.example"]
hostmaster = "hostmaster.test.example"
ttl = "90s"
[store]
path = "list.db"
[policy.threshold.dsn]
traps = 2
[[policy.exempt]]
prefix = "192.0.2.0/28"
note = "our \\"own\\" relays"
[[dns.access]]
client = "192.0.2.0/24"
action = "refuse"
[trapSmtp]
listen = ["127.0.0.1:2525"]
hostname = "mx.test.example"
`

function shown(t: TestContext, content: string) {
  const folder = mkdtempSync(join(tmpdir(), 'backscatterd-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const read = (name: string, text: string) => {
    const source = { file: join(folder, name), env: {}, cwd: folder }
    writeFileSync(source.file, text, { mode: 0o600 })
    const { tables } = showConfig(source)
    return { config: loadConfig(source), tables, text: formatTables(tables) }
  }
  return { folder, read, ...read('first.toml', content) }
}

test('what is shown gives the same configuration', (t) => {
  const { config, text, read } = shown(t, required)
  const again = read('second.toml', text)
  assert.deepEqual({ ...again.config, file: config.file, readAt: config.readAt }, config)
  assert.equal(again.text.replaceAll('default', 'file'), text.replaceAll('default', 'file'))
})

test('each value says where it comes from, and paths are full', (t) => {
  const { folder, text, tables } = shown(t, required)
  assert.match(text, /^ttl = "90s" +# file$/m)
  assert.match(text, /^negativeTtl = "5m" +# default$/m)
  assert.match(text, /^\[policy\.threshold\.dsn\]\nmessages = \d+ +# default\ntraps = 2 +# file$/m)
  assert.ok(text.includes(`path = "${folder}/list.db"`))
  assert.ok(text.includes(`socket = "${folder}/backscatterd.sock"`))
  assert.doesNotMatch(text, /^\[admin\]$/m)
  const keys = tables.flatMap((table) => table.keys.map(({ key }) => key))
  assert.ok(keys.includes('dns.access[1].client'))
  assert.equal(new Set(keys).size, keys.length)
})

test('nothing that may reveal a trap is shown', (t) => {
  const secrets = `
[[trap]]
address = "@secret.example.org"
[[mailbox]]
name = "secret-box"
type = "imap"
url = "imaps://secret@mail.example.org/INBOX"
passwordFile = "secret.password"
`
  const { text } = shown(t, required + secrets)
  assert.doesNotMatch(text, /secret/)
  assert.match(text, /^\[\[trap\]\]\naddress = "\(hidden\)" +# file$/m)
  assert.match(text, /^type = "imap" +# file$/m)
})
