// What was done is said by the page that is loaded next, since that page shows the change.

/** Under this name the next page finds it. */
const key = 'backscatterd.told'

/**
 * Loads the page again, which then says the text.
 * @param {string} text
 */
export function showAnew(text) {
  sessionStorage.setItem(key, text)
  location.reload()
}

/** Says what the page before has left to say. */
export function tellWhatWasDone() {
  const text = sessionStorage.getItem(key)
  const place = document.querySelector('[data-told]')
  if (text === null || !(place instanceof HTMLElement)) return
  sessionStorage.removeItem(key)
  place.textContent = text
  place.focus({ preventScroll: true })
}
