// The tables of data/phrases: each phrase has a witness, and none is a word that everybody uses. `npm run score` compares the
// phrases with witnesses that are not part of the project.
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { type Witness, witnessFaults } from '../../../scripts/witnesses.ts'
import { backscatterKinds } from '../../../src/classify/kinds.ts'
import { fold, phraseRows } from '../../../src/classify/phrases.ts'
import { parseMessage } from '../../../src/mail/message.ts'
import { kindOfSample, readSample, samplePaths } from '../../support/samples.ts'

const rows = phraseRows
const files = globSync('data/phrases/*/*.tsv')

test('a file is named for its kind and its language, and its rows are sorted', () => {
  for (const file of files) {
    const [, kind = ''] = /^data\/phrases\/([a-z-]+)\/[a-z]{2}\.tsv$/.exec(file) ?? []
    assert.ok(['mdn', ...backscatterKinds].includes(kind), file)
    const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1)
    const data = lines.filter((line) => !line.startsWith('#'))
    assert.deepEqual(data, data.toSorted(), `LC_ALL=C sort ${file}`)
    for (const line of data) assert.match(line, /^[^\t]+\t[^\t]+\t[^\t]+$/, file)
  }
})

test('each phrase has a witness: a labelled message, a sample of the lab, or a file of its vendor', () => {
  const forms = /^(sha256:[0-9a-f]{64}|lab:[a-z0-9-]+\.eml|vendor:\S+ \S+ \S+)$/
  for (const { kind, language, phrase, witness } of rows) {
    assert.match(witness, forms, `${kind}/${language}: ${phrase}`)
  }
})

test('what a sample of the lab witnesses is written in it', async () => {
  const witnesses = new Map<string, Witness>()
  for (const path of samplePaths) {
    const message = await parseMessage(readSample(path))
    witnesses.set(`lab:${path.slice(path.indexOf('/') + 1)}`, {
      kinds: [kindOfSample(path)],
      message,
    })
  }
  const faults = witnessFaults((name) => (name.startsWith('lab:') ? witnesses.get(name) : null))
  assert.deepEqual(faults, [])
})

test('a witness that is missing, of another kind, or without the phrase is a fault', () => {
  const message = { subject: '', text: '' }
  for (const wrong of [
    undefined,
    { kinds: ['list'], message },
    { kinds: [...backscatterKinds, 'mdn'], message },
  ]) {
    assert.equal(witnessFaults(() => wrong).length, rows.length)
  }
})

test('the guide explains each statement, and no other', () => {
  const guide = readFileSync('data/guide/classifying.md', 'utf8')
  const explained: string[] = []
  let kind = ''
  for (const [, named = '', statement = ''] of guide.matchAll(/^\| ([a-z-]*) ?\| `([^`]+)` \|/gm)) {
    kind = named === '' ? kind : named
    explained.push(`${kind} ${statement}`)
  }
  const used = rows.map(({ kind, statement }) => `${kind} ${statement.replace(/:.*/, ':NAME')}`)
  assert.deepEqual(explained.toSorted(), [...new Set(used)].toSorted())
})

test('no phrase stands twice in a statement', () => {
  const seen = new Set<string>()
  for (const { kind, statement, phrase } of rows) {
    const key = `${kind} ${statement} ${fold(phrase)}`
    assert.ok(!seen.has(key), key)
    seen.add(key)
  }
})

/** Words of few letters that are put together all the same. */
const shortCompounds = ['autosvar']

/** A word alone is a phrase only if it is put together: long, or with a sign in it. Scripts without blanks have no words alone. */
test('no phrase is one ordinary word', () => {
  for (const { kind, language, phrase } of rows) {
    const word = fold(phrase.replaceAll('_', ' '))
    const isOrdinary = /^[\p{sc=Latin}\p{sc=Cyrillic}\p{sc=Greek}]{1,9}$/u.test(word)
    assert.ok(!isOrdinary || shortCompounds.includes(word), `${kind}/${language}: ${phrase}`)
  }
})
