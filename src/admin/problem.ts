// Everything that goes wrong over HTTP → RFC 9457 problem details: a malformed URL, a refused prefix, a bug. A handler
// answers a problem by value.
import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import type { FastifyError, FastifyReply, FastifySchemaValidationError } from 'fastify'

import type { Refusal, RequestRefusal } from '../blocklist/types.ts'
import { OperationalError, operationalErrorCodes } from '../errors.ts'
import { formatPrefix } from '../ip/address.ts'
import type { Problem } from './schemas/basics.ts'

export type { Problem }

const problemType = 'application/problem+json'

/** Faults or refusals that the one-line detail names. */
const maxNamed = 3
/** A body can hold a million faults; nobody reads more than these. */
const maxFaults = 20

/** One fault in a request: where ("body/kinds/0", "querystring/limit") and what was expected there. */
type FieldFault = NonNullable<Problem['errors']>[number]

/**
 * A text of the request as an answer may repeat it: only if it has nothing but the characters of addresses and prefixes.
 * Anything else may be a mail address, and proxies log answers. Traps are treated like any other address here, or the
 * difference would tell which they are.
 */
export function shown(text: string): string {
  return /^[0-9a-f:./-]{1,64}$/i.test(text) ? text : '(not shown)'
}

/** A problem of the given HTTP status. Its title is the status phrase, as RFC 9457 §4.2.1 asks of about:blank. */
export function problem(
  status: number,
  code: string,
  detail: string,
  errors?: FieldFault[],
): Problem {
  const title = STATUS_CODES[status] ?? 'Error'
  return {
    type: 'about:blank',
    title,
    status,
    code,
    detail,
    ...(errors === undefined ? {} : { errors }),
  }
}

export function malformed(detail: string): Problem {
  return problem(400, 'malformed', detail)
}

/** What is wrong with a request in several places: the detail names the first few, `errors` up to `maxFaults`. */
export function malformedAt(faults: readonly FieldFault[]): Problem {
  const detail = faults.slice(0, maxNamed).map(({ at, why }) => `${at}: ${why}`)
  return problem(400, 'malformed', detail.join('; '), faults.slice(0, maxFaults))
}

export function notFound(detail: string): Problem {
  return problem(404, 'not-found', detail)
}

/** Makes the reply one of this problem, and returns its body. */
export function asProblem(reply: FastifyReply, body: Problem): Problem {
  const { id } = reply.request
  reply.code(body.status).type(problemType).header('x-request-id', id).serializer(JSON.stringify)
  return { ...body, requestId: id }
}

/** For hooks, which cannot answer by value. */
export function sendProblem(reply: FastifyReply, body: Problem): FastifyReply {
  return reply.send(asProblem(reply, body))
}

/** Whether a result is a problem instead of what was asked for. */
export function isProblem(value: unknown): value is Problem {
  return typeof value === 'object' && value !== null && 'type' in value && 'title' in value
}

const refusalStatus: Readonly<Record<Refusal['refused'], number>> = {
  'special-purpose': 422,
  exempt: 422,
  'too-short': 422,
  'not-listed': 404,
  covered: 404,
  excluded: 409,
  conflict: 409,
  invalid: 400,
  loss: 409,
  changed: 412,
}

/** What the blocklist refused, as a problem. `subject`: what was asked for. */
export function refusalProblem({ refused, why }: Refusal, subject?: string): Problem {
  const detail = subject === undefined ? why : `${subject} ${why}`
  return problem(refusalStatus[refused], refused, detail)
}

/** All refusals of a request that is done whole or not at all. The first one decides the status. */
export function requestProblem({ refusals }: RequestRefusal): Problem {
  const [first] = refusals
  if (first === undefined) throw new Error('a request is refused without a reason')
  const errors = refusals.map(({ prefix, why }) => ({ at: formatPrefix(prefix), why }))
  const named = errors.slice(0, maxNamed).map(({ at, why }) => `${at} ${why}`)
  if (errors.length > maxNamed) named.push(`and ${errors.length - maxNamed} more`)
  return problem(refusalStatus[first.refused], first.refused, named.join('; '), errors)
}

