// Hosts that send mail which reads like backscatter, or is only likely to be some, to a server with the default policy: none of
// them is listed, however often they write to however many traps. A real bounce beside them lists its host.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { submit } from '../../scripts/submit.ts'
import { ask, reversed } from '../support/ask.ts'
import { readSample } from '../support/samples.ts'
import { origin, type Server, Site } from '../support/server.ts'

const trapDomain = 'trap.example.org'

interface Letter {
  /** The reverse-path. */
  readonly from: string
  readonly fields: readonly string[]
  readonly body: readonly string[]
}

/** Each writes its nth letter to a trap, as sign-up pages, forms, desks, forums, campaigns and thieves do. */
const innocents: Readonly<Record<string, (to: string, nth: number) => Letter>> = {
  'a newsletter that asks for a confirmation': (to, nth) => ({
    from: `bounce-${nth}@news.garden.example`,
    fields: [
      'From: Garden News <news@garden.example>',
      'Subject: Please confirm your subscription',
    ],
    body: [
      ...['Hello,', '', 'somebody, we hope you, asked for our newsletter with this address:', to],
      ...['', 'Please confirm by this link:', `https://garden.example/confirm/${nth}?a=${to}`],
      ...['', 'If it was not you, do nothing: you will get no further mail from us.'],
    ],
  }),
  'a shop that confirms an account': (to, nth) => ({
    from: 'www-data@shop.example',
    fields: [
      ...['From: The Shop <no-reply@shop.example>', 'Auto-Submitted: auto-generated'],
      'Subject: Verify your e-mail address',
    ],
    body: [
      ...['Thank you for your registration.', `Your account ${to} is not active yet.`],
      `To verify your address, visit https://shop.example/verify?token=${nth}`,
    ],
  }),
  'a contact form that answers': (_, nth) => ({
    from: 'kontakt@praxis.example',
    fields: [
      ...['From: Praxis am Markt <kontakt@praxis.example>', 'Auto-Submitted: auto-replied'],
      'Subject: Ihre Anfrage ist eingegangen',
    ],
    body: [
      ...['Guten Tag,', '', `vielen Dank für Ihre Nachricht Nr. ${nth}.`],
      'Dies ist eine automatische Antwort. Wir melden uns so bald wie möglich.',
    ],
  }),
  'a desk that opens a ticket': (_, nth) => ({
    from: 'support@desk.example',
    fields: [
      ...['From: Support <support@desk.example>', 'Auto-Submitted: auto-replied'],
      ...['Precedence: bulk', `In-Reply-To: <asked-${nth}@trap.example.org>`],
      `Subject: [#${100000 + nth}] We have received your request`,
    ],
    body: [
      ...['This is an automatic reply. Your request was received and has the number above.'],
      'An agent will answer within two days. Please do not reply to this message.',
    ],
  }),
  'phishing in the form of a delivery report': (to, nth) => ({
    from: `mailer@rented-${nth}.example`,
    fields: [
      ...[
        'From: Mail Delivery System <mailer@rented.example>',
        `Subject: Undelivered mail (${nth})`,
      ],
      'Content-Type: multipart/report; report-type=delivery-status; boundary="b1"',
    ],
    body: [
      ...['--b1', 'Content-Type: text/plain', '', `Messages for ${to} could not be delivered.`],
      `Release them here: https://mailbox.rented.example/?u=${to}&n=${nth}`,
      ...[
        '',
        '--b1',
        'Content-Type: message/delivery-status',
        '',
        'Reporting-MTA: dns; mx.example',
      ],
      ...['', `Final-Recipient: rfc822; ${to}`, 'Action: failed', 'Status: 5.2.2', '', '--b1--'],
    ],
  }),
  'spam under the title of an automatic reply': (_, nth) => ({
    from: 'x1@cheap-pills.example',
    fields: ['From: Anna <x1@cheap-pills.example>', `Subject: Automatic reply: order ${nth}`],
    body: ['I am out of the office, but our prices are not!', 'https://cheap-pills.example/'],
  }),
  'a forum that quotes a bounce': (_, nth) => ({
    from: 'notify@forum.example',
    fields: [
      'From: Postfix Forum <notify@forum.example>',
      `Subject: New reply: Undelivered Mail Returned to Sender (${nth})`,
    ],
    body: [
      ...['helga wrote:', '', '> This is the mail system at host mail.example.', '>'],
      ...["> I'm sorry to have to inform you that your message could not", '> be delivered to one'],
      ...['> or more recipients.', '', `Read on: https://forum.example/t/${nth}`],
    ],
  }),
  'a thief of passwords in the name of a full mailbox': (to, nth) => ({
    from: 'admin@quota.example',
    fields: [
      'From: Mail Administrator <postmaster@quota.example>',
      'Subject: Mailbox quota exceeded',
    ],
    body: [
      ...[`The mailbox ${to} is over quota. ${nth} incoming messages are pending.`],
      'Click here to release them: https://quota.example/login',
    ],
  }),
  'a digest of quarantined mail': (to, nth) => ({
    from: 'quarantine@filter.example',
    fields: ['From: Spam Quarantine <quarantine@filter.example>', 'Subject: Quarantine summary'],
    body: [
      ...[`Messages for ${to} that were held as spam or virus: ${nth}`, ''],
      ...['From: sales@far.example  Subject: offer', 'Release: https://filter.example/release'],
    ],
  }),
  'a colleague who writes that he is away': (_, nth) => ({
    from: 'jo@partner.example',
    fields: ['From: Jo <jo@partner.example>', `Subject: my vacation, week ${nth}`],
    body: ['Hi,', '', 'I am on vacation until the 12th. Ask Kim in the meantime.', '', 'Jo'],
  }),
  'a vacation from an address of its own, which is likely': (_, nth) => ({
    from: 'kim@partner.example',
    fields: [
      ...['From: Kim <kim@partner.example>', `Subject: Re: your order ${nth}`],
      ...['Auto-Submitted: auto-replied', `In-Reply-To: <${nth}@trap.example.org>`],
    ],
    body: ['I am out of the office until the 12th.'],
  }),
  'a list that welcomes': (to, nth) => ({
    from: `list-bounces+${nth}@lists.example`,
    fields: [
      ...['From: list-request@lists.example', 'Subject: Welcome to the "list" mailing list'],
      ...['List-Id: <list.lists.example>', 'Precedence: list', 'X-Mailman-Version: 2.1.39'],
    ],
    body: [`Welcome! Your address ${to} gets what is posted here.`, `Number ${nth}`],
  }),
  'a maker of scanners who warns of a virus': (_, nth) => ({
    from: 'alerts@scanner-maker.example',
    fields: ['From: Virus Alert <alerts@scanner-maker.example>', `Subject: Virus alert ${nth}`],
    body: [
      'A new virus was detected in e-mail attachments. Your computer may be infected.',
      'Update now: https://scanner-maker.example/update',
    ],
  }),
}

