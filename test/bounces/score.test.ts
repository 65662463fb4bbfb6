// scripts/score.ts over a small labelled set: each number, each mistake with its rule, and the floors.
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, test } from 'node:test'
import { readSample, samplePaths } from '../support/samples.ts'

const script = resolve(import.meta.dirname, '../../scripts/score.ts')
const parent = mkdtempSync(join(tmpdir(), 'backscatterd-score-'))
const folder = join(parent, 'set')
after(() => rmSync(parent, { recursive: true }))

/** What the script prints of the whole folder. */
let output = ''

function score(...args: string[]): string {
  return execFileSync(process.execPath, [script, folder, ...args], { encoding: 'utf8' })
}

before(() => {
  for (const collection of ['one', 'two']) {
    mkdirSync(join(folder, 'messages', collection), { recursive: true })
  }
  const labels = [
    // Two of one cluster, one of them rightly found; the other is a letter with a wrong label.
    ['one/pf-unknown-user.eml', 'dsn', 'yes', '', 'postfix', '1'],
    ['one/made-human-on-holiday.eml', 'dsn', 'yes', '', 'other', '1'],
    // A label of the wrong kind, one with a second kind that is right, and one that is wrongly taken.
    ['one/ex-vacation.eml', 'dsn', 'yes', '', 'exim', '2'],
    ['two/made-tmda.eml', 'auto-reply', 'yes', 'challenge', 'other', '3'],
    ['two/dc-sieve-vacation.eml', 'ham', 'no', '', '', '4'],
  ]
  for (const [path = ''] of labels) {
    writeFileSync(join(folder, 'messages', path), sampleNamed(path.slice(4)))
  }
  // Two of our hosts name the client: the one that it reached, and one that this host went through.
  const twice = join(folder, 'messages', 'two', 'dc-sieve-vacation.eml')
  const field = 'Received: from mail.dc.example ([198.51.100.80]) by edge.trap.example with ESMTP\r\n'
  writeFileSync(twice, field + readFileSync(twice, 'latin1'), 'latin1')
  write('labels.tsv', ['path', 'kind', 'backscatter', 'alt', 'family', 'cluster'], labels)
  write(
    'ips.tsv',
    ['path', 'handing_ip', 'mx_by', 'skip'],
    [
      ['one/pf-unknown-user.eml', '198.51.100.10', 'mx.trap.example', '0'],
      ['one/ex-vacation.eml', '192.0.2.1', 'mx.trap.example', '0'],
      ['two/dc-sieve-vacation.eml', '198.51.100.80', 'mx.trap.example', '1'],
    ],
  )
  write(
    'fields.tsv',
    ['path', 'recipient', 'status'],
    [['one/pf-unknown-user.eml', 'nosuchuser@pf.example', '5.1.1']],
  )
  output = score()
})

function sampleNamed(file: string): Buffer {
  return readSample(samplePaths.find((path) => path.endsWith(`/${file}`)) ?? file)
}

function write(name: string, head: readonly string[], rows: readonly (readonly string[])[]): void {
  writeFileSync(join(folder, name), [head, ...rows].map((row) => `${row.join('\t')}\n`).join(''))
}

test('precision, recall and kinds, by message and by cluster', () => {
  assert.match(output, /^set: 5 messages, 4 clusters\n/)
  // 3 of 4 found, 3 of 4 taken are right, 2 of 3 found are of the right kind.
  assert.match(output, /^by message +0\.7500 +0\.7500 +0\.6667 *$/m)
  // Found: a half, one and one of three; taken: one more.
  assert.match(output, /^by cluster +0\.7143 +0\.8333 +0\.6000 *$/m)
  assert.match(output, /^wrongly taken: (0 certain, 1|1 certain, 0) likely, of 1 innocents$/m)
})

