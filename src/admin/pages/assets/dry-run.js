// A form that is tried before it is done: the first button sends it as a dry run and shows what would change, then the second
// button does it. Another input needs another dry run.
import { messageOf } from './api.js'
import { showAnew } from './told.js'

/**
 * @typedef {object} Trial
 * @property {(isDryRun: boolean) => Promise<any>} send Resolves with the answer.
 * @property {(answer: any) => Node[]} show What would change.
 * @property {(answer: any) => boolean} mayFollow Whether the second button may be pressed after this answer.
 * @property {(answer: any) => string} done What is said once it is done.
 */

/**
 * @param {HTMLFormElement} form
 * @param {Trial} trial
 */
export function tryFirst(form, trial) {
  const [first, second] = form.querySelectorAll('button')
  const fault = form.querySelector('[data-fault]')
  const place = form.querySelector('[data-answer]')
  if (!first || !second || !fault || !place) return
  /** @type {any} */
  let tried
  const update = () => {
    second.disabled = tried === undefined || !trial.mayFollow(tried)
  }
  form.addEventListener('input', ({ target }) => {
    if (!(target instanceof HTMLElement && target.dataset.keepsTrial !== undefined)) {
      tried = undefined
      place.replaceChildren()
    }
    update()
  })
  form.addEventListener('submit', async (event) => {
    event.preventDefault()
    const isDryRun = event.submitter !== second
    if (first.disabled || (!isDryRun && second.disabled)) return
    first.disabled = true
    second.disabled = true
    fault.textContent = ''
    try {
      const answer = await trial.send(isDryRun)
      if (!isDryRun) return showAnew(trial.done(answer))
      tried = answer
      place.replaceChildren(...trial.show(answer))
    } catch (error) {
      fault.textContent = messageOf(error)
    }
    first.disabled = false
    update()
    if (!second.disabled) second.focus()
  })
}

/**
 * A paragraph or another element with a text.
 * @param {keyof HTMLElementTagNameMap} name
 * @param {string} text
 * @param {string} [className]
 * @returns {HTMLElement}
 */
export function element(name, text, className = '') {
  const made = document.createElement(name)
  made.textContent = text
  if (className !== '') made.className = className
  return made
}

/**
 * A table that scrolls in its own box.
 * @param {string} caption
 * @param {readonly string[]} columns
 * @param {readonly (readonly (string | Node)[])[]} rows
 * @returns {HTMLElement}
 */
export function table(caption, columns, rows) {
  const box = element('div', '', 'table')
  box.tabIndex = 0
  box.role = 'region'
  box.ariaLabel = caption
  const made = document.createElement('table')
  made.createCaption().textContent = caption
  const head = made.createTHead().insertRow()
  for (const column of columns) {
    const cell = document.createElement('th')
    cell.scope = 'col'
    cell.textContent = column
    head.append(cell)
  }
  const body = made.createTBody()
  for (const row of rows) {
    const cells = body.insertRow()
    for (const each of row) cells.insertCell().append(each)
  }
  box.append(made)
  return box
}
