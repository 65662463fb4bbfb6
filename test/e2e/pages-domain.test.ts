// What the look-up tells of a listed host's domain, asked of a real resolver: whether it publishes SPF, DKIM and DMARC.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { submit } from '../../scripts/submit.ts'
import { ask, reversed } from '../support/ask.ts'
import { needs } from '../support/debian.ts'
import { startResolverLab } from '../support/resolver-lab.ts'
import { origin, Site, until } from '../support/server.ts'

const { skip } = needs('unbound', 'unbound')
const lab = { skip: skip || needs('nsd', 'nsd').skip }
const sample = readFileSync('data/samples/postfix-bounce.eml', 'latin1')

const dkimPerhaps = /^perhaps: DNS answers for _domainkey\./
const dkimMissing = /^no: there is nothing below _domainkey\./
const unknown = /^not known: DNS gave no answer/

/** The records of a host's domain, and what the page says of SPF, DKIM and DMARC. Each is at 198.51.100.N, in this order. */
const hosts: Readonly<Record<string, { records: readonly string[]; told: readonly RegExp[] }>> = {
  'all.com': {
    records: [
      'all.com. TXT "v=spf1 " "ip4:198.51.100.1 -all"',
      'key._domainkey.all.com. TXT "v=DKIM1; p=MC4w"',
      '_dmarc.all.com. CNAME policy.all.com.',
      'policy.all.com. TXT "v=DMARC1 ; p=none"',
    ],
    told: [/^yes, at all\.com$/, dkimPerhaps, /^yes, at _dmarc\.all\.com$/],
  },
  'none.com': {
    records: ['none.com. TXT "v=spf10 -all"'],
    told: [/^no: none\.com has no record/, dkimMissing, /^no: _dmarc\.none\.com has no record/],
  },
  'several.com': {
    records: [
      ...['several.com. TXT "v=spf1 -all"', 'several.com. TXT "v=spf1 ~all"'],
      ...['_dmarc.several.com. TXT "v=DMARC1; p=none"'],
      '_dmarc.several.com. TXT "v=DMARC1; p=reject"',
    ],
    told: [
      /^more than one, which counts as an error/,
      dkimMissing,
      /^more than one, so none counts/,
    ],
  },
  'wild.com': {
    records: ['*.wild.com. TXT "v=spf1 -all"'],
    told: [/^no: wild\.com has no record/, dkimPerhaps, /^no: _dmarc\.wild\.com has no record/],
  },
  'silent.com': {
    records: [
      'silent.com. TXT "v=spf1 -all"',
      ...['_domainkey', '_dmarc'].map((name) => `${name}.silent.com. NS ns.nowhere.lab.`),
    ],
    told: [/^yes/, unknown, unknown],
  },
}

test('the look-up tells what a listed host’s domain publishes', lab, async (t) => {
  const names = Object.keys(hosts)
  const addressOf = (index: number) => `198.51.100.${index + 1}`
  const resolver = await startResolverLab(t, [
    // Nothing answers there.
    'ns.nowhere.lab. A 127.255.255.1',
    ...Object.values(hosts).flatMap(({ records }) => records),
    ...names.flatMap((name, index) => [
      `${index + 1}.100.51.198.in-addr.arpa. PTR mail.${name}.`,
      `mail.${name}. A ${addressOf(index)}`,
    ]),
  ])
  const site = new Site(t)
  const configure = (servers: string[]): void => {
    const more = `[admin]\nlisten = "127.0.0.1:0"\n[admin.rateLimit]\nrequests = 10000\n[resolver]\nservers = ${JSON.stringify(servers)}\n`
    writeFileSync(site.configFile, site.configuration(more))
  }
  configure([resolver.address])
  const server = await site.start()
  for (const [index, [name, { told }]] of Object.entries(hosts).entries()) {
    const client = addressOf(index)
    const message = sample.replaceAll('@trap.example.org', `${index}@trap.example.org`)
    const to = [`orders${index}@trap.example.org`]
    assert.match(await submit({ server: server.smtp, from: '', to, client, message }), /^250 /)
    await until(
      () => ask(server.dns, reversed(client, origin)),
      ({ a }) => a.length > 0,
      60_000,
    )
    const hasName = (text: string) => text.includes(`the host has the name mail.${name}.`)
    const isAnswered = (text: string): boolean =>
      hasName(text) &&
      textsOf(text).every((each, at) => unknown.test(each) === (told[at] === unknown))
    // What DNS did not answer in time, on a busy machine, is asked anew after a minute.
    const page = await until(
      async () => await (await fetch(`http://${server.admin}/lookup/${client}`)).text(),
      isAnswered,
      200_000,
    )
    assert.ok(hasName(page), page)
    const texts = textsOf(page)
    assert.equal(texts.length, told.length, page)
    for (const [at, text] of texts.entries()) assert.match(text, told[at] ?? /^$/, name)
  }

  const pageOfFirst = async () =>
    (await fetch(`http://${server.admin}/lookup/${addressOf(0)}`)).text()
  configure([])
  assert.equal((await site.run('reload')).code, 0)
  assert.ok(!(await pageOfFirst()).includes('<dt>SPF</dt>'))
  configure([resolver.address])
  assert.equal((await site.run('reload')).code, 0)
  const again = await until(pageOfFirst, (text) => text.includes('<dt>SPF</dt>'), 200_000)
  assert.ok(again.includes('<dt>SPF</dt>'), again)
})

/** What the page says of SPF, DKIM and DMARC. */
function textsOf(page: string): string[] {
  const found = page.matchAll(/<dt>(?:SPF|DKIM|DMARC)<\/dt>\n<dd>(.*)<\/dd>/g)
  return [...found].map(([, text = '']) => text)
}
