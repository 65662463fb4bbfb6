// Everything that a server says to those who are not its operator: the HTTP interface in each scope below admin, asked
// well and badly, DNS over both transports, and SMTP replies.
import type { TestContext } from 'node:test'
import { SmtpClient } from '../unit/traps/smtp-client.ts'
import { buildQuery, padding, reversed, types } from './dns-query.ts'
import { exchangeTcp, exchangeUdp } from './dns-subject.ts'

export interface Output {
  readonly from: string
  readonly said: string | Uint8Array
}

interface Operation {
  readonly parameters?: readonly { readonly name: string; readonly in: string }[]
  readonly requestBody?: {
    readonly content: Readonly<
      Record<
        string,
        { readonly schema: { readonly properties?: Readonly<Record<string, unknown>> } }
      >
    >
  }
}

type Document = Readonly<Record<string, Readonly<Record<string, Operation>>>>

export interface Http {
  /** host:port */
  readonly server: string
  /** By scope; without a key it is asked anyway. */
  readonly keys: Readonly<Record<string, string>>
  readonly trap: string
  /** Values for the parameters of paths. */
  readonly values: Readonly<Record<string, readonly string[]>>
}

async function said(url: string, init: RequestInit): Promise<{ status: number; text: string }> {
  const response = await fetch(url, { ...init, redirect: 'manual' })
  const head = [...response.headers].map(([field, value]) => `${field}: ${value}`).join('\n')
  return { status: response.status, text: `${response.status}\n${head}\n${await response.text()}` }
}

async function operations(server: string): Promise<[method: string, path: string, Operation][]> {
  const document = (await (await fetch(`http://${server}/openapi.json`)).json()) as {
    paths: Document
  }
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): [string, string, Operation] => [
      method.toUpperCase(),
      path,
      operation,
    ]),
  )
}

function callers({ keys }: Http): [scope: string, headers: Record<string, string>][] {
  const withKey = Object.entries(keys).map(([scope, key]): [string, Record<string, string>] => [
    scope,
    { authorization: `Bearer ${key}` },
  ])
  return [['none', {}], ...withKey]
}

/** Every GET path, with every value of its parameters, for each caller; and pages that stand in no document. */
export async function readings(http: Http): Promise<Output[]> {
  const outputs: Output[] = []
  const gets = (await operations(http.server)).filter(([method]) => method === 'GET')
  const paths = gets.flatMap(([, path]) => filled(path, http.values))
  paths.push('/', '/policy', '/dashboard', '/docs', '/docs/json', '/metrics', '/v1/changes')
  paths.push('/v1/notices', '/v1/evidence', '/v1/purges', '/v1/listings?limit=1')
  for (const format of ['text', 'csv', 'ndjson', 'rbldnsd']) {
    paths.push(`/v1/export?format=${format}`)
  }
  for (const [scope, headers] of callers(http)) {
    for (const path of paths) {
      const { text } = await said(`http://${http.server}${path}`, { headers })
      outputs.push({ from: `GET ${path} with ${scope}`, said: text })
    }
  }
  return outputs
}

function filled(path: string, values: Http['values']): string[] {
  const name = /\{(\w+)\}/.exec(path)?.[1]
  if (name === undefined) return [path]
  return (values[name] ?? ['1']).flatMap((value) =>
    filled(path.replace(`{${name}}`, encodeURIComponent(value)), values),
  )
}

/** Every operation with the trap in its path, its query, its body and its headers, for each caller. */
export async function refusals(http: Http): Promise<Output[]> {
  const outputs: Output[] = []
  for (const [method, path, operation] of await operations(http.server)) {
    for (const [scope, headers] of callers(http)) {
      for (const [what, url, init] of mentions(http, method, path, operation)) {
        const { status, text } = await said(`http://${http.server}${url}`, {
          ...init,
          method,
          headers: { ...headers, ...init.headers } as Record<string, string>,
        })
        // The verdict on a message is for who sent the message, and repeats it.
        if (path === '/v1/classify' && status === 200) continue
        outputs.push({ from: `${method} ${path} with ${scope}, the trap in ${what}`, said: text })
      }
    }
  }
  return outputs
}

