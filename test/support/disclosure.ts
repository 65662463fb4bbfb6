// Does an output contain a mail address, in any form that mail, DNS and the web write one? The search decodes the
// output instead of comparing with each form, so that mixed forms are found too.
import { createHash } from 'node:crypto'
import { domainToASCII, domainToUnicode } from 'node:url'

/** The octets of a text in UTF-8, one character each. */
type Octets = string

interface Token {
  readonly what: string
  readonly octets: Octets
  /** Not folded, since hashes in base64 depend on case. */
  readonly isExact?: true
}

/**
 * What in an output gives one of these addresses away, and in which form; empty if nothing does. The local part
 * alone, the domain alone and an unsalted hash of either count too, so both must be distinctive.
 */
export function disclosuresIn(output: string | Uint8Array, addresses: readonly string[]): string[] {
  const octets =
    typeof output === 'string' ? octetsOf(output) : Buffer.from(output).toString('latin1')
  const tokens = addresses.flatMap((address) => {
    const known = tokensByAddress.get(address) ?? tokensOf(address)
    tokensByAddress.set(address, known)
    return known
  })
  const found = new Set<string>()
  const look = (text: Octets, how: string): void => {
    const folded = plain(text)
    for (const { what, octets: token, isExact } of tokens) {
      if (isExact ? text.includes(token) : folded.includes(token)) found.add(`${what}${how}`)
    }
  }
  look(octets, '')
  for (const [name, decode] of Object.entries(decoders)) {
    const once = decode(octets)
    if (once === octets) continue
    look(once, ` in ${name}`)
    for (const [inner, decodeAgain] of Object.entries(decoders)) {
      const twice = decodeAgain(once)
      if (twice !== once) look(twice, ` in ${inner} in ${name}`)
    }
  }
  return [...found]
}

function octetsOf(text: string): Octets {
  return Buffer.from(text, 'utf8').toString('latin1')
}

/**
 * Lower case, without backslashes, and with a dot for each octet that is no text, such as the lengths of DNS labels.
 */
function plain(octets: Octets): Octets {
  return foldCase(octets)
    .replaceAll('\\', '')
    .replaceAll(/\p{Cc}/gu, '.')
}

/** Only ASCII is changed, so that UTF-8 octets stay the same. */
function foldCase(octets: Octets): Octets {
  return octets.replaceAll(/[A-Z]+/g, (letters) => letters.toLowerCase())
}

const tokensByAddress = new Map<string, Token[]>()

function tokensOf(address: string): Token[] {
  const at = address.lastIndexOf('@')
  const localPart = address.slice(0, at).toLowerCase()
  const domain = domainToASCII(address.slice(at + 1))
  const unicode = domainToUnicode(domain)
  const texts = {
    'its local part': localPart,
    'its domain': domain,
    'its domain in Unicode': unicode,
  }
  const reversed = [localPart, domain, unicode].map((text) => [
    'reversed',
    octetsOf([...text].reverse().join('')),
  ])
  const labels = domain.split('.').reverse().join('.')
  return [
    ...Object.entries(texts).map(([what, text]) => ({ what, octets: plain(octetsOf(text)) })),
    ...reversed.map(([what = '', octets = '']) => ({ what, octets: plain(octets) })),
    { what: 'its domain’s labels reversed', octets: labels },
    ...hashesOf([
      ...new Set([address, `${localPart}@${domain}`, `${localPart}@${unicode}`]),
      localPart,
      domain,
    ]),
  ]
}

const hashes = ['md5', 'sha1', 'sha256', 'sha512']

function hashesOf(texts: readonly string[]): Token[] {
  const written = texts.flatMap((text) => [
    ...new Set([text, text.toUpperCase(), `<${text}>`, `${text}\n`, `mailto:${text}`]),
  ])
  return hashes.flatMap((name) =>
    written.flatMap((text): Token[] => {
      const digest = createHash(name).update(text).digest()
      const base64 = digest.toString('base64').replace(/=+$/, '')
      return [
        { what: `its ${name}`, octets: digest.toString('hex') },
        { what: `its ${name}`, octets: base64, isExact: true },
        { what: `its ${name}`, octets: digest.toString('base64url'), isExact: true },
      ]
    }),
  )
}

const entities: Readonly<Record<string, string>> = {
  commat: '@',
  period: '.',
  equals: '=',
  plus: '+',
  lowbar: '_',
  hyphen: '-',
  dash: '-',
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  num: '#',
  percnt: '%',
}

