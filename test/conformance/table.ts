// What a correct DNSBL name server must do, row by row, and the tests that hold it to that. A score is counted over
// these: scripts/conformance-score.ts asks several servers. A test belongs to the first row that names it.

export interface Row {
  readonly rule: string
  /** A folder beside this file, and which of its tests; all of them when no title is given. */
  readonly tests: readonly { readonly folder: string; readonly title?: RegExp }[]
}

const of = (folder: string, title?: RegExp) =>
  title === undefined ? { folder } : { folder, title }

export const rows: readonly Row[] = [
  {
    rule: 'RFC 5782 §5: test entries, IPv4 and IPv6, one for each code; never 127.0.0.1',
    tests: [of('rfc5782', /^§5/), of('rfc6471', /^§3\.3/)],
  },
  {
    rule: 'RFC 5782 §2: every address of a listed prefix, on both edges, and none beside it',
    tests: [
      of('rfc5782', /listed range|IPv6 range|beside a listed/),
      of('rfc2308', /^an address that is not listed/),
    ],
  },
  {
    rule: 'Exclusions and exemptions hold inside a listed prefix',
    tests: [of('rfc5782', /^an (exclusion|exemption)/)],
  },
  { rule: 'RFC 5782 §2.1: A values in 127/8, never 127.0.0.1', tests: [of('rfc5782', /A values/)] },
  {
    rule: 'RFC 5782 §2: a name that is no address does not exist',
    tests: [of('rfc5782', /a name that is no address/)],
  },
  {
    rule: 'RFC 5782 §2.1: TXT of at most 255 octets, naming the network',
    tests: [of('rfc5782', /TXT/)],
  },
  {
    rule: 'What clients probe with is NXDOMAIN, fast',
    tests: [of('rfc6471', /^what clients probe/)],
  },
  {
    rule: 'RFC 1034, 1035: SOA, NS and own records of the apex and below',
    tests: [of('rfc1035', /^the apex|own records|at an alias|not made up|serial is that|^_status/)],
  },
  {
    rule: 'RFC 2308: NXDOMAIN and NODATA carry the SOA, its TTL the smaller one; AA',
    tests: [of('rfc2308', /^§2|^§3/)],
  },
  {
    rule: 'AAAA, MX and unknown types at a listed name are NODATA',
    tests: [of('rfc2308', /^§5|^NODATA/)],
  },
  {
    rule: 'RFC 4592, 8020, 9156: partial names over listings are NODATA, others NXDOMAIN',
    tests: [of('rfc8020')],
  },
  {
    rule: 'RFC 4343: any mix of cases, the question echoed octet for octet',
    tests: [of('rfc4343')],
  },
  { rule: 'RFC 8482: ANY is answered small', tests: [of('rfc1035', /^RFC 8482/)] },
  {
    rule: 'RFC 4892: version.bind, id.server as configured',
    tests: [of('rfc1035', /^RFC 4892/), of('rfc5001', /^RFC 4892/)],
  },
  {
    rule: 'RFC 1034 §4.3.2: out of zone REFUSED without AA; other classes; class ANY',
    tests: [
      of('rfc1035', /other zones|hidden inside one label|^§3\.2\.4|^§6\.2/),
      of('rfc5358', /^§3: no recursion/),
    ],
  },
  {
    rule: 'RFC 1035 §4.1.1: id, QR, AA, RD; RA clear; Z, AD and CD not echoed',
    tests: [of('rfc1035', /^§4\.1\.1: (the id|QR)|^§4\.1\.1, RFC 4035/)],
  },
  {
    rule: 'Unknown opcodes NOTIMP, the opcode kept; NOTIFY, UPDATE and transfers turned down',
    tests: [of('rfc1035', /unknown opcodes|^RFC 1996|^RFC 5936/)],
  },
  {
    rule: 'RFC 9619 and malformed packets: FORMERR or silence, never a crash',
    tests: [of('malformed'), of('rfc1035', /^records in a query/)],
  },
  {
    rule: 'RFC 6891: OPT in every response to a query with OPT, none otherwise',
    tests: [of('rfc6891', /^§6\.1\.1: (a query|every)|^§7|^dig/)],
  },
  { rule: 'RFC 6891 §6.1.3: BADVERS', tests: [of('rfc6891', /^§6\.1\.3/)] },
  {
    rule: 'RFC 6891: unknown options and flags ignored, not echoed; two OPTs FORMERR',
    tests: [of('rfc6891', /^§6\.1\.2|^§6\.1\.4|two OPT/)],
  },
  {
    rule: 'RFC 6891 §6.2: payload sizes; what does not fit is cut with TC and AA',
    tests: [of('rfc6891', /^§6\.2|^no UDP response|^over TCP/)],
  },
  {
    rule: 'RFC 7873: cookies, and FORMERR for a wrong length',
    tests: [of('rfc7873', /^§/), of('rfc5358', /^RFC 7873/)],
  },
  { rule: 'RFC 9018: interoperable server cookies', tests: [of('rfc7873', /^RFC 9018/)] },
  { rule: 'RFC 5001: NSID', tests: [of('rfc5001')] },
  {
    rule: 'RFC 8914: extended errors 14, 18, 20, 24',
    tests: [of('rfc8914'), of('rfc6891', /^RFC 8914/)],
  },
  {
    rule: 'RFC 7766: queries one after the other, pipelined, cut anywhere; half-closed peers',
    tests: [of('rfc7766', /^§5|^§6\.2\.1|^§8|^a half-closed|^empty messages/)],
  },
  {
    rule: 'RFC 7766 §6.2, 9210: idle time, limits, slow and silent peers harm nobody',
    tests: [of('rfc7766', /^§6\.2\.[23]|^a peer|^the busy/), of('rfc9210')],
  },
  {
    rule: 'RFC 5358: no response over ten times its query without cookie or TCP',
    tests: [of('rfc5358', /^no UDP response/)],
  },
  {
    rule: 'Response rate limiting with slip; access rules',
    tests: [of('rfc5358', /^responses are limited|^without slip|^access/)],
  },
  {
    rule: 'RFC 6471: freshness is told; a retired list says so and lists nobody',
    tests: [of('rfc6471', /^freshness|^§3\.4/)],
  },
]

/** The row that a test belongs to; undefined when the table has forgotten it. */
export function rowOf(folder: string, title: string): Row | undefined {
  return rows.find(({ tests }) =>
    tests.some((each) => each.folder === folder && (each.title?.test(title) ?? true)),
  )
}