type Mention = [what: string, url: string, init: RequestInit]

function mentions(http: Http, method: string, path: string, operation: Operation): Mention[] {
  const { trap, values } = http
  const coded = encodeURIComponent(trap)
  const inPath = path.replaceAll(/\{\w+\}/g, coded)
  const url = filled(path, values)[0] ?? path
  const parameters = (operation.parameters ?? []).filter((each) => each.in === 'query')
  const required = parameters.some(({ name }) => name === 'list') ? '&list=own' : ''
  const found: Mention[] = [
    ['a key of the query', `${url}?${coded}=1`, {}],
    ['the method’s path', `${url}/${coded}`, {}],
    ['an If-Match', url, { headers: { 'if-match': `"${trap}"` } }],
    ['an Idempotency-Key', url, { headers: { 'idempotency-key': `${trap} ` } }],
    ['an Authorization', url, { headers: { authorization: `Bearer ${trap}` } }],
    ['an Accept and an id', url, { headers: { accept: trap, 'x-request-id': trap } }],
    ...parameters.map(
      ({ name }): Mention => [`query ${name}`, `${url}?${name}=${coded}${required}`, {}],
    ),
  ]
  if (inPath !== path) found.push(['the path', inPath, {}])
  if (inPath !== path)
    found.push(['the path, after more', path.replaceAll(/\{\w+\}/g, `192.0.2.1 ${coded}`), {}])
  if (method === 'GET' || method === 'DELETE') return found
  const json = { 'content-type': 'application/json' }
  const body = (what: string, text: string, type: Record<string, string> = json): void => {
    found.push([what, `${url}${required.replace('&', '?')}`, { body: text, headers: type }])
  }
  const properties = Object.values(operation.requestBody?.content ?? {}).flatMap(({ schema }) =>
    Object.keys(schema.properties ?? {}),
  )
  for (const name of properties) {
    body(`body ${name}`, JSON.stringify({ [name]: trap }))
    body(`body ${name}, a list`, JSON.stringify({ [name]: [trap, { [trap]: trap }] }))
    // What the operator writes for others to read is his own to write.
    if (name === 'note' || name === 'reason') continue
    body(`body ${name}, beside a prefix`, JSON.stringify({ prefix: '10.0.0.1', [name]: trap }))
  }
  body('a key of the body', JSON.stringify({ [trap]: trap, prefix: trap }))
  body('a body that is a text', JSON.stringify(trap))
  body('a body that is no JSON', `{"${trap}`)
  body('a body of no type', trap, {})
  body('a Content-Type', '{}', { 'content-type': `text/x; for="${trap}"` })
  body('a message', `To: ${trap}\r\n\r\n${trap}\r\n`, { 'content-type': 'message/rfc822' })
  for (const format of ['text', 'csv', 'ndjson', 'rbldnsd']) {
    if (!path.endsWith('/import')) continue
    for (const line of [
      trap,
      `192.0.2.1 ${trap}`,
      `{"prefix": "${trap}"}`,
      `10.0.0.1,"${trap}",x,${trap}`,
    ]) {
      for (const strict of ['true', 'false']) {
        const query = `?list=own&format=${format}&strict=${strict}`
        const lines = `203.0.113.200\n${line}\n`
        found.push([
          `a line of ${format}`,
          `${url}${query}`,
          { body: lines, headers: { 'content-type': 'text/plain' } },
        ])
        found.push([
          `the only line of ${format}`,
          `${url}${query}`,
          { body: line, headers: { 'content-type': 'text/plain' } },
        ])
      }
    }
  }
  return found
}