/** Decoders from each written form to octets; anything else stays as it is. */
const decoders: Readonly<Record<string, (octets: Octets) => Octets>> = {
  'percent-encoding': (octets) => octets.replaceAll(/%([0-9a-f]{2})/gi, ofHex),
  'quoted-printable': (octets) =>
    octets.replaceAll(/=\r?\n/g, '').replaceAll(/=([0-9a-f]{2})/gi, ofHex),
  // RFC 3461 §4.
  xtext: (octets) => octets.replaceAll(/\+([0-9A-F]{2})/g, ofHex),
  'HTML entities': (octets) =>
    octets
      .replaceAll(/&#x([0-9a-f]{1,6});?/gi, (_, code) => ofCode(Number.parseInt(code, 16)))
      .replaceAll(/&#(\d{1,7});?/g, (_, code) => ofCode(Number(code)))
      .replaceAll(/&([a-z]+);/gi, (all, name) => entities[name.toLowerCase()] ?? all),
  'escapes of JSON': (octets) =>
    octets
      .replaceAll(/\\u([0-9a-f]{4})/gi, (_, code) => ofCode(Number.parseInt(code, 16)))
      .replaceAll(/\\x([0-9a-f]{2})/gi, ofHex),
  // RFC 1035 §5.1.
  'escapes of DNS': (octets) => octets.replaceAll(/\\(\d{3})/g, (_, code) => ofCode(Number(code))),
  hexadecimal: (octets) =>
    [...octets.matchAll(/(?:[0-9a-f]{2}[\s:,-]?){4,}[0-9a-f]?/gi)]
      .map(([run]) => run.replaceAll(/[^0-9a-f]/gi, ''))
      .flatMap((run) => [run, run.slice(1)])
      .map((run) => Buffer.from(run, 'hex').toString('latin1'))
      .join('\n'),
  base64: (octets) =>
    [...octets.replaceAll(/(?<=[\w+/-])\r?\n(?=[\w+/-])/g, '').matchAll(/[\w+/-]{6,}/g)]
      .flatMap(([run]) => [0, 1, 2, 3].map((shift) => run.slice(shift)))
      .map((run) => Buffer.from(run, 'base64').toString('latin1'))
      .join('\n'),
}

function ofHex(_: string, digits: string): Octets {
  return String.fromCharCode(Number.parseInt(digits, 16))
}

function ofCode(code: number): Octets {
  return code <= 0x10ffff ? octetsOf(String.fromCodePoint(code)) : ''
}

/** The usual forms of an address, by name: what the search must find. */
export function formsOf(address: string): Record<string, string | Uint8Array> {
  const at = address.lastIndexOf('@')
  const user = address.slice(0, at)
  const domain = address.slice(at + 1)
  const ascii = domainToASCII(domain)
  const each = (write: (octet: number) => string): string =>
    [...Buffer.from(address)].map(write).join('')
  const hex = (octet: number): string => octet.toString(16).padStart(2, '0')
  const hash = (name: string, text = address.toLowerCase()): Buffer =>
    createHash(name).update(text).digest()
  return {
    plain: address,
    'upper case': address.toUpperCase(),
    'lower case': address.toLowerCase(),
    'punycode domain': `${user}@${ascii}`,
    'Unicode domain': `${user}@${domainToUnicode(ascii)}`,
    'percent-encoded as a URI has it': encodeURIComponent(address),
    'percent-encoded throughout': each((octet) => `%${hex(octet)}`),
    'percent-encoded twice': encodeURIComponent(encodeURIComponent(`"${address}"`)),
    'quoted-printable': address.replace('@', '=40').replaceAll('.', '=2E'),
    'quoted-printable, cut': `${address.slice(0, 4)}=\r\n${address.slice(4)}`,
    'an encoded word, Q': `=?utf-8?Q?${each((octet) => `=${hex(octet).toUpperCase()}`)}?=`,
    'an encoded word, B': `=?utf-8?B?${Buffer.from(`an ${address}`).toString('base64')}?=`,
    ...Object.fromEntries(
      ['', 'x', 'xy'].map((before) => [
        `base64 after ${before.length} octets`,
        Buffer.from(`${before}${address}`).toString('base64'),
      ]),
    ),
    'base64, wrapped': (
      Buffer.from(address)
        .toString('base64')
        .match(/.{1,10}/g) ?? []
    ).join('\r\n'),
    base64url: Buffer.from(address).toString('base64url'),
    hexadecimal: Buffer.from(address).toString('hex').toUpperCase(),
    'hexadecimal at an odd place': `a${Buffer.from(address).toString('hex')}`,
    'hexadecimal with colons': each((octet) => `${hex(octet)}:`),
    'HTML entities, decimal': each((octet) => `&#${octet};`),
    'HTML entities, hexadecimal': each((octet) => `&#x${hex(octet)};`),
    'an HTML entity for the @': `${user}&commat;${domain}`,
    'JSON escapes': each((octet) => `\\u00${hex(octet)}`),
    'hexadecimal escapes': each((octet) => `\\x${hex(octet)}`),
    'a DNS name': `${user.replaceAll('.', '\\.')}.${ascii}`,
    'a DNS name, escaped': `${[...Buffer.from(user)].map((octet) => `\\${String(octet).padStart(3, '0')}`).join('')}.${ascii}`,
    'DNS labels': Buffer.concat(
      `${user}.${ascii}`
        .split('.')
        .flatMap((label) => [Buffer.from([label.length]), Buffer.from(label)]),
    ),
    'a DNS name in reverse': `${ascii.split('.').reverse().join('.')}`,
    VERP: `bounces+${user}=${ascii}@list.example`,
    SRS0: `SRS0=abcd=xy=${ascii}=${user}@forwarder.example`,
    SRS1: `SRS1=abcd=hop.example==xy=zz=${ascii}=${user}@forwarder.example`,
    'BATV, prvs': `prvs=1234abcdef=${user}@${ascii}`,
    'BATV, btv1': `btv1==1234abcdef==${user}@${ascii}`,
    reversed: [...address].reverse().join(''),
    xtext: each((octet) =>
      octet > 0x20 && octet < 0x7f && octet !== 0x2b && octet !== 0x3d && octet !== 0x40
        ? String.fromCharCode(octet)
        : `+${hex(octet).toUpperCase()}`,
    ),
    'xtext throughout': each((octet) => `+${hex(octet).toUpperCase()}`),
    'the local part': user,
    'the local part, tagged': `${user}+tag@other.example`,
    'the domain': `mx.${ascii}`,
    ...Object.fromEntries(
      hashes.flatMap((name) => [
        [`${name}, hexadecimal`, hash(name).toString('hex')],
        [`${name}, base64`, hash(name).toString('base64')],
        [`${name} of the local part`, hash(name, user.toLowerCase()).toString('hex')],
        [`${name} of the domain`, hash(name, ascii).toString('hex').toUpperCase()],
      ]),
    ),
  }
}
