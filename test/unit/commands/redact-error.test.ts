// What the default log tells of an error holds nothing that others wrote; level debug holds it all.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { resolve } from 'node:path'
import { test } from 'node:test'
import { errorFacts, errorLine } from '../../../src/commands/redact-error.ts'
import { OperationalError } from '../../../src/errors.ts'
import { mailboxError } from '../../../src/traps/mailbox-error.ts'

const trap = 'quiet.heron42@hidden.example'
const src = resolve('src')

test('type, code and place, and nothing of the text', () => {
  const cause = Object.assign(new TypeError(`ENOENT: no such file, open '/var/mail/${trap}'`), {
    ...{ code: 'ENOENT', syscall: 'open', path: `/var/mail/${trap}` },
  })
  const facts = errorFacts(mailboxError('box', `reading ${trap}`, cause))
  assert.deepEqual(
    [facts.type, facts.code, facts.why],
    ['MailboxError', 'mailbox-failed', 'a trap mailbox cannot be read'],
  )
  assert.match(facts.at?.[0] ?? '', /^src\/traps\/mailbox-error\.ts:\d+$/)
  const { at, ...rest } = facts.cause ?? { type: '' }
  assert.deepEqual(rest, { type: 'TypeError', code: 'ENOENT', syscall: 'open' })
  assert.equal(at, undefined)
  assert.doesNotMatch(JSON.stringify(facts) + errorLine(facts), /heron|hidden/)
})

test('a text that plays a stack, odd codes and names, and what is no error', () => {
  const odd = Object.assign(new Error(`x\n    at f (${src}/traps/quiet-heron42.ts:7:1)`), {
    ...{ code: trap, name: trap, syscall: `connect ${trap}` },
  })
  assert.deepEqual(errorFacts(odd), { type: 'Error' })
  for (const thrown of [trap, null, undefined, 7, { message: trap }]) {
    assert.deepEqual(errorFacts(thrown), { type: typeof thrown })
  }
  const loop = new Error('a')
  loop.cause = loop
  assert.doesNotThrow(() => JSON.stringify(errorFacts(loop)))
})

test('of a wrong configuration the keys are told', () => {
  const keys = ['mailbox[2].schedule', 'trap[1].address']
  const error = new OperationalError('config-invalid', `a.toml: trap[1].address: ${trap}`, { keys })
  assert.deepEqual(errorFacts(error).keys, keys)
  assert.match(errorLine(errorFacts(error)), /config-invalid, .*, mailbox\[2\]\.schedule trap/)
})

test('the log: closed at info, everything at debug, as lines and on a terminal', () => {
  for (const isTerminal of [false, true]) {
    const logged = (level: string): string => {
      const { stderr } = spawnSync(process.execPath, ['-e', logging(level, isTerminal)], {
        encoding: 'utf8',
      })
      return stderr
    }
    assert.doesNotMatch(logged('info'), /heron/)
    assert.match(logged('info'), /EX/)
    // The level may be changed while it runs.
    assert.match(logged('info'), /later/)
    assert.match(logged('debug'), /heron/)
  }
})

function logging(level: string, isTerminal: boolean): string {
  return `import('${src}/commands/log.ts').then(({ createLog }) => {
    const log = createLog('${level}', ${isTerminal})
    log.warn({ err: Object.assign(new Error('${trap}'), { code: 'EX' }) }, 'it failed')
    log.level = 'debug'
    log.warn({ err: new Error('later') }, 'it failed')
  })`
}
