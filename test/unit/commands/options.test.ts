// What the rooms are given, as far as it is read from files.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { authenticitySources, checkedPrefix, primaryOf } from '../../../src/commands/options.ts'
import type { Config } from '../../../src/config/load.ts'
import { formatPrefix } from '../../../src/ip/address.ts'
import { temporaryDirectory } from '../../support/door.ts'

function options(trace: { batvKeyFile?: string; messageIdFile?: string }) {
  const config = {
    file: 'test.toml',
    resolver: { servers: [] },
    trace: { batvKeyFile: '', messageIdFile: '', ...trace },
  }
  return authenticitySources(config as unknown as Config)
}

test('an IPv4-mapped prefix in the configuration is the IPv4 prefix', () => {
  assert.equal(formatPrefix(checkedPrefix('::ffff:192.0.2.0/120')), '192.0.2.0/24')
  assert.equal(formatPrefix(checkedPrefix('2001:db8::/32')), '2001:db8::/32')
})

test('nothing is known of Message-IDs and tags without their files', () => {
  const { messageIdFile, batvKey } = options({})
  assert.deepEqual([messageIdFile, batvKey], [undefined, undefined])
})

test('a file that cannot be read, and an empty secret, are told with their key', (t) => {
  const path = join(temporaryDirectory(t), 'file')
  assert.throws(() => options({ messageIdFile: path }), {
    code: 'config-invalid',
    message: /trace\.messageIdFile: .*: there is no such file/,
  })
  writeFileSync(path, '\n')
  assert.throws(() => options({ batvKeyFile: path }), /trace\.batvKeyFile: .* is empty/)
})

test('a machine with several addresses speaks to its primary from the only one that answers DNS', () => {
  const from = (primary: string, ...listen: string[]) => {
    const config = { zone: { primary, primaryKey: '' }, dns: { listen, key: [] } }
    return primaryOf(config as unknown as Config).localAddress
  }
  assert.equal(from('192.0.2.1:53', '127.0.0.1:53', '192.0.2.53:53', '[::1]:53'), '192.0.2.53')
  assert.equal(from('[2001:db8::1]:53', '192.0.2.53:53', '[2001:db8::53]:53'), '2001:db8::53')
  assert.equal(from('127.0.0.1:5300', '127.0.0.1:53', '192.0.2.53:53'), '127.0.0.1')
  assert.equal(from('192.0.2.1:53', '192.0.2.53:53', '198.51.100.53:53'), undefined)
  assert.equal(from('192.0.2.1:53', '0.0.0.0:53', '[::]:53'), undefined)
  assert.equal(from('[::1]:53', '127.0.0.1:53', '[2001:db8::53]:53'), undefined)
})
