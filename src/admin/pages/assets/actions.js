// The actions of the dashboard's tables. A button opens a dialog, filled for its row. The form in it goes to the HTTP interface
// as JSON; then the page is loaded again, or the dialog says what is wrong.
import { callApi, messageOf } from './api.js'
import { bodyOf } from './form-body.js'
import { showAnew, tellWhatWasDone } from './told.js'

document.addEventListener('click', ({ target }) => {
  const button = target instanceof Element ? target.closest('button') : null
  if (button?.dataset.dialog !== undefined) openDialog(button)
  if (button?.dataset.closes !== undefined) button.closest('dialog')?.close()
})

document.addEventListener('submit', (event) => {
  const form = event.target
  if (!(form instanceof HTMLFormElement) || form.dataset.method === undefined) return
  event.preventDefault()
  void send(form, form.dataset.method)
})

tellWhatWasDone()

/**
 * Opens the dialog that the button names. Where the button says so, its form is for one row.
 * @param {HTMLButtonElement} button
 */
function openDialog({ dataset: { dialog: id = '', url, subject = '', tag, values = '{}' } }) {
  const dialog = document.getElementById(id)
  const form = dialog?.querySelector('form')
  if (!(dialog instanceof HTMLDialogElement) || !form) return
  form.reset()
  if (url !== undefined) form.setAttribute('action', url)
  form.dataset.subject = subject
  if (tag !== undefined) form.dataset.tag = tag
  for (const [name, value] of Object.entries(JSON.parse(values))) {
    const field = form.elements.namedItem(name)
    if (field instanceof HTMLInputElement) field.value = String(value)
  }
  put(form, '[data-subject]', subject)
  put(form, '[data-fault]', '')
  dialog.showModal()
}

/**
 * @param {HTMLFormElement} form
 * @param {string} method
 */
async function send(form, method) {
  const submit = form.querySelector('button[type="submit"]')
  if (!(submit instanceof HTMLButtonElement) || submit.disabled) return
  submit.disabled = true
  put(form, '[data-fault]', '')
  const { tag, subject = '', done = '', shows } = form.dataset
  const body = method === 'DELETE' ? {} : { body: bodyOf(form), type: 'application/json' }
  try {
    const answer = await callApi(form.getAttribute('action') ?? '', { method, tag, ...body })
    const text = done.replace('{subject}', () => subject).trim()
    if (shows === undefined) showAnew(text)
    else showOnce(form, text, String(answer[shows]))
  } catch (error) {
    put(form, '[data-fault]', messageOf(error))
    submit.disabled = false
  }
}

/**
 * Shows a secret in place of the form. When its dialog is closed, the page is loaded again.
 * @param {HTMLFormElement} form
 * @param {string} text
 * @param {string} secret
 */
function showOnce(form, text, secret) {
  const dialog = form.closest('dialog')
  const words = document.createElement('p')
  words.textContent = text
  const code = document.createElement('pre')
  code.textContent = secret
  code.tabIndex = 0
  const close = document.createElement('button')
  close.type = 'button'
  close.textContent = 'I have kept it'
  close.dataset.closes = ''
  form.replaceChildren(words, code, close)
  code.focus()
  dialog?.addEventListener('close', () => location.reload())
}

/**
 * @param {Element} within
 * @param {string} selector
 * @param {string} text
 */
function put(within, selector, text) {
  const place = within.querySelector(selector)
  if (place) place.textContent = text
}
