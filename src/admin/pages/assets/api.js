// Sends a request to the HTTP interface with the cookie of the session. A problem becomes an error whose message is for people.

/**
 * @typedef {object} ApiRequest
 * @property {string} method
 * @property {BodyInit} [body]
 * @property {string} [type] The media type of the body.
 * @property {string | undefined} [tag] The If-Match of the request.
 */

/**
 * Resolves with the JSON of the answer. Rejects with a sentence that says what is wrong and what to do.
 * @param {string} url
 * @param {ApiRequest} request
 * @returns {Promise<any>}
 */
export async function callApi(url, { method, body, type, tag }) {
  const headers = new Headers({ accept: 'application/json' })
  if (type !== undefined) headers.set('content-type', type)
  if (tag !== undefined) headers.set('if-match', tag)
  const sent = fetch(url, { method, headers, ...(body !== undefined && { body }) })
  const answer = await sent.catch(() => {
    throw new Error('The server did not answer. See whether it runs, then try again.')
  })
  const content = await answer.json().catch(() => undefined)
  if (answer.ok) return content
  throw new Error(problemText(answer.status, content))
}

/**
 * @param {number} status
 * @param {{ detail?: string } | undefined} problem
 */
function problemText(status, problem) {
  if (status === 401) return 'Your session is over. Reload the page to sign in again.'
  if (status === 412) return 'Somebody changed it meanwhile. Reload the page, then try again.'
  return problem?.detail ?? `The server answered with status ${status}. See its log.`
}

/**
 * @param {unknown} error
 * @returns {string}
 */
export function messageOf(error) {
  return error instanceof Error ? error.message : String(error)
}
