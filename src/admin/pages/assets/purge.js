// The purge: tells first what would end, then takes the evidence back.
import { callApi } from './api.js'
import { element, table, tryFirst } from './dry-run.js'
import { bodyOf } from './form-body.js'

const form = document.getElementById('purge')
if (form instanceof HTMLFormElement) tryFirst(form, { send, show, mayFollow, done })

/** @param {boolean} isDryRun */
function send(isDryRun) {
  const body = form instanceof HTMLFormElement ? bodyOf(form) : ''
  const url = `/v1/purges?dryRun=${isDryRun}`
  return callApi(url, { method: 'POST', body, type: 'application/json' })
}

/**
 * @typedef {object} Purge
 * @property {number} messages
 * @property {number} ended
 * @property {number} shortened
 * @property {{ listing: { id: number, prefix: string, kinds: string[], expiresAt: string | null }, expiresAt: string | null }[]} listings
 * @property {string | null} notice
 */

/** @param {Purge} purge */
function show({ messages, ended, shortened, listings }) {
  if (messages === 0) {
    return [
      element('p', 'No evidence has all of these properties: nothing would change.', 'notice'),
    ]
  }
  const sentence = `${count(messages, 'message')} would no longer count: ${count(ended, 'listing')} would end at once, ${count(shortened, 'listing')} would end earlier.`
  const words = element('p', sentence, 'notice warn')
  if (listings.length === 0) return [words]
  const rows = listings.map(({ listing, expiresAt }) => [
    linkTo(listing.id, listing.prefix),
    listing.kinds.join(', '),
    time(listing.expiresAt, 'never'),
    time(expiresAt, 'at once'),
  ])
  const columns = ['Listing', 'Kinds', 'Ends now (UTC)', 'Would end (UTC)']
  return [words, table('What would change', columns, rows)]
}

/** @param {Purge} purge */
function mayFollow({ messages }) {
  return messages > 0
}

/** @param {Purge} purge */
function done({ messages, notice }) {
  return `${count(messages, 'message')} no longer ${messages === 1 ? 'counts' : 'count'}. The public is told: ${notice}`
}

/**
 * @param {number} id
 * @param {string} text
 */
function linkTo(id, text) {
  const link = document.createElement('a')
  link.href = `/dashboard/listings/${id}`
  link.className = 'mono'
  link.textContent = text
  return link
}

/**
 * @param {string | null} at
 * @param {string} absent
 */
function time(at, absent) {
  return at === null ? absent : at.slice(0, 16).replace('T', ' ')
}

/**
 * @param {number} number
 * @param {string} noun
 */
function count(number, noun) {
  return `${number.toLocaleString('en')} ${noun}${number === 1 ? '' : 's'}`
}
