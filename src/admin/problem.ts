// Converts everything that goes wrong over HTTP (a malformed URL, a refused prefix, a bug) to RFC 9457 problem details.
// A handler returns a problem as its result; it does not throw.
import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import type { FastifyError, FastifyReply, FastifySchemaValidationError } from 'fastify'

import type { Refusal, RequestRefusal } from '../blocklist/types.ts'
import { OperationalError, type OperationalErrorCode, operationalErrorCodes } from '../errors.ts'
import { formatPrefix } from '../ip/address.ts'
import type { Problem } from './schemas/basics.ts'

export type { Problem }

const problemType = 'application/problem+json'

/** `detail` names at most this many faults or refusals. */
const maxNamed = 3
/** An answer lists at most this many faults, since a body may have a million. */
const maxFaults = 20

/** One fault in a request: its place ("body/kinds/0", "querystring/limit") and what was expected there. */
type FieldFault = NonNullable<Problem['errors']>[number]

/**
 * Returns a text of the request in a form that the answer may repeat. Only texts made of the characters of IP addresses and
 * prefixes are repeated. Others may be mail addresses, and proxies may log answers. Traps get no special treatment, since
 * a difference would reveal them.
 */
export function shown(text: string): string {
  return /^[0-9a-f:./-]{1,64}$/i.test(text) ? text : '(not shown)'
}

/** Every code of a problem. Codes never change, since clients may match on them. */
type ProblemCode =
  | Refusal['refused']
  | OperationalErrorCode
  | 'body-too-large'
  | 'content-coding'
  | 'cross-origin'
  | 'forbidden'
  | 'headers-too-large'
  | 'idempotency-key-refused'
  | 'idempotency-key-reused'
  | 'in-progress'
  | 'internal'
  | 'list-refused'
  | 'malformed'
  | 'media-type'
  | 'method-not-allowed'
  | 'not-a-trap'
  | 'not-found'
  | 'not-ready'
  | 'precondition-required'
  | 'timeout'
  | 'told-once'
  | 'too-many-streams'
  | 'too-many-exports'
  | 'too-many-imports'
  | 'too-many-requests'
  | 'too-many-wrong-keys'
  | 'unauthorized'
  | 'uri-too-long'
  | 'wrong-key'

/** Makes a problem with this HTTP status. For type about:blank the title is the status phrase (RFC 9457 §4.2.1). */
export function problem(
  status: number,
  code: ProblemCode,
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

/** A 400 for one or more faults. The detail names up to `maxNamed` of them, `errors` up to `maxFaults`. */
export function malformedAt(faults: readonly FieldFault[]): Problem {
  const detail = faults.slice(0, maxNamed).map(({ at, why }) => `${at}: ${why}`)
  return problem(400, 'malformed', detail.join('; '), faults.slice(0, maxFaults))
}

export function notFound(detail: string): Problem {
  return problem(404, 'not-found', detail)
}

/** Sets the reply's status and headers for this problem, and returns the body. */
export function asProblem(reply: FastifyReply, body: Problem): Problem {
  const { id } = reply.request
  reply.code(body.status).type(problemType).header('x-request-id', id).serializer(JSON.stringify)
  return { ...body, requestId: id }
}

/** Sends a problem from a hook, which cannot return it as a handler does. */
export function sendProblem(reply: FastifyReply, body: Problem): FastifyReply {
  return reply.send(asProblem(reply, body))
}

/** Whether a result is a problem. */
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
  'operator-only': 422,
}

/** Converts a refusal of the blocklist to a problem. `subject`: the prefix or pattern of the request. */
export function refusalProblem({ refused, why }: Refusal, subject?: string): Problem {
  const detail = subject === undefined ? why : `${subject} ${why}`
  return problem(refusalStatus[refused], refused, detail)
}

/** Converts all refusals of a request to one problem. The first refusal decides the status. */
export function requestProblem({ refusals }: RequestRefusal): Problem {
  const [first] = refusals
  if (first === undefined) throw new Error('a request is refused without a reason')
  const errors = refusals.map(({ prefix, why }) => ({ at: formatPrefix(prefix), why }))
  const named = errors.slice(0, maxNamed).map(({ at, why }) => `${at} ${why}`)
  if (errors.length > maxNamed) named.push(`and ${errors.length - maxNamed} more`)
  return problem(refusalStatus[first.refused], first.refused, named.join('; '), errors)
}

/** Our texts for Fastify's errors. Fastify's own messages may repeat the request. */
const frameworkProblems: Readonly<Record<string, readonly [code: ProblemCode, detail: string]>> = {
  FST_ERR_BAD_URL: ['malformed', 'the path is not a well-formed URL'],
  FST_ERR_MAX_PARAM_LENGTH: ['uri-too-long', 'a part of the path is too long'],
  FST_ERR_CTP_BODY_TOO_LARGE: ['body-too-large', 'the body is larger than this resource accepts'],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: [
    'media-type',
    'this resource does not accept the media type of the body',
  ],
  FST_ERR_CTP_EMPTY_JSON_BODY: ['malformed', 'the body is empty, but its media type is JSON'],
  FST_ERR_CTP_INVALID_JSON_BODY: ['malformed', 'the body is not well-formed JSON'],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: [
    'malformed',
    'the length of the body differs from Content-Length',
  ],
}

const otherProblem = ['malformed', 'the request is malformed'] as const

/**
 * Converts a thrown error to a problem. A validation error names each wrong field. An OperationalError becomes a 503 with
 * its `told`, or else the sentence of its code. Any other error becomes a 500 that does not tell its cause.
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
 * Returns one entry for each wrong place, in the order found. The schema checker reports an unknown key twice; the report
 * "schema is false" is left out. It reports a union once for each branch; these texts are joined with "or".
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

/** A key of a body or query as the answer may repeat it: only plain words are repeated. */
function keyShown(key: string): string {
  return /^\w{0,40}$/.test(key) ? key : '(not shown)'
}

function quoted(values: readonly unknown[]): string {
  return values
    .slice(0, maxFaults)
    .map((value) => JSON.stringify(value))
    .join(', ')
}

/** Answers to requests that Node's HTTP parser refuses, by its error code. Statuses: RFC 9110 §15.5 and RFC 6585 §5. */
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

/** Handles `clientError` of an http.Server: sends a problem if the connection is still open. */
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
