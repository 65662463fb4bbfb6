// A zone file (RFC 1035 §5), which BIND, Knot, NSD and PowerDNS load: what is listed, as A and TXT records.
import { codeNumbers } from '../blocklist/zone-entry.ts'
import { answerPages, type NamedAnswer } from '../blocklist/zone-records.ts'
import { formatAddress } from '../ip/address.ts'
import type { Writer } from './entry.ts'

export const bind: Writer = {
  mediaType: 'text/dns; charset=utf-8',
  *write(list, { zone }) {
    yield zone.head(list.serial)
    for (const page of answerPages(list)) {
      yield page.map((answer) => recordsOf(answer, zone.text)).join('')
    }
  },
}

function recordsOf({ owner, kinds, network }: NamedAnswer, text: string): string {
  const filled = text.replaceAll('{domain}', '').replaceAll('{ip}', formatAddress(network))
  const addresses = codeNumbers(kinds).map((code) => `${owner} A 127.0.0.${code}\n`)
  return `${addresses.join('')}${owner} TXT "${filled.replaceAll(/["\\]/g, '\\$&')}"\n`
}
