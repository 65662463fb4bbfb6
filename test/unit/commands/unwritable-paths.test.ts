// What check-config finds missing in the systemd unit that runs a configuration.
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { findUnit, hiddenPaths, unwritablePaths } from '../../../src/commands/unit.ts'
import type { Config } from '../../../src/config/load.ts'
import { temporaryDirectory } from '../../support/door.ts'

const shipped = readFileSync('data/backscatterd.service', 'utf8')
const mailboxes = [
  { type: 'maildir', path: '/var/mail/traps/Maildir' },
  { type: 'mbox', path: '/srv/mail/inbox' },
  { type: 'imap', path: '' },
]

function missing(config: Config, units: string): string[] {
  return unwritablePaths(config, findUnit(config.file, units))
}

function configOf({ file = '/etc/backscatterd/backscatterd.toml', mailbox = mailboxes } = {}) {
  return { file, store: { path: '/var/lib/backscatterd/list.db' }, mailbox } as unknown as Config
}

function unitsWith(t: TestContext, unit: string, dropIn?: string): string {
  const units = temporaryDirectory(t)
  writeFileSync(join(units, 'backscatterd.service'), unit)
  if (dropIn !== undefined) {
    mkdirSync(join(units, 'backscatterd.service.d'))
    writeFileSync(join(units, 'backscatterd.service.d', 'mail.conf'), dropIn)
  }
  return units
}

test('a Maildir that the unit makes read-only is named; an mbox is only read', (t) => {
  const paths = missing(configOf(), unitsWith(t, shipped))
  assert.deepEqual(paths, ['/var/mail/traps/Maildir'])
})

test('what the unit or a drop-in of it names is not missing', (t) => {
  const dropIn = '[Service]\nReadWritePaths=-/srv/other \\\n  /var/mail\n'
  assert.deepEqual(missing(configOf(), unitsWith(t, shipped, dropIn)), [])
  const mailbox = [{ type: 'maildir', path: '/var/lib/backscatterd/Maildir' }]
  assert.deepEqual(missing(configOf({ mailbox }), unitsWith(t, shipped)), [])
  const beside = [{ type: 'maildir', path: '/var/lib/backscatterd2' }]
  assert.deepEqual(missing(configOf({ mailbox: beside }), unitsWith(t, shipped)), [
    '/var/lib/backscatterd2',
  ])
})

test('nothing is missing where no unit runs this configuration, or the unit leaves the disk alone', (t) => {
  const other = configOf({ file: '/srv/other.toml' })
  assert.deepEqual(missing(other, unitsWith(t, shipped)), [])
  assert.deepEqual(missing(configOf(), temporaryDirectory(t)), [])
  const free = shipped.replace('ProtectSystem=strict\n', '')
  assert.deepEqual(missing(configOf(), unitsWith(t, free)), [])
})

test('what the unit hides is named with the setting that hides it, unless the unit binds it', (t) => {
  const unit = findUnit(
    configOf().file,
    unitsWith(t, shipped, '[Service]\nBindPaths=/home/traps/Maildir\nPrivateTmp=yes\n'),
  )
  assert.ok(unit)
  const paths = ['/home/traps/Maildir/new', '/home/other', '/tmp/list.db', '/srv/list.db', '/home2']
  assert.deepEqual(hiddenPaths(paths, unit), [
    { path: '/home/other', setting: 'ProtectHome' },
    { path: '/tmp/list.db', setting: 'PrivateTmp' },
  ])
})

test('a unit of another name is found by the configuration that it names', (t) => {
  const units = temporaryDirectory(t)
  const lines = {
    'a.service': 'ExecStart=/usr/bin/node main.ts --config /etc/other.toml serve',
    'lab.service': 'ExecStart=/usr/bin/node main.ts --config=/etc/lab.toml serve',
  }
  for (const [name, line] of Object.entries(lines)) writeFileSync(join(units, name), line)
  assert.equal(findUnit('/etc/lab.toml', units)?.name, 'lab.service')
  assert.equal(findUnit('/etc/lab', units), undefined)
})
