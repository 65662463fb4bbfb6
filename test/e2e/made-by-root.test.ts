// What root makes in the folder of another user belongs to that user: else the server, which runs as that user, could not
// open its own database after one command of root.
import assert from 'node:assert/strict'
import {
  chownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { Site } from '../support/server.ts'

const isRoot = process.geteuid?.() === 0
/** Any user but root will do: no process runs as this one. */
const other = { uid: 64_123, gid: 64_124 }
const options = { skip: isRoot ? false : 'needs root, who alone can give files away' }

/** A site whose database lies in a folder of the other user. */
function siteOf(t: TestContext): { site: Site; folder: string } {
  const site = new Site(t)
  const folder = join(site.folder, 'store')
  mkdirSync(folder)
  chownSync(folder, other.uid, other.gid)
  const configuration = site.configuration('[admin]\nlisten = "127.0.0.1:0"\n')
  writeFileSync(site.configFile, configuration.replace('list.db', 'store/list.db'))
  return { site, folder }
}

function owners(folder: string): Record<string, string> {
  const owner = (name: string): string => {
    const { uid, gid } = lstatSync(join(folder, name))
    return `${uid}:${gid}`
  }
  return Object.fromEntries(readdirSync(folder).map((name) => [name, owner(name)]))
}

test(
  'a server that root started gives each of its files to the owner of the folder',
  options,
  async (t) => {
    const { site, folder } = siteOf(t)
    await site.start()
    const found = owners(folder)
    const files = ['', '-pid', '-shm', '-wal', '.lock'].map((end) => `list.db${end}`)
    for (const name of [...files, 'admin.key', 'backscatterd.sock']) {
      assert.equal(found[name], `${other.uid}:${other.gid}`, name)
    }
  },
)

test('so does a command without a server', options, async (t) => {
  const { site, folder } = siteOf(t)
  const added = await site.run('trap', 'add', 'user@trap.example.net')
  assert.equal(added.code, 0, added.stderr)
  assert.deepEqual(new Set(Object.values(owners(folder))), new Set([`${other.uid}:${other.gid}`]))
})

test(
  'a backup belongs to root, who chose its place, and so does a file that a link leads to',
  options,
  async (t) => {
    const { site, folder } = siteOf(t)
    const elsewhere = join(site.folder, 'elsewhere.db')
    symlinkSync(elsewhere, join(folder, 'list.db'))
    for (const args of [
      ['trap', 'add', 'user@trap.example.net'],
      ['backup', join(folder, 'copy.db')],
    ]) {
      const { code, stderr } = await site.run(...args)
      assert.equal(code, 0, stderr)
    }
    assert.deepEqual([statSync(elsewhere).uid, statSync(join(folder, 'copy.db')).uid], [0, 0])
  },
)
