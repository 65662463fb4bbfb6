// IMAP and POP3 servers that want a client's memory, its time, or the wrong message: each kind by name, with what the
// mailbox's failure is called. null: the reading goes well, and what is wrong is left out.
import type { MailboxErrorCode } from '../../src/traps/mailbox.ts'
import type { OddServer } from './odd-mail-servers.ts'

export interface HostileServer {
  readonly server: OddServer
  readonly fault: MailboxErrorCode | null
}

const tenMillion = 10_000_000
const message = 'Subject: a\r\n\r\nb\r\n'
const mebibyte = 1024 ** 2

/** `* 1 FETCH` rows of so many octets each, as the answer to the FETCH that asks for contents. */
function rows(octets: number, times?: number) {
  const row = `* 1 FETCH (UID 1 BODY[]<0> {${octets}}\r\n${'x'.repeat(octets)})\r\n`
  return { more: row, ...(times !== undefined && { times }), end: 'TAG OK done\r\n' }
}

const drip = (text: string) => ({ drip: text, pauseMs: 100 })

export const hostileImap: Readonly<Record<string, HostileServer>> = {
  'an endless greeting': {
    server: { odd: { greeting: { more: 'x'.repeat(1000) } } },
    fault: 'protocol-broken',
  },
  'a greeting of endless lines': {
    server: { odd: { greeting: { begin: '* OK hello\r\n', more: '* OK hello\r\n' } } },
    fault: 'protocol-broken',
  },
  'endless untagged lines': {
    server: { odd: { SELECT: { more: '* OK still here\r\n' } } },
    fault: 'protocol-broken',
  },
  'endless continuations': {
    server: { odd: { SELECT: { more: '+ go on\r\n' } } },
    fault: 'protocol-broken',
  },
  'a literal of 1,000 MiB': {
    server: {
      messages: [message],
      odd: {
        BODY: {
          begin: `* 1 FETCH (UID 1 BODY[]<0> {${1000 * mebibyte}}\r\n`,
          more: 'x'.repeat(1000),
        },
      },
    },
    fault: 'protocol-broken',
  },
  '50 messages of 120 MiB that are said to be small': {
    server: {
      messages: Array(50).fill(message),
      odd: {
        BODY: {
          begin: `* 1 FETCH (UID 1 BODY[]<0> {${120 * mebibyte}}\r\n`,
          more: 'x'.repeat(1000),
        },
      },
    },
    fault: 'protocol-broken',
  },
  'a larger message than was said': {
    server: { messages: [message], odd: { BODY: rows(mebibyte, 1) } },
    fault: 'protocol-broken',
  },
  'endless rows of contents': {
    server: { messages: [message], odd: { BODY: rows(1000) } },
    fault: 'protocol-broken',
  },
  'endless rows of sizes': {
    server: {
      messages: [message],
      odd: { FETCH: { more: '* 1 FETCH (UID 1 RFC822.SIZE 9)\r\n' } },
    },
    fault: 'protocol-broken',
  },
  'endless rows of flags': {
    server: { messages: [message], odd: { FETCH: { more: '* 1 FETCH (FLAGS (\\Seen))\r\n' } } },
    fault: 'protocol-broken',
  },
  'a message that was not asked for': {
    server: {
      messages: [message],
      odd: {
        BODY: `* 7 FETCH (UID 7 BODY[]<0> {${message.length}}\r\n${message})\r\nTAG OK done\r\n`,
      },
    },
    fault: 'protocol-broken',
  },
  'a message twice': {
    server: { messages: [message], odd: { BODY: rows(17, 2) } },
    fault: 'protocol-broken',
  },
  'a search that finds 10 M messages': {
    server: {
      odd: {
        SEARCH: { begin: '* SEARCH', more: ' 1234567', times: tenMillion, end: '\r\nTAG OK\r\n' },
      },
    },
    fault: 'protocol-broken',
  },
  'a search that finds all numbers there are': {
    server: {
      odd: {
        SELECT:
          '* 4294967295 EXISTS\r\n* OK [UIDVALIDITY 1] one\r\n* OK [UIDNEXT 1] next\r\nTAG OK open\r\n',
        SEARCH: '* ESEARCH (TAG "TAG") UID ALL 1:4294967295\r\nTAG OK done\r\n',
      },
    },
    fault: 'protocol-broken',
  },
  'messages that vanished by the million': {
    server: { odd: { SEARCH: { more: '* VANISHED 1:4294967295\r\n' } } },
    fault: 'protocol-broken',
  },
  'a line of a million words': {
    server: { odd: { LIST: { begin: '* LIST (', more: 'a ', times: 400_000, end: ')\r\n' } } },
    fault: 'protocol-broken',
  },
  'news without end while nothing is asked': {
    server: { odd: { IDLE: { begin: '+ idling\r\n', more: '* 5 FETCH (FLAGS (\\Seen))\r\n' } } },
    fault: 'protocol-broken',
  },
  'one octet now and then': {
    server: {
      messages: [message],
      odd: { BODY: drip(`* 1 FETCH (UID 1 BODY[]<0> {17}\r\n${' '.repeat(1_000_000)}`) },
    },
    fault: 'timed-out',
  },
  'nothing at all': { server: { odd: { SELECT: '' } }, fault: 'timed-out' },
}

/** A RETR of any message answers it. */
function pop3(odd: OddServer['odd'], fault: MailboxErrorCode | null): HostileServer {
  return { server: { messages: [message], odd: odd ?? {} }, fault }
}

export const hostilePop3: Readonly<Record<string, HostileServer>> = {
  'an endless greeting': pop3(
    { greeting: { begin: '+OK ', more: 'x'.repeat(1000) } },
    'protocol-broken',
  ),
  'a greeting of endless lines': pop3({ greeting: { more: '+OK hello\r\n' } }, 'protocol-broken'),
  '10 M unique ids': pop3(
    { UIDL: { begin: '+OK\r\n', more: '1234567 abc\r\n', times: tenMillion, end: '.\r\n' } },
    'protocol-broken',
  ),
  '10 M sizes': pop3(
    { LIST: { begin: '+OK\r\n', more: '1234567 1000\r\n', times: tenMillion, end: '.\r\n' } },
    'protocol-broken',
  ),
  'an endless line of a list': pop3(
    { UIDL: { begin: '+OK\r\n1 ', more: 'x'.repeat(1000) } },
    'protocol-broken',
  ),
  'an endless message': pop3(
    { RETR: { begin: '+OK\r\n', more: `${'x'.repeat(98)}\r\n` } },
    'protocol-broken',
  ),
  'an endless message of dots': pop3(
    { RETR: { begin: '+OK\r\n', more: '..\r\n' } },
    'protocol-broken',
  ),
  'words after the end of a message': pop3(
    { RETR: '+OK\r\nSubject: a\r\n\r\nb\r\n.\r\n+OK more\r\n' },
    'protocol-broken',
  ),
  'words that nobody asked for': pop3({ PASS: '+OK\r\n+OK and more\r\n' }, 'protocol-broken'),
  'two unique ids of one message': pop3({ UIDL: '+OK\r\n1 a\r\n1 b\r\n.\r\n' }, 'protocol-broken'),
  'numbers that it does not list': pop3({ UIDL: '+OK\r\n7 a\r\n0 b\r\n-1 c\r\n.\r\n' }, null),
  'one octet now and then': pop3({ RETR: drip(`+OK\r\n${'x'.repeat(1_000_000)}`) }, 'timed-out'),
  'nothing at all': pop3({ RETR: '' }, 'timed-out'),
}
