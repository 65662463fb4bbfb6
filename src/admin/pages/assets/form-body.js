// The JSON body that a form sends. An empty field is left out. Checked boxes of one name make an array.

/**
 * @param {HTMLFormElement} form
 * @returns {string}
 */
export function bodyOf(form) {
  /** @type {Record<string, unknown>} */
  const body = {}
  for (const field of form.elements) Object.assign(body, membersOf(field, body))
  return JSON.stringify(body)
}

/**
 * The members that a field adds to the body, or changes in it.
 * @param {Element} field
 * @param {Readonly<Record<string, unknown>>} body
 * @returns {Record<string, unknown>}
 */
function membersOf(field, body) {
  if (!isField(field) || field.name === '') return {}
  const { name } = field
  if (field instanceof HTMLInputElement && field.type === 'checkbox') {
    const before = body[name]
    return field.checked ? { [name]: [...(Array.isArray(before) ? before : []), field.value] } : {}
  }
  const chosen = field instanceof HTMLSelectElement ? field.selectedOptions[0] : undefined
  if (chosen?.dataset.sends !== undefined) return JSON.parse(chosen.dataset.sends)
  const text = field.value.trim()
  if (text === '') return {}
  return { [name]: sentText(text, field.dataset.sentAs) }
}

/**
 * @param {string} text
 * @param {string | undefined} sentAs
 */
function sentText(text, sentAs) {
  if (sentAs === 'lines') return text.split(/\s+/)
  // The field shows and takes UTC; the browser knows no zone of it.
  if (sentAs === 'utc') return new Date(`${text}Z`).toISOString()
  return text
}

/**
 * @param {Element} element
 * @returns {element is HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement}
 */
function isField(element) {
  return (
    element instanceof HTMLInputElement ||
    element instanceof HTMLSelectElement ||
    element instanceof HTMLTextAreaElement
  )
}
