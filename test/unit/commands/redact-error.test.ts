// What the default log tells of an error holds no address and nothing that strangers wrote; level debug holds it all.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { openSync } from 'node:fs'
import { resolve } from 'node:path'
import { test } from 'node:test'
import { errorFacts, errorLine, maskAddresses } from '../../../src/commands/redact-error.ts'
import { OperationalError, operationalErrorCodes } from '../../../src/errors.ts'
import { MailboxFault, mailboxError } from '../../../src/traps/mailbox.ts'
import { formsOf } from '../../support/disclosure.ts'

const trap = 'quiet.heron42@hidden.example'
const src = resolve('src')

test('our own text, with code, errno, syscall and place; a path only if the configuration names it', () => {
  const open = (path: string) => {
    try {
      openSync(path, 'r')
    } catch (error) {
      return error
    }
    return assert.fail('opened')
  }
  const own = '/nowhere/backscatterd/list.db'
  const error = new OperationalError('database-failed', `${own}: cannot be opened`, {
    cause: open(own),
  })
  const { cause, ...facts } = errorFacts(error, [own])
  assert.deepEqual(facts, {
    type: 'OperationalError',
    code: 'database-failed',
    message: `${own}: cannot be opened`,
    why: operationalErrorCodes['database-failed'],
  })
  assert.deepEqual(cause, {
    type: 'Error',
    code: 'ENOENT',
    message: `ENOENT: no such file or directory, open '${own}'`,
    errno: -2,
    syscall: 'open',
    path: own,
  })
  const hidden = errorFacts(open('/var/mail/quiet heron42/new'), [own])
  assert.equal(hidden.message, "ENOENT: no such file or directory, open '(path)'")
  assert.equal(hidden.path, undefined)
})

test('every form of an address is masked, whosever it is, and other words stay', () => {
  const forms = Object.entries(formsOf('Quiet.Heron42@hidden-trap.example.org')).filter(
    // Not in the form of an address, or cut in two by the end of a line.
    ([name]) =>
      !/DNS|wrapped|cut|the local part$|the domain$|, (hexadecimal|base64)$|of the/.test(name),
  )
  assert.ok(forms.length > 25)
  const more = {
    'quoted local part': '"quiet heron42"@hidden.example',
    'quoted, with a quote': '"quiet\\"heron42"@hidden.example',
    'VERP without a list': 'bounces+quiet.heron42=hidden-trap.example.org',
    'routed by a percent sign': 'quiet.heron42%hidden.example',
    'routed by a bang': 'hidden.example!quiet.heron42',
    'percent-encoded =': 'to%3Dquiet.heron42%40hidden.example&x=1',
    'full-width @': 'quiet.heron42\uff20hidden.example',
    'in angle brackets, with a route': '<@relay.example:quiet.heron42@hidden.example>',
    'somebody else’s': 'bob@corp.example',
  }
  for (const [name, form] of [...forms, ...Object.entries(more)]) {
    const masked = maskAddresses(`550 no such user "${form}", sorry`)
    assert.match(masked, /^550 no such user "?\(address\)\S* sorry$/, name)
  }
  const plain = '/x/list.db is in use by process 7; 192.0.2.1:53, 2001:db8::1 and mx.example.org'
  assert.equal(maskAddresses(plain), plain)
})

test('what strangers may have written is left out', () => {
  const said = `NO unknown user ${trap}, not even heron42`
  const imap = Object.assign(new Error('Command failed'), { responseText: said })
  const tls = Object.assign(new Error(`altnames: DNS:hidden.example, ${trap}`), {
    code: 'ERR_TLS_CERT_ALTNAME_INVALID',
    stack: 'Error: x\n    at TLSSocket (node:_tls:1:1)',
  })
  const lookup = Object.assign(new Error('getaddrinfo ENOTFOUND mail.hidden.example'), {
    code: 'ENOTFOUND',
    errno: -3008,
    syscall: 'getaddrinfo',
    hostname: 'mail.hidden.example',
  })
  const fault = new MailboxFault('credentials-unreadable', `/var/mail/heron42: ${said}`)
  for (const cause of [imap, tls, lookup, fault]) {
    const facts = errorFacts(mailboxError('box', said, cause))
    assert.match(facts.message ?? '', /^mailbox box: [a-z-]+: /)
    assert.ok(facts.cause)
    assert.doesNotMatch(JSON.stringify(facts) + errorLine(facts), /heron|hidden/)
  }
  const reading = new Error(`Unexpected token in "${said}"`)
  reading.stack = `Error: ${reading.message}\n    at parse (${src}/traps/imap.ts:7:1)`
  assert.deepEqual(errorFacts(reading), { type: 'Error', at: ['src/traps/imap.ts:7'] })
})

test('a text that plays a stack, odd codes and names, and what is no error', () => {
  const odd = Object.assign(new Error(`x\n    at f (${src}/traps/quiet-heron42.ts:7:1)`), {
    code: trap,
    name: trap,
    syscall: `connect ${trap}`,
  })
  assert.deepEqual(errorFacts(odd), { type: 'Error', message: 'x' })
  for (const thrown of [trap, null, undefined, 7, { message: trap }]) {
    assert.deepEqual(errorFacts(thrown), { type: typeof thrown })
  }
  const loop = new Error('a')
  loop.cause = loop
  assert.doesNotThrow(() => JSON.stringify(errorFacts(loop)))
})

test('of a wrong configuration only the keys are logged: their values may hold a trap in any form', () => {
  const keys = ['mailbox[2].schedule', 'trap[1].address']
  const error = new OperationalError('config-invalid', `a.toml: trap[1].address: ${trap}`, {
    faults: keys.map((key) => ({ key, why: trap })),
  })
  const facts = errorFacts(error)
  assert.deepEqual(facts.keys, keys)
  assert.equal(facts.message, undefined)
  assert.match(
    errorLine(facts),
    /^OperationalError config-invalid: mailbox\[2\]\.schedule, trap\[1\]\.address \(the configuration file is wrong; check-config says/,
  )
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
    const log = createLog('${level}', ${isTerminal}, [])
    log.warn({ err: Object.assign(new Error('${trap}'), { code: 'EX' }) }, 'it failed')
    log.level = 'debug'
    log.warn({ err: new Error('later') }, 'it failed')
  })`
}
