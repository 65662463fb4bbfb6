// What a body may be before it is read: its media type and its content coding (RFC 9110 §15.5.16). Called by app.ts.
import type { FastifyReply, FastifyRequest } from 'fastify'
import { problem, sendProblem } from './problem.ts'
import type {} from './scopes.ts'

/** Refuses a body in a content coding with 415: none is undone here. undefined: it may be read. */
export function refuseCoding(
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply | undefined {
  const coding = request.headers['content-encoding']?.trim().toLowerCase() ?? ''
  if (coding === '' || coding === 'identity') return undefined
  reply.header('accept-encoding', 'identity')
  const detail = 'the body is in a content coding, and this server takes none'
  return sendProblem(reply, problem(415, 'content-coding', detail))
}

/** Says with a 415 which media types would have been taken (RFC 9110 §12.5.1). */
export function nameMediaTypes(request: FastifyRequest, reply: FastifyReply): void {
  const { takes = 'application/json', takesToo = [] } = request.routeOptions.config
  reply.header('accept', [takes, ...takesToo].join(', '))
}
