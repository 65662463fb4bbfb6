// The rules as a whole: what they are made of, and that each has a sample.
import assert from 'node:assert/strict'
import { globSync } from 'node:fs'
import { resolve } from 'node:path'
import { test } from 'node:test'
import { type Fact, facts } from '../../../src/classify/facts.ts'
import type { Rule } from '../../../src/classify/rule.ts'
import { readExpectations } from '../../support/samples.ts'

const rules: Rule[] = []
for (const file of globSync('src/classify/rules/*.ts')) {
  const lists = Object.values(await import(resolve(file))).filter(Array.isArray) as Rule[][]
  rules.push(...lists.flat().filter(({ verdict }) => verdict !== undefined))
}

test('each fact is used by a rule', () => {
  const used = new Set<Fact | undefined>()
  for (const rule of rules) {
    used.add(rule.named)
    for (const { all = [], any = [], none = [] } of [rule, ...[rule.certain ?? []].flat()]) {
      for (const fact of [...all, ...any, ...none]) used.add(fact)
    }
  }
  assert.deepEqual(
    Object.keys(facts).filter((fact) => !used.has(fact as Fact)),
    [],
  )
})

test('no two tables have a fact of the same name', async () => {
  const names: string[] = []
  for (const file of globSync('src/classify/facts/*.ts')) {
    const tables = Object.entries(await import(resolve(file)))
    for (const [, table] of tables.filter(([name]) => name.endsWith('Facts'))) {
      names.push(...Object.keys(table as object))
    }
  }
  assert.deepEqual(names.toSorted(), Object.keys(facts).toSorted())
})

test('each rule asks for something, and what it is named for holds', () => {
  for (const { name, named, all = [], any = [] } of rules) {
    assert.match(name, /^[a-z0-9]+(-[a-z0-9]+)*$/)
    assert.ok(all.length + any.length > 0, name)
    assert.ok(named === undefined || all.includes(named), name)
  }
})

test('each rule decides a sample', () => {
  const decided = [...readExpectations().values()].map(({ rule }) => rule)
  const idle = rules.filter(
    ({ name, named }) =>
      !decided.some(
        (rule) => rule === name || (named !== undefined && rule.startsWith(`${name}-`)),
      ),
  )
  assert.deepEqual(
    idle.map(({ name }) => name),
    ['unreadable-message'],
  )
})