test('each mistake with the rule that made it', () => {
  assert.match(output, /missed: one\/made-human-on-holiday\.eml .* other by not-recognised\n/)
  assert.match(output, /WRONGLY TAKEN: two\/dc-sieve-vacation\.eml .* by rfc3834-auto-replied, \w+\n/)
  assert.match(output, /wrong kind: one\/ex-vacation\.eml .* auto-reply by rfc3834-auto-replied, \w+\n/)
  assert.equal(output.includes('made-tmda'), false)
})

test('handing addresses and DSN fields against what the folder says', () => {
  assert.match(output, /^handing address right in 2 of 3$/m)
  assert.match(output, /one\/ex-vacation\.eml: 198\.51\.100\.20, expected 192\.0\.2\.1/)
  assert.match(output, /^status right in 1 of 1$/m)
})

test('a set without floors meets them, and mistakes can be left out', () => {
  assert.match(output, /missed:|WRONGLY TAKEN:/)
  const { status, stdout } = spawnSync(process.execPath, [script, folder, '--floors', '--no-mistakes'])
  assert.equal(status, 0)
  assert.doesNotMatch(String(stdout), /missed:|WRONGLY TAKEN:/)
})

test('a set that is named for its floors fails below them, with each figure', () => {
  const mail = join(parent, 'mail')
  cpSync(folder, mail, { recursive: true })
  assert.equal(spawnSync(process.execPath, [script, mail]).status, 0)
  const { status, stderr } = spawnSync(process.execPath, [script, mail, '--floors'])
  assert.match(String(stderr), /^mail: precision is 0\.7142\d+, and its floor 1$/m)
  assert.match(String(stderr), /^mail: recall is 0\.8333\d+, and its floor 0\.985$/m)
  assert.equal(status, 1)
})

test('wrong arguments are named, with the usage', () => {
  for (const [args, expected] of [
    [[folder, '--nothing'], /--nothing.*\nusage: /],
    [[join(folder, 'messages')], /messages has no labels\.tsv\nusage: /],
    [[join(folder, 'labels.tsv')], /labels\.tsv is no folder\nusage: /],
    [[join(folder, 'nowhere')], /nowhere is no folder\nusage: /],
  ] as const) {
    const { status, stderr } = spawnSync(process.execPath, [script, ...args], { encoding: 'utf8' })
    assert.match(stderr, expected)
    assert.equal(status, 2)
  }
})

test('a table that is wrong is told in one line, by file, row and column', (t) => {
  const other = mkdtempSync(join(tmpdir(), 'backscatterd-score-'))
  t.after(() => rmSync(other, { recursive: true }))
  mkdirSync(join(other, 'messages', 'one'), { recursive: true })
  writeFileSync(join(other, 'messages/one/a.eml'), sampleNamed('pf-unknown-user.eml'))
  const head = 'path\tkind\tbackscatter\n'
  const good = 'one/a.eml\tdsn\tyes\n'
  for (const [labels, ips, expected] of [
    ['file\tkind\tbackscatter\n', '', /labels\.tsv: row 1: there is no column path$/],
    ['path\n', '', /labels\.tsv: row 1: there is no column kind, backscatter$/],
    [`${head}${good}one/b.eml\tdsn\tyes\n`, '', /labels\.tsv: row 3, column path: .*ENOENT\)$/],
    [`${head}\tdsn\tyes\n`, '', /labels\.tsv: row 2, column path: .*EISDIR\)$/],
    [`${head}${good}`, 'path\n', /ips\.tsv: row 1: there is no column handing_ip$/],
  ] as const) {
    writeFileSync(join(other, 'labels.tsv'), labels)
    if (ips !== '') writeFileSync(join(other, 'ips.tsv'), ips)
    const { status, stderr } = spawnSync(process.execPath, [script, other], { encoding: 'utf8' })
    assert.match(stderr.trimEnd(), expected)
    assert.equal(stderr.trimEnd().includes('\n'), false)
    assert.equal(status, 2)
  }
})
