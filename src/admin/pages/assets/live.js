// Keeps the overview up to date: takes what the server sends once a second, puts changed parts into the page and draws the charts.
import { evidenceChart, fit, queryChart } from './charts.js'

/** @typedef {import('./uPlot.esm.js').default} Chart */

const maxSamples = 900
const againMs = 5000
const slowRedrawMs = 5000

const state = element('live-state')
const pause = element('live-pause')
const wantsStillness = matchMedia('(prefers-reduced-motion: reduce)')

/** @type {EventSource | undefined} */
let source
/** @type {ReturnType<typeof setTimeout> | undefined} */
let again
let isPaused = false
/** @type {Map<string, string>} parts that wait until the focus has left them */
const waiting = new Map()
/** @type {number[][]} the times, then the rates of each group */
let columns = []
/** @type {string[]} */
let labels = []
/** @type {{ hours: number[], sources: { name: string, counts: number[] }[] }} */
let hourly = { hours: [], sources: [] }
/** @type {Chart | undefined} */
let queries
/** @type {Chart | undefined} */
let evidence
let drawnAt = 0

/** @param {string} id @returns {HTMLElement} */
function element(id) {
  const found = document.getElementById(id)
  if (!found) throw new Error(`the page has no ${id}`)
  return found
}

/** @param {string} text @param {string} [link] a path of the sign-in */
function say(text, link) {
  if (state.textContent === text) return
  state.textContent = text
  if (link === undefined) return
  const anchor = document.createElement('a')
  anchor.href = link
  anchor.textContent = 'Sign in again'
  state.append(' ', anchor)
}

/** @param {MessageEvent<string>} message */
const dataOf = (message) => JSON.parse(message.data)

function connect() {
  clearTimeout(again)
  if (isPaused || document.hidden || source) return
  source = new EventSource('/dashboard/events')
  source.addEventListener('open', () => say('Live: the figures follow the server.'))
  source.addEventListener('error', () => {
    say('The server does not answer. The figures are old; it is asked again and again.')
    if (source?.readyState === EventSource.CLOSED) void askWhy()
  })
  source.addEventListener('signed-out', signedOut)
  source.addEventListener('history', (message) => {
    const { samples, ...rest } = dataOf(message)
    labels = rest.labels
    columns = [[], ...labels.map(() => [])]
    for (const sample of samples) keep(sample)
    makeQueryChart()
  })
  source.addEventListener('sample', (message) => {
    keep(dataOf(message))
    if (!wantsStillness.matches || performance.now() - drawnAt >= slowRedrawMs) draw()
  })
  source.addEventListener('parts', (message) => {
    for (const [id, html] of Object.entries(dataOf(message))) waiting.set(id, html)
    show()
  })
  source.addEventListener('evidence', (message) => {
    hourly = dataOf(message)
    makeEvidenceChart()
  })
}

function disconnect() {
  clearTimeout(again)
  source?.close()
  source = undefined
}

/** The server refused to send. Most often the session has ended, as it does when the server restarts. */
async function askWhy() {
  disconnect()
  const answer = await fetch('/dashboard', { method: 'HEAD', redirect: 'manual' }).catch(
    () => undefined,
  )
  if (answer?.type === 'opaqueredirect') signedOut()
  else again = setTimeout(connect, againMs)
}

function signedOut() {
  disconnect()
  isPaused = true
  pause.hidden = true
  say('You are signed out: the figures are old.', '/dashboard/sign-in?to=/dashboard')
}

/** @param {number[]} sample */
function keep(sample) {
  for (const [index, column] of columns.entries()) {
    column.push(sample[index] ?? 0)
    if (column.length > maxSamples) column.shift()
  }
}

function draw() {
  drawnAt = performance.now()
  const [times = [], ...rates] = columns
  queries?.setData([times, ...rates])
}

function makeQueryChart() {
  queries?.destroy()
  queries = queryChart(element('queries-chart'), labels)
  draw()
}

function makeEvidenceChart() {
  evidence?.destroy()
  evidence = undefined
  const box = element('evidence-chart')
  box.hidden = hourly.sources.length === 0
  if (!box.hidden) evidence = evidenceChart(box, hourly)
}

/** Puts the parts into the page that do not hold the focus. */
function show() {
  for (const [id, html] of waiting) {
    const part = element(id)
    if (part.contains(document.activeElement)) continue
    // The server escaped every value in it.
    part.innerHTML = html
    waiting.delete(id)
  }
}

pause.hidden = false
pause.addEventListener('click', () => {
  isPaused = !isPaused
  pause.textContent = isPaused ? 'Go on' : 'Pause'
  disconnect()
  if (isPaused) say(`Paused at ${new Date().toISOString().slice(11, 19)} UTC.`)
  else connect()
})
const sizes = new ResizeObserver(() => {
  if (queries) fit(queries, element('queries-chart'))
  if (evidence) fit(evidence, element('evidence-chart'))
})
sizes.observe(element('queries-chart'))
sizes.observe(element('evidence-chart'))
// A chart is drawn in the colours that the page has when it is made.
for (const query of ['(prefers-color-scheme: dark)', '(prefers-contrast: more)']) {
  matchMedia(query).addEventListener('change', () => {
    if (queries) makeQueryChart()
    if (evidence) makeEvidenceChart()
  })
}
document.addEventListener('focusout', () => setTimeout(show))
document.addEventListener('visibilitychange', () => {
  if (document.hidden) disconnect()
  else connect()
})
addEventListener('pagehide', disconnect)
addEventListener('pageshow', connect)