/** Answers to many types of query, over UDP and TCP, with and without EDNS. */
export async function dnsAnswers(server: string, zone: string, listed: string): Promise<Output[]> {
  const [, host = '', port = ''] = /^(.*):(\d+)$/.exec(server) ?? []
  const close = async (): Promise<void> => undefined
  const subject = { host, port: Number(port), zone, isOurs: true, close }
  const names = [
    '',
    '_status.',
    `${reversed(listed)}.`,
    '2.0.0.127.',
    '9.9.9.9.',
    'nothing.',
    '127.',
  ].map((name) => `${name}${zone}`)
  const questions = [
    ...names.flatMap((name) => Object.values(types).map((type) => ({ name, type, class: 1 }))),
    ...['version.bind', 'version.server', 'id.server', 'hostname.bind', 'authors.bind'].flatMap(
      (name) => [types.TXT, types.A, types.ANY].map((type) => ({ name, type, class: 3 })),
    ),
    ...[types.SOA, types.ANY].map((type) => ({ name: 'elsewhere.example', type, class: 1 })),
    ...[3, 4, 255].map((each) => ({ name: zone, type: types.ANY, class: each })),
  ]
  const edns = { options: [{ code: 3, data: [] }, { code: 10, data: Array(8).fill(7) }, padding] }
  const outputs: Output[] = []
  for (const question of questions) {
    for (const more of [{}, { edns }]) {
      const query = buildQuery(question.name, question.type, { class: question.class, ...more })
      for (const [transport, exchange] of [
        ['UDP', exchangeUdp],
        ['TCP', exchangeTcp],
      ] as const) {
        // A transfer over UDP, or what is dropped, gets none.
        const said = await exchange(subject, query, 300)
        const from = `${transport} ${question.name} type ${question.type} class ${question.class}`
        outputs.push({ from, said: said ?? '' })
      }
    }
  }
  for (const opcode of [1, 2, 4, 5]) {
    const query = buildQuery(zone, types.SOA, { opcode })
    outputs.push({ from: `opcode ${opcode}`, said: (await exchangeUdp(subject, query, 300)) ?? '' })
  }
  return outputs
}

/** Replies to commands that name the trap, sound and unsound. */
export async function smtpReplies(t: TestContext, server: string, trap: string): Promise<Output[]> {
  const [user = '', domain = ''] = trap.split('@')
  const dialogues = [
    [`EHLO ${domain}`, 'MAIL FROM:<>', `RCPT TO:<${trap}>`, `RCPT TO:<x${trap}>`, 'RSET', 'QUIT'],
    [`HELO ${user}.${domain}`, `MAIL FROM:<${trap}>`, `RCPT TO:<${trap}x>`, 'QUIT'],
    [`EHLO x`, `VRFY ${trap}`, `EXPN ${trap}`, `HELP ${trap}`, `NOOP ${trap}`, `ETRN ${domain}`],
    [`LHLO ${domain}`, `AUTH PLAIN ${trap}`, 'STARTTLS', trap, `SEND FROM:<${trap}>`],
    [
      'EHLO x',
      `XCLIENT ADDR=${trap} NAME=${domain}`,
      `XCLIENT HELO=${trap}`,
      `XFORWARD IDENT=${trap}`,
    ],
    [
      'EHLO x',
      `MAIL FROM:<${trap}`,
      `MAIL FROM:<${trap}> SIZE=${trap}`,
      `MAIL FROM:<> AUTH=${trap}`,
    ],
    [
      'EHLO x',
      'MAIL FROM:<>',
      `RCPT TO:<${trap}> NOTIFY=NEVER ORCPT=rfc822;${trap}`,
      `RCPT TO:${trap}`,
    ],
    [`EHLO x`, 'MAIL FROM:<>', `RCPT TO:<${domain}>`, `RCPT TO:<@${domain}:${trap}>`, 'DATA'],
    [`EHLO ${'x'.repeat(5000)} ${trap}`],
  ]
  const outputs: Output[] = []
  for (const lines of dialogues) {
    const client = new SmtpClient(t, server)
    await client.hear(1)
    for (const line of lines) await Promise.race([client.say(line), pause(500)])
    outputs.push({ from: `SMTP ${lines.join(', ')}`, said: client.said })
    client.socket.destroy()
  }
  return outputs
}

async function pause(milliseconds: number): Promise<void> {
  await new Promise((over) => setTimeout(over, milliseconds).unref())
}