/** Fastify's own errors in our words, since its messages may repeat the request. */
const frameworkProblems: Readonly<Record<string, readonly [code: string, detail: string]>> = {
  FST_ERR_BAD_URL: ['malformed', 'the path is not a well-formed URL'],
  FST_ERR_MAX_PARAM_LENGTH: ['uri-too-long', 'a part of the path is too long'],
  FST_ERR_CTP_BODY_TOO_LARGE: ['body-too-large', 'the body is larger than this resource takes'],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: [
    'media-type',
    'the body is not of a media type that this resource takes',
  ],
  FST_ERR_CTP_EMPTY_JSON_BODY: ['malformed', 'the body is empty where JSON was announced'],
  FST_ERR_CTP_INVALID_JSON_BODY: ['malformed', 'the body is not well-formed JSON'],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: [
    'malformed',
    'the body is not as long as Content-Length says',
  ],
}

const otherProblem = ['malformed', 'the request is malformed'] as const

/**
 * A thrown error as a problem. Validation faults name each field. An OperationalError is a 503 with its `told`, or else the
 * sentence of its code. Anything else is a 500 that says nothing of its cause.
 */
export function problemOf(error: FastifyError | Error): Problem {
  if (error instanceof OperationalError) {
    return problem(503, error.code, error.told ?? operationalErrorCodes[error.code])
  }
  const status = 'statusCode' in error ? (error.statusCode ?? 500) : 500
  if (!('code' in error) || status >= 500) {
    return problem(500, 'internal', 'an unexpected error; the server log has the details')
  }
  if (error.validation !== undefined) {
    return malformedAt(fieldFaults(error.validationContext ?? 'body', error.validation))
  }
  const [code, detail] = frameworkProblems[error.code] ?? otherProblem
  return problem(status, code, detail)
}

/**
 * One entry for each place, in the order found. The schema checker reports an unknown key twice, once as "schema is
 * false", which is left out; and a union once for each branch, which are joined with "or".
 */
function fieldFaults(part: string, faults: readonly FastifySchemaValidationError[]): FieldFault[] {
  const reasons = new Map<string, string[]>()
  for (const fault of faults) {
    if (fault.keyword === 'boolean' || fault.keyword === 'anyOf') continue
    const at = part + fault.instancePath.split('/').map(keyShown).join('/')
    const known = reasons.get(at)
    if (known !== undefined) known.push(faultText(fault))
    else if (reasons.size < maxFaults) reasons.set(at, [faultText(fault)])
  }
  return [...reasons].map(([at, whys]) => ({ at, why: [...new Set(whys)].join(' or ') }))
}

function faultText(fault: FastifySchemaValidationError): string {
  const { additionalProperties, allowedValues, requiredProperties } = fault.params
  if (Array.isArray(additionalProperties))
    return `unknown key ${quoted(additionalProperties.map((key) => keyShown(String(key))))}`
  if (Array.isArray(requiredProperties)) return `missing key ${quoted(requiredProperties)}`
  if (Array.isArray(allowedValues)) return `must be one of ${quoted(allowedValues)}`
  return fault.message ?? 'not acceptable'
}

/** A key of a body or query. One that is no plain word is not repeated. */
function keyShown(key: string): string {
  return /^\w{0,40}$/.test(key) ? key : '(not shown)'
}

function quoted(values: readonly unknown[]): string {
  return values
    .slice(0, maxFaults)
    .map((value) => JSON.stringify(value))
    .join(', ')
}

/** What Node's HTTP parser refuses before there is a request. Statuses: RFC 9110 §15.5 and RFC 6585 §5. */
const parserProblems: Readonly<Record<string, Problem>> = {
  HPE_HEADER_OVERFLOW: problem(
    431,
    'headers-too-large',
    'the request line and headers are too large',
  ),
  HPE_CHUNK_EXTENSIONS_OVERFLOW: problem(
    413,
    'body-too-large',
    'the chunk extensions are too large',
  ),
  ERR_HTTP_REQUEST_TIMEOUT: problem(408, 'timeout', 'the request did not arrive in time'),
}

/** Handles `clientError` of an http.Server: answers with a problem if the peer can still read one. */
export function answerClientError(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const body = parserProblems[error.code ?? ''] ?? problem(400, 'malformed', 'not an HTTP request')
  const text = JSON.stringify(body)
  socket.end(
    `HTTP/1.1 ${body.status} ${body.title}\r\nContent-Type: ${problemType}\r\n` +
      `Content-Length: ${Buffer.byteLength(text)}\r\nConnection: close\r\n\r\n${text}`,
  )
}
