// The import of a list: tells first what would change, then imports it and shows how far it is until DNS answers it.
import { callApi } from './api.js'
import { element, table, tryFirst } from './dry-run.js'
import { showAnew } from './told.js'

const pollMs = 500
const shownLines = 100

const form = document.getElementById('import')
const progress = document.getElementById('import-progress')
if (form instanceof HTMLFormElement) {
  tryFirst(form, { send, show, mayFollow, done })
  // An import may run already: of this list, begun elsewhere or before the page was loaded again.
  const running = form.dataset.running
  if (running !== undefined) void followToItsEnd(running)
}

/** @param {boolean} isDryRun */
async function send(isDryRun) {
  const list = textOf('list')
  const file = fileOf()
  const body = file ?? textOf('text')
  if (typeof body === 'string' && body.trim() === '') {
    throw new Error('The list is missing: choose a file, or paste the list.')
  }
  const query = new URLSearchParams({ list, format: textOf('format'), dryRun: String(isDryRun) })
  if (isForced()) query.set('force', 'true')
  const follows = follow(list)
  try {
    return await callApi(`/v1/import?${query}`, { method: 'POST', body, type: 'text/plain' })
  } finally {
    follows.stop()
  }
}

/**
 * @typedef {object} Imported
 * @property {string} list
 * @property {number} added
 * @property {number} removed
 * @property {number} kept
 * @property {{ line: number, text: string, why: string }[]} refused
 * @property {number} refusedCount
 * @property {string} [needsForce]
 */

/** @param {Imported} imported */
function show({ added, removed, kept, refused, refusedCount, needsForce }) {
  const counts = [
    ['New', shown(added)],
    ['Gone', shown(removed)],
    ['Kept', shown(kept)],
    ['Wrong lines, left out', shown(refusedCount)],
  ]
  const parts = [table('What the import would change', ['Prefixes', 'Number'], counts)]
  if (refused.length > 0) {
    const some = refused.slice(0, shownLines)
    const rows = some.map(({ line, text, why }) => [
      shown(line),
      element('code', pastedLine(line) ?? text),
      why,
    ])
    const first =
      refusedCount > some.length ? `The first ${some.length} wrong lines` : 'Wrong lines'
    parts.push(table(first, ['Line', 'Text', 'Why'], rows))
  }
  if (needsForce !== undefined && !isForced()) parts.push(forceChoice(needsForce))
  return parts
}

/**
 * A line of the pasted list. The server repeats wrong lines to scope admin alone, since answers may be logged and a line may name
 * a trap. This page has sent it, so it may show it.
 * @param {number} line
 */
function pastedLine(line) {
  return fileOf() === undefined ? textOf('text').split('\n')[line - 1] : undefined
}

/** @param {string} why */
function forceChoice(why) {
  const box = element('div', '', 'notice warn')
  const label = element('label', '', 'choice')
  const input = document.createElement('input')
  input.type = 'checkbox'
  input.name = 'force'
  input.dataset.keepsTrial = ''
  label.append(input, ' Import it all the same')
  box.append(element('p', `Is it the right file? ${why}.`), label)
  return box
}

/** @param {Imported} imported */
function mayFollow({ needsForce }) {
  return needsForce === undefined || isForced()
}

/** @param {Imported} imported */
function done({ list, added, removed, kept }) {
  return `DNS answers list ${list}: ${shown(added)} new, ${shown(removed)} gone, ${shown(kept)} kept.`
}

/** @param {number} number */
function shown(number) {
  return number.toLocaleString('en')
}

/** @param {string} name */
function textOf(name) {
  const field = form instanceof HTMLFormElement ? form.elements.namedItem(name) : null
  return field instanceof HTMLInputElement ||
    field instanceof HTMLTextAreaElement ||
    field instanceof HTMLSelectElement
    ? field.value
    : ''
}

function fileOf() {
  const field = form instanceof HTMLFormElement ? form.elements.namedItem('file') : null
  return field instanceof HTMLInputElement ? field.files?.[0] : undefined
}

function isForced() {
  return form?.querySelector('input[name="force"]:checked') !== null
}

/**
 * Shows how far the import of a list is, until it is stopped.
 * @param {string} list
 */
function follow(list) {
  let isOver = false
  const look = async () => {
    while (!isOver) {
      const steps = await stepsOf(list).catch(() => undefined)
      if (!isOver) showSteps(list, steps)
      await new Promise((next) => setTimeout(next, pollMs))
    }
  }
  void look()
  const stop = () => {
    isOver = true
    showSteps(list, undefined)
  }
  return { stop }
}

/** @param {string} list */
async function followToItsEnd(list) {
  const { stop } = follow(list)
  while ((await stepsOf(list).catch(() => 'unknown')) !== undefined) {
    await new Promise((next) => setTimeout(next, pollMs))
  }
  stop()
  showAnew(`The import of list ${list} has ended.`)
}

/**
 * @typedef {{ list: string, phase: string, done: number, total: number | null }} Steps
 */

/**
 * @param {string} list
 * @returns {Promise<Steps | undefined>} undefined if no import of it runs.
 */
async function stepsOf(list) {
  const { imports } = await callApi('/v1/stats', { method: 'GET' })
  return imports.find((/** @type {Steps} */ each) => each.list === list)
}

const phases = ['reading', 'sorting', 'storing', 'publishing']
const unitOf = (/** @type {string} */ phase) => (phase === 'publishing' ? 'prefixes' : 'lines')

/**
 * @param {string} list
 * @param {Steps | undefined} steps
 */
function showSteps(list, steps) {
  if (!progress) return
  if (steps === undefined) return progress.replaceChildren()
  const { phase, done: reached, total } = steps
  const of = total === null ? '' : ` of ${shown(total)}`
  const step = `step ${phases.indexOf(phase) + 1} of ${phases.length}`
  const sentence = `List ${list}, ${step}: ${phase}, ${shown(reached)}${of} ${unitOf(phase)}`
  const bar = document.createElement('progress')
  bar.ariaLabel = sentence
  if (total !== null) {
    bar.max = Math.max(total, 1)
    bar.value = reached
  }
  progress.replaceChildren(element('p', sentence), bar)
}