function written({ fields, body }: Letter, to: string, nth: number): string {
  return [
    ...['MIME-Version: 1.0', `Date: ${new Date().toUTCString()}`, `To: ${to}`, ...fields],
    ...[`Message-ID: <${nth}.${to.split('@', 1)}@letters.example>`, '', ...body, ''],
  ].join('\r\n')
}

/** The letter's message, from this host, in the nth copy. */
async function send(server: Server, client: string, letter: Letter, to: string, nth: number) {
  const { from } = letter
  const message = written(letter, to, nth)
  await submit({ server: server.smtp, from, to: [to], client, message })
}

/** A server whose policy is the default one, but for the test's own addresses. */
async function start(t: TestContext): Promise<{ site: Site; server: Server }> {
  const site = new Site(t)
  const text = site.configuration().replaceAll(/^threshold.*\n/gm, '')
  writeFileSync(site.configFile, text)
  return { site, server: await site.start() }
}

async function codes(server: Server, client: string): Promise<string[]> {
  return (await ask(server.dns, reversed(client, origin))).a
}

async function bounceTwice(server: Server, client: string): Promise<void> {
  const bounce = readSample('dsn/pf-unknown-user.eml').toString('latin1')
  for (const nth of [1, 2]) {
    const message = bounce
      .replaceAll('pf-unknown-user@trap.example', `user${nth}@${trapDomain}`)
      .replaceAll(/Message-Id: <\S+>/gi, `Message-Id: <${nth}.${client}@pf.example>`)
    await submit({
      ...{ server: server.smtp, from: '', to: [`user${nth}@${trapDomain}`], client, message },
    })
  }
}

test('innocents who write three times to three traps are not listed; a host that bounces is', async (t) => {
  const { site, server } = await start(t)
  const hosts = Object.entries(innocents).map(([what, write], index) => ({
    ...{ what, write, client: `198.51.100.${index + 1}` },
  }))
  for (const { write, client } of hosts) {
    for (let nth = 0; nth < 9; nth++) {
      const to = `trap${nth % 3}@${trapDomain}`
      await send(server, client, write(to, nth), to, nth)
    }
  }
  await bounceTwice(server, '203.0.113.9')
  assert.deepEqual((await codes(server, '203.0.113.9')).sort(), ['127.0.0.2', '127.0.0.3'])
  const seen = new Set<string | null>()
  for (const { what, client } of hosts) {
    assert.deepEqual(await codes(server, client), [], what)
    const shown = JSON.parse((await site.run('show', client, '--json')).stdout)
    assert.deepEqual([shown.listings, shown.evidence.length], [[], 9], what)
    for (const { certainty } of shown.evidence) seen.add(certainty)
  }
  assert.deepEqual([...seen].sort(), ['likely', null])
})

test('five mailing services that send a hundred confirmations to twenty traps are not listed', async (t) => {
  const { site, server } = await start(t)
  const titles = [
    'Please confirm your subscription',
    'Confirm your e-mail address',
    'One more step',
  ]
  const clients = [1, 2, 3, 4, 5].map((service) => `192.0.2.${service}`)
  for (const [service, client] of clients.entries()) {
    for (let nth = 0; nth < 20; nth++) {
      const to = `trap${nth}@${trapDomain}`
      const letter = {
        from: `bounces+${nth}=${to.replace('@', '=')}@service${service}.example`,
        fields: [
          `From: Club ${nth} <club@service${service}.example>`,
          `Subject: ${titles[(service + nth) % titles.length]}`,
          ...(service % 2 === 0 ? ['Auto-Submitted: auto-generated', 'Precedence: bulk'] : []),
        ],
        body: [
          ...['Hello,', '', 'we hold your registration until you confirm it. If you did not ask'],
          ...['for it, ignore this message.', '', `https://service${service}.example/c/${nth}`],
        ],
      }
      await send(server, client, letter, to, nth)
    }
  }
  for (const client of clients) {
    assert.deepEqual(await codes(server, client), [])
    const shown = JSON.parse((await site.run('show', client, '--json')).stdout)
    assert.deepEqual([shown.listings, shown.evidence.length], [[], 20])
  }
})
