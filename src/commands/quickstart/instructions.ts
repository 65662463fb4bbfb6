// A plan → what the operator does next, elsewhere: records for the parent zone and the trap domain, lines for mail servers.
// What is to be copied begins at the margin: in a zone file and in main.cf a blank there continues the line above.
import { inlineTable, mailServerLines } from '../../admin/mail-server-lines.ts'
import { formatColumns, wrapText } from '../format.ts'
import { addressType, isWithin, mailHost, type Plan } from './plan.ts'

/** The records and the mail servers' lines, each under a line that says where it goes. */
export function formatInstructions(plan: Plan): string {
  const handingOver = plan.isLmtp ? [section(handOverTitle, handOverLines(plan))] : []
  return [
    ...recordSections(plan),
    pagesSection(plan),
    ...handingOver,
    ...filterSections(plan),
  ].join('\n')
}

function recordSections(plan: Plan): string[] {
  const { zone, parent, nameServers, trapDomains, publicAddresses } = plan
  const delegation = [...new Set(nameServers.map(({ name }) => name))].map((name) => [
    `${zone}.`,
    'NS',
    `${name}.`,
  ])
  const addresses = nameServers.map((each) => ({
    ...each,
    row: addressRow(each.name, each.address),
  }))
  const [near, far] = [true, false].map((isNear) =>
    addresses.filter(({ name }) => isWithin(name, parent) === isNear).map(({ row }) => row),
  )
  return [
    section(`Records for the zone ${parent}:`, formatColumns([...delegation, ...(near ?? [])])),
    ...(far?.length
      ? [section('These records must be in the zones of the name servers:', formatColumns(far))]
      : []),
    ...trapDomains.map((domain, index) =>
      section(
        `Records for the trap domain ${domain}:`,
        formatColumns([
          [`${domain}.`, 'MX', `10 ${mailHost(domain)}.`],
          ...publicAddresses.map((address) => addressRow(mailHost(domain), address)),
        ]),
        ...(index < trapDomains.length - 1 ? [] : [mxNote]),
      ),
    ),
  ]
}

const mxNote =
  'The MX has a name of its own because a name of the list would show everybody that the domain is a trap. Its address is that of a name server: if this machine has another public address, use that one.'

function addressRow(name: string, address: string): string[] {
  return [`${name}.`, addressType(address), address]
}

function pagesSection({ zone }: Plan): string {
  return section(
    `For a web server on this machine, which makes the pages for people public at https://${zone}. With Caddy, in /etc/caddy/Caddyfile:`,
    lines(`${zone} {`, '  reverse_proxy 127.0.0.1:8053', '}'),
    'The answers for listed addresses name these pages, so have the web server run before others use the list.',
  )
}

const handOverTitle =
  'For Postfix on this machine, which hands the traps’ mail over. In main.cf (if a parameter is there already, add to its value):'

function handOverLines({ trapDomains }: Plan): string {
  return lines(
    `virtual_mailbox_domains = ${trapDomains.join(', ')}`,
    `virtual_mailbox_maps = ${inlineTable(trapDomains.map((domain) => `@${domain} = trap`))}`,
    `transport_maps = ${inlineTable(trapDomains.map((domain) => `${domain} = lmtp:inet:127.0.0.1:2525`))}`,
    'lmtp_send_xforward_command = yes',
  )
}

function filterSections({ zone, trapDomains, isLmtp }: Plan): string[] {
  const { postfix, exim, spamassassin, rspamd } = mailServerLines(zone, isLmtp ? trapDomains : [])
  return [
    section(
      'For mail servers that use the list. Each concerns only mail with the null sender, since listed hosts also send real mail.',
      '',
    ),
    section(
      'Postfix, in main.cf (if the parameter is there already, add to its value):',
      postfix,
      ...(isLmtp
        ? [
            'Without the first check Postfix would refuse listed hosts’ mail to the traps as well, and no listing would be extended.',
          ]
        : []),
    ),
    section(
      'Exim, at the top of the ACL that acl_smtp_data names (on Debian acl_check_data):',
      exim,
    ),
    section('SpamAssassin, in /etc/spamassassin/local.cf:', spamassassin),
    ...rspamd.map(({ file, text }, index) =>
      section(`${index === 0 ? 'rspamd, in' : 'and in'} /etc/rspamd/${file}:`, text),
    ),
  ]
}

function section(title: string, body: string, ...notes: readonly string[]): string {
  const paragraphs = [title, ...notes].map((text) => `${wrapText(text).join('\n')}\n`)
  return paragraphs.toSpliced(1, 0, ...(body === '' ? [] : [body])).join('\n')
}

function lines(...texts: readonly string[]): string {
  return texts.map((text) => `${text}\n`).join('')
}
