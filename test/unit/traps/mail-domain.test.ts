// What the domain of a host publishes against forged senders.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Resolved, type ResolvedType, ResolveError } from '../../../src/resolver/resolver.ts'
import { MailDomains } from '../../../src/traps/mail-domain.ts'
import { address } from '../../support/door.ts'

type Records = Readonly<Record<string, Resolved | string>>

const host = address('192.0.2.25')
const named: Records = {
  'PTR 25.2.0.192.in-addr.arpa': ['mail.eu.offender.co.uk'],
  'A mail.eu.offender.co.uk': ['192.0.2.25'],
}

/** Answers from these records, a text being an error's code; any other name does not exist. */
function domains(records: Records, deadlineMs = 1000) {
  const asked: string[] = []
  const resolve = async (name: string, type: ResolvedType): Promise<Resolved> => {
    asked.push(`${type} ${name}`)
    const found = records[`${type} ${name}`] ?? 'ENOTFOUND'
    if (typeof found === 'string') throw new ResolveError(found, name, type)
    return found
  }
  return { asked, mailDomains: new MailDomains({ resolver: { resolve }, deadlineMs }) }
}

async function foundIn(records: Records) {
  const found = await domains({ ...named, ...records }).mailDomains.ask(host)
  return found && [found.domain, found.spf, found.dkim, found.dmarc]
}

test('the organisational domain of the verified name is asked for SPF, DKIM and DMARC', async () => {
  const domain = 'offender.co.uk'
  assert.deepEqual(await foundIn({}), [domain, 'no', 'no', 'no'])
  assert.deepEqual(
    await foundIn({
      [`TXT ${domain}`]: [['hello'], ['v=spf1 mx ', '-all']],
      // There are names below it, so it exists, without a record (RFC 8020).
      [`TXT _domainkey.${domain}`]: 'ENODATA',
      [`TXT _dmarc.${domain}`]: [['v=DMARC1; p=none']],
    }),
    [domain, 'yes', 'yes', 'yes'],
  )
  assert.deepEqual(
    await foundIn({
      [`TXT ${domain}`]: [['v=spf1 -all'], ['v=spf1 mx -all']],
      [`TXT _domainkey.${domain}`]: 'ETIMEOUT',
      [`TXT _dmarc.${domain}`]: [['v=DMARC12; p=none']],
    }),
    [domain, 'several', 'unknown', 'no'],
  )
})

test('a name that is not verified tells nothing', async () => {
  assert.equal(await foundIn({ 'A mail.eu.offender.co.uk': ['192.0.2.26'] }), undefined)
  const { asked, mailDomains } = domains({})
  assert.equal(await mailDomains.ask(host), undefined)
  assert.deepEqual(asked, ['PTR 25.2.0.192.in-addr.arpa'])
})

test('questions about one host are asked once at a time, and about few hosts at a time', async () => {
  const { promise: held, resolve: release } = Promise.withResolvers<Resolved>()
  const asked: string[] = []
  const resolver = {
    resolve: async (name: string): Promise<Resolved> => {
      asked.push(name)
      return await held
    },
  }
  const mailDomains = new MailDomains({ resolver, deadlineMs: 60_000 })
  const same = [mailDomains.ask(host), mailDomains.ask(host)]
  const others = Array.from({ length: 30 }, (_, last) =>
    mailDomains.ask(address(`192.0.2.${100 + last}`)),
  )
  assert.equal(await others.at(-1), undefined)
  assert.equal(asked.length, 20)
  release([])
  assert.deepEqual(await Promise.all(same), [undefined, undefined])
})

test('a host whose answers have no TTL is asked about once a minute, however often its page is opened', async () => {
  const asked: string[] = []
  let nowMs = 0
  const resolver = {
    resolve: async (name: string): Promise<Resolved> => {
      asked.push(name)
      return name.endsWith('.arpa') ? ['a.stranger.example', 'b.stranger.example'] : ['192.0.2.26']
    },
  }
  const mailDomains = new MailDomains({ resolver, now: () => nowMs })
  for (let opened = 0; opened < 10; opened++) await mailDomains.ask(host)
  assert.equal(asked.length, 3)
  nowMs = 60_000
  await mailDomains.ask(host)
  assert.equal(asked.length, 6)
})

test('a page waits no longer than the deadline', async () => {
  const resolver = { resolve: () => new Promise<Resolved>(() => undefined) }
  assert.equal(await new MailDomains({ resolver, deadlineMs: 5 }).ask(host), undefined)
})
