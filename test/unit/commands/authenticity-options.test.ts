import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { authenticityOptions } from '../../../src/commands/authenticity-options.ts'
import type { Config } from '../../../src/config.ts'

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
  return authenticityOptions(config as unknown as Config)
}

test('nothing is known of Message-IDs and tags without their files', () => {
  const { isOurMessageId, batvKey } = options({})
  assert.deepEqual([isOurMessageId, batvKey], [undefined, undefined])
})

test('Message-IDs are read as logs write them, and again when the file has changed', (t) => {
  const messageIdFile = join(folder(t), 'ids')
  writeFileSync(messageIdFile, '<1@a.example>\n2@a.example\r\n\n')
  utimesSync(messageIdFile, 1, 1)
  const { isOurMessageId } = options({ messageIdFile })
  assert.ok(isOurMessageId)
  const known = () =>
    ['<1@a.example>', '<2@a.example>', '<3@a.example>', '<>', ''].map((id) => isOurMessageId(id))
  assert.deepEqual(known(), [true, true, false, false, false])
  writeFileSync(messageIdFile, '<3@a.example>\n')
  utimesSync(messageIdFile, 2, 2)
  assert.deepEqual(known(), [false, false, true, false, false])
  rmSync(messageIdFile)
  assert.deepEqual(known(), [false, false, true, false, false])
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
