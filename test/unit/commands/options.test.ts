// What the rooms are given, as far as it is read from files.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { authenticitySources } from '../../../src/commands/options.ts'
import type { Config } from '../../../src/config/load.ts'

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'authenticity-'))
  t.after(() => rmSync(path, { recursive: true }))
  return path
}

function options(trace: { batvKeyFile?: string; messageIdFile?: string }) {
  const config = {
    file: 'test.toml',
    resolver: { servers: [] },
    trace: { batvKeyFile: '', messageIdFile: '', ...trace },
  }
  return authenticitySources(config as unknown as Config)
}

test('nothing is known of Message-IDs and tags without their files', () => {
  const { messageIdFile, batvKey } = options({})
  assert.deepEqual([messageIdFile, batvKey], [undefined, undefined])
})

test('a file that cannot be read, and an empty secret, are told with their key', (t) => {
  const path = join(folder(t), 'file')
  assert.throws(() => options({ messageIdFile: path }), {
    code: 'config-invalid',
    message: /trace\.messageIdFile: ENOENT/,
  })
  writeFileSync(path, '\n')
  assert.throws(() => options({ batvKeyFile: path }), /trace\.batvKeyFile: .* is empty/)
})
