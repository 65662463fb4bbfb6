// Declares every configuration key with its default, unit and meaning. The type and the validation of the configuration, the
// table in data/guide/configuration.md and data/backscatterd.example.toml are made from this.
import { likelyUses } from '../blocklist/policy.ts'
import { backscatterKinds } from '../classify/kinds.ts'
import { optionalTable, table, tables, type Value } from './schema.ts'
import {
  checkMailboxName,
  checkNsid,
  checkPrimary,
  checkServer,
  checkTrapPattern,
  checkUrl,
  checkZoneText,
  dnsAddress,
  domainName,
  duration,
  flag,
  integer,
  list,
  listenAddress,
  mailboxName,
  optionalZoneName,
  path,
  prefixText,
  secret,
  size,
  text,
  word,
  zoneName,
} from './values.ts'

const hour = 3600
const day = 24 * hour
const year = 365 * day

export const declaration = table('', {
  zone: table('The DNS zone that publishes the list.', {
    origin: zoneName(
      'Name of the zone. Mail servers ask for an address by its reversed form: `4.3.2.1.ORIGIN` for 1.2.3.4. It holds IPv4 and IPv6.',
    ),
    nameservers: list(
      domainName(
        'Names of the zone’s name servers (NS records). The SOA names the first one as primary.',
      ),
    ),
    records: list(
      text(
        'Further records in presentation form, such as addresses of name servers in the zone, or A and AAAA at the apex. Names are relative to the origin.',
        undefined,
        'a record such as "ns1 A 192.0.2.53"',
      ),
      [],
    ),
    hostmaster: mailboxName(
      'Mail address of the zone’s operator, with a dot in place of the @ (SOA RNAME). Choose one without a dot before the @.',
    ),
    ttl: duration('How long a positive answer may be cached.', '5m', 1, 7 * day),
    negativeTtl: duration('How long “not listed” may be cached (SOA MINIMUM).', '5m', 1, day),
    text: text(
      'TXT answer for a listed address. `{ip}` is replaced by the network address of the matching entry (for a single address, the address itself). With `admin.publicUrl` the default is "Backscatter source; see `publicUrl`/lookup/{ip}": the page that explains the listing.',
      'Backscatter source: {ip}',
      'a text of printable ASCII that stays within 255 octets once {ip} is filled in',
      checkZoneText,
    ),
    primary: text(
      'Address of another backscatterd, the primary, whose zone this server copies. This makes it a mirror, which answers DNS and nothing else. Give the mirror the same `[zone]` table as the primary, and write down `text` even if the primary uses the default. Nameservers, records, hostmaster and TTLs then come from the primary.',
      '',
      'an address, with a port if it is not 53: "192.0.2.53" or "[2001:db8::53]:5353"',
      checkPrimary,
    ),
    primaryKey: text(
      'Name of the `dns.key` that signs the messages between the mirror and its primary. Empty: nothing is signed.',
      '',
    ),
    validFor: duration(
      'How long the published zone counts as fresh. It is published again after a quarter of this time.',
      '1d',
      60,
      year,
    ),
    staleServfail: flag(
      'Once a publication is older than `validFor`, answer SERVFAIL (extended error 24) instead of old data.',
      false,
    ),
    retired: flag(
      'Empty the zone, including its test entries, and say so in a TXT record at the apex. Needs a restart.',
      false,
    ),
  }),
  dns: table('The name server.', {
    listen: list(
      dnsAddress('Addresses to answer on, UDP and TCP each. Port 0 chooses a free port.'),
      ['127.0.0.1:5300'],
    ),
    workers: integer('UDP threads; 0 means one for each processor.', 0, 0, 60),
    batch: flag(
      'Receive and send many datagrams with one system call (Linux on x64 and arm64); elsewhere it has no effect. Without it, a wildcard address may answer from another address than the one that was asked, so name each address in `dns.listen`.',
      true,
    ),
    udpPayload: integer('Largest UDP answer in octets (EDNS).', 1232, 512, 4096),
    tcpConnections: integer(
      'Most TCP connections at once, from all clients. One client may have a tenth of them, or 10 if that is more.',
      1000,
      1,
      60_000,
    ),
    tcpIdle: duration('An idle TCP connection is closed after this.', '10s', 1, hour),
    capacity: size(
      'Address space reserved for the shared tree; untouched pages cost nothing. An IPv4 address takes 5 to 12 octets, an IPv6 network 9 to 13; if prefix lengths are mixed, up to 34. An import is refused if fewer than 34 octets are free for each of its new prefixes.',
      '1 GiB',
      16 * 1024 ** 2,
      2 * 1024 ** 3,
    ),
    nsid: text(
      'Name of this server, for clients that ask for it by NSID, `id.server` or `hostname.bind`. Empty: no name.',
      '',
      'a text of at most 128 octets',
      checkNsid,
    ),
    version: flag('Answer `version.bind` and `version.server` (class CH).', false),
    cookieSecretFile: path(
      'File with the secrets of DNS cookies, shared by the servers of one anycast address: 32 hexadecimal digits a line, the newest first. Empty: random secrets, replaced daily.',
      '',
    ),
    queryLog: integer(
      'Log every Nth query: client network (/24 or /56), name, type and outcome. 0 logs none.',
      0,
      0,
      1_000_000_000,
    ),
    rateLimit: table(
      'Response rate limiting for each client network (/24 or /56) and class of response: data, negative, error. TCP and clients with a valid cookie are exempt.',
      {
        responsesPerSecond: integer('UDP responses a second; 0 is no limit.', 0, 0, 1_000_000),
        slip: integer(
          'Send every Nth limited response, truncated (or BADCOOKIE), so that clients can come back over TCP or with a cookie; 0 sends none.',
          2,
          0,
          100,
        ),
      },
    ),
    access: tables(
      'Which clients are answered. The longest prefix decides; a client under no prefix is answered.',
      {
        client: prefixText('Address or prefix of the clients.'),
        action: word(
          '`refuse` answers REFUSED (extended error 18), `drop` does not answer.',
          undefined,
          ['allow', 'refuse', 'drop'],
        ),
      },
    ),
    catalog: optionalZoneName(
      'Name of a catalog zone (RFC 9432), which tells secondaries what the list’s zone is called. Those under `dns.transfer` may copy it too. Empty: there is none.',
    ),
    key: tables('Keys that sign zone transfers and what belongs to them (TSIG, RFC 8945).', {
      name: domainName('Name of the key. Both servers must call it the same.'),
      algorithm: word('The algorithm.', 'hmac-sha256', [
        'hmac-sha256',
        'hmac-sha384',
        'hmac-sha512',
      ]),
      secretFile: path(
        'File with the secret in Base64, such as `openssl rand -base64 32` makes.',
        undefined,
      ),
    }),
    transfer: tables(
      'Name servers that copy the zone (secondaries). They may transfer it, and are told of each change.',
      {
        address: text(
          'Where the secondary is told of changes (NOTIFY, RFC 1996).',
          undefined,
          'an address, with a port if it is not 53: "192.0.2.54" or "[2001:db8::54]:5353"',
          checkServer,
        ),
        allow: prefixText('Address or prefix from which the secondary may ask for the zone.'),
        key: text(
          'Name of the `dns.key` that the secondary signs with. Empty: its address is enough.',
          '',
        ),
      },
    ),
  }),
  admin: optionalTable(
    'The HTTP interface. Without this table it is served on the control socket only.',
    {
      listen: listenAddress(
        'Address to listen on; port 0 chooses a free port. It speaks plain HTTP: put a proxy for TLS in front.',
        '127.0.0.1:8053',
      ),
      publicUrl: text(
        'The URL at which everybody reaches the HTTP interface and the pages for people.',
        '',
        'a URL such as "https://bl.example.org"',
        checkUrl,
      ),
      removal: flag(
        'Let listed hosts take themselves off the list: `POST /v1/removals` without a key.',
        true,
      ),
      trustedProxies: list(
        prefixText('Addresses or prefixes of proxies whose X-Forwarded-For is trusted.'),
        [],
      ),
      rateLimit: table('Limits on requests without a key.', {
        requests: integer(
          'Requests a minute from one address (for IPv6, from one /64). Loopback has no limit.',
          120,
          1,
          1_000_000,
        ),
      }),
    },
  ),
  control: table('The control socket, through which the command line reaches a running server.', {
    socket: path(
      'Unix socket, mode 0600. Empty: `backscatterd.sock` beside the database. Each server on a machine needs one of its own.',
      '',
    ),
  }),
  store: table('The database.', {
    path: path('The SQLite file, best in a folder of its own.', 'backscatterd.db'),
    minFree: size(
      'No mail is accepted while the database’s disk has less free space than this (or than 5 % of the disk, if that is less): SMTP answers 452, mailboxes wait, and everything else goes on. "0 B" turns the check off.',
      '1 GiB',
      0,
      1024 ** 4,
    ),
  }),
  resolver: table(
    'Our own DNS look-ups: SPF, DKIM and DMARC of returned messages, and the hosts that are listed by trap.',
    {
      servers: list(
        text(
          'Recursive name servers to ask, in this order. With none, SPF, DKIM and DMARC stay “unknown”, and `policy.whitelists` and `policy.pools` have no effect.',
          undefined,
          'an address, with a port if it is not 53: "192.0.2.53" or "[2001:db8::53]:5353"',
          checkServer,
        ),
        [],
      ),
    },
  ),
  log: table('Logging, to standard error.', {
    level: word('Lowest level that is logged.', 'info', ['error', 'warn', 'info', 'debug']),
  }),
  policy: table('Who is listed, and for how long.', {
    firstListing: duration(
      'Term of a host’s first listing. Each further message within the term extends it.',
      '7d',
      1,
      year,
    ),
    longestListing: duration(
      'Longest term of a listing. Each new episode doubles the term, up to this. An episode begins after a day without messages, or after the end of a listing.',
      '28d',
      1,
      5 * year,
    ),
    ipv6Prefix: integer('Length of the network that is listed for an IPv6 client.', 64, 32, 128),
    holdFor: duration(
      'Delay before a new listing is published, so that its time does not reveal which message hit a trap. A listing waits at least this long, and then until the next whole multiple of this time (UTC), when all waiting listings are published together. Listings also end at such multiples. If an address is listed already, a further kind shows at once.',
      '0s',
      0,
      7 * day,
    ),
    publish: list(
      word(
        'Kinds that are answered in DNS; others are only counted (shadow).',
        undefined,
        backscatterKinds,
      ),
      ['dsn', 'auto-reply', 'challenge-response', 'content-notice'],
    ),
    whitelists: list(
      domainName(
        'DNS whitelists (RFC 5782), such as "list.dnswl.org". Their members are only counted (shadow). Needs `resolver.servers`.',
      ),
      [],
    ),
    pools: flag(
      'Only count (shadow) the shared outbound servers of large providers in `data/shared-pools.json`: a listing would hit all their customers. Needs `resolver.servers`.',
      true,
    ),
    likely: word(
      'How messages count that are only likely to be backscatter, since only their words say so. `count`: they add to the counts of certain messages, and never list or extend by themselves. `list`: they count as certain.',
      'count',
      likelyUses,
    ),
    shortest4: integer(
      'Shortest IPv4 prefix that may be listed by hand or import: 16 allows a /16, and refuses a /15.',
      16,
      0,
      32,
    ),
    shortest6: integer('Shortest IPv6 prefix that may be listed by hand or import.', 32, 0, 128),
    allowSpecial: list(prefixText('Special-purpose ranges that may be listed nevertheless.'), []),
    threshold: table('What it takes to list a host for each kind.', {
      dsn: threshold(2, 1),
      'auto-reply': threshold(3, 2),
      'challenge-response': threshold(3, 2),
      'content-notice': threshold(3, 2),
      callout: threshold(5, 2),
    }),
    exempt: tables('Prefixes that are never listed, and nothing in them either.', {
      prefix: prefixText('A prefix that is never listed, such as that of your own relays.'),
      note: text('Why it is exempt, for people.', ''),
    }),
  }),
  removal: table(
    'When a listed host may take itself off the list. Otherwise its request waits for the operator.',
    {
      quiet: duration(
        'What the public sees of its messages must be at least this old.',
        '24h',
        0,
        year,
      ),
      times: integer(
        'It must have been removed less often than this within `period`. 0: the operator decides on every removal.',
        3,
        0,
        1000,
      ),
      period: duration('The time in which removals are counted for `times`.', '30d', day, year),
    },
  ),
  evidence: table('Evidence: the records of messages that traps received.', {
    keep: duration(
      'Evidence is deleted when it is older than this; the check runs daily. Must be longer than `policy.longestListing`.',
      '90d',
      day,
      10 * year,
    ),
    perDay: integer(
      'How many messages a day are stored of one network, kind and certainty. Above that, a message is stored only if its trap address or its returned message is a new one, up to this number of each. All others are only counted: they extend a listing, and reach no threshold.',
      200,
      1,
      1_000_000,
    ),
    minTraps: integer(
      'Evidence of a listing becomes public only when it comes from this many traps. The same holds for each renewal of it.',
      2,
      1,
      1000,
    ),
  }),
  trace: table('How to trace messages: trusted Received fields, and marks of your own mail.', {
    trustedRelays: list(
      text(
        'Your own relays, whose Received fields are trusted. Names are compared with the `by` clause, addresses and prefixes with the `from` address. Empty: the topmost Received field that contains an address counts as that of your own MX.',
        undefined,
        'a host name, address or prefix',
      ),
      [],
    ),
    batvKeyFile: path(
      'File with the secret of your own BATV tags (`prvs=`). A bounce to an address with such a tag is genuine and lists nobody.',
      '',
    ),
    messageIdFile: path(
      'File with the Message-IDs of your own mail servers, one a line, as in their logs. A bounce that returns such a message is genuine and lists nobody. The file is read again when it changes.',
      '',
    ),
  }),
  trap: tables('Spam-trap addresses: addresses that never send mail.', {
    address: secret(
      text(
        '`user@example.org`, `@example.org` (the whole domain) or `*@*.example.org` (its subdomains, not itself).',
        undefined,
        'an address pattern such as "@trap.example.org"',
        checkTrapPattern,
      ),
    ),
  }),
  trapSmtp: optionalTable('Live SMTP listener for the traps. Without this table there is none.', {
    listen: list(listenAddress('Addresses to listen on. Port 0 chooses a free port.'), [
      '127.0.0.1:2525',
    ]),
    hostname: domainName(
      'The listener’s own name, for its greeting. Take the name to which the MX records of the trap domains point.',
    ),
    lmtp: flag(
      'Speak LMTP instead of SMTP, so that your own mail server can deliver the traps’ mail here (name it in `proxies`).',
      false,
    ),
    certificateFile: path(
      'File with the certificate and its chain (PEM). With this and `keyFile` the listener offers STARTTLS.',
      '',
    ),
    keyFile: path(
      'File with the private key of the certificate (PEM). Both files are read again on SIGHUP.',
      '',
    ),
    proxies: list(
      prefixText(
        'Addresses or prefixes that may give the client’s address by XCLIENT or XFORWARD. They never count as the client themselves.',
      ),
      [],
    ),
    proxyProtocol: list(
      prefixText(
        'Addresses or prefixes whose connections must begin with a PROXY header (version 1 or 2).',
      ),
      [],
    ),
    greetingDelay: duration(
      'Wait this long before the greeting. If a client sends something earlier, the evidence notes it.',
      '0s',
      0,
      30,
    ),
    // One client gets at most a quarter of the memory for mail (memory-budget.ts), and less beside others.
    maxSize: size('Largest message accepted.', '10 MiB', 64 * 1024, 32 * 1024 ** 2),
    connections: integer(
      'Most connections at once, from all clients. While so many are open, idle ones end after 10 s and not after a minute.',
      200,
      1,
      10_000,
    ),
    clientConnections: integer(
      'Most connections at once from one client (for IPv6, from one /64). Keep it below `connections`, or one client can use them all.',
      50,
      1,
      10_000,
    ),
    perMinute: table(
      'Limits for one client in a minute. A client over a limit gets 421 until the minute is over. Proxies and loopback are not counted.',
      {
        connections: perMinute('Connections of one client in a minute; 0 is no limit.', 0),
        messages: perMinute('Messages of one client in a minute; 0 is no limit.', 0),
        recipients: perMinute('Recipients that one client names in a minute; 0 is no limit.', 0),
        errors: perMinute(
          'Errors of one client in a minute, mostly refused recipients; 0 is no limit. After half of them, each further error is answered more slowly.',
          20,
        ),
      },
    ),
  }),
  mailbox: tables('A mailbox that receives mail for traps.', {
    name: secret(
      text(
        'Its name in logs, in the status and in evidence. It must not reveal the trap.',
        undefined,
        'a name',
        checkMailboxName,
      ),
    ),
    type: word('The kind of mailbox.', undefined, ['imap', 'pop3', 'maildir', 'mbox']),
    path: secret(
      path('Maildir: the folder with new/, cur/ and tmp/. mbox: the file, plain or gzipped.', ''),
    ),
    url: secret(
      text(
        'IMAP: `imaps://USER@HOST/FOLDER` (TLS) or `imap://…` (STARTTLS); POP3: `pop3s://USER@HOST` or `pop3://…` (STLS). Unencrypted only to loopback.',
        '',
      ),
    ),
    passwordFile: secret(path('IMAP, POP3: a file with the password.', '')),
    caFile: secret(
      path(
        'IMAP, POP3: file with the authority (PEM) that signed the server’s certificate. Empty: the authorities that Node trusts.',
        '',
      ),
    ),
    moveTo: secret(
      text(
        'IMAP: the folder that handled messages are moved to. Empty: they stay, flagged \\Seen. (POP3 deletes them, a Maildir moves them to cur/, an mbox is never changed.)',
        '',
      ),
    ),
    schedule: text(
      'When it is read: five fields as in crontab(5), or six with seconds first.',
      '* * * * *',
      'a cron expression',
    ),
    allTraps: flag(
      'True: every message in it was sent to a trap. False: a message counts only if its Delivered-To, X-Original-To, Envelope-To or a trusted Received names a trap.',
      false,
    ),
    maxSize: size('Largest message read.', '10 MiB', 64 * 1024, 256 * 1024 ** 2),
  }),
})

export type Settings = Value<typeof declaration>

/** Keys of later versions. This version refuses them: whoever sets one expects it to decide who is answered or let in. */
export const reserved: readonly string[] = ['zone.domainOrigin']

/** The table `threshold.KIND`: how much evidence lists a host. */
function threshold(messages: number, traps: number) {
  return table('', {
    messages: integer('How many different returned messages are needed.', messages, 1, 1000),
    traps: integer('How many different traps they must reach.', traps, 1, 1000),
    window: duration('The time within which they must come.', '7d', 1, year),
  })
}

function perMinute(about: string, initial: number) {
  return integer(about, initial, 0, 1_000_000)
}
