// Adds a button to each code block that has `data-copy`: it copies the block's text. The attribute holds the button's label,
// `data-copied` what the button says afterwards.

const secondsToSay = 2

// Browsers have no clipboard for pages that came by plain HTTP.
const blocks = navigator.clipboard ? document.querySelectorAll('pre[data-copy]') : []
for (const block of blocks) if (block instanceof HTMLElement) addButton(block)

/** @param {HTMLElement} block */
function addButton(block) {
  const { copy = '', copied = '' } = block.dataset
  const button = document.createElement('button')
  button.type = 'button'
  button.className = 'copy'
  button.textContent = copy
  // The words change when it is done, and a screen reader says so.
  button.ariaLive = 'polite'
  button.addEventListener('click', async () => {
    await navigator.clipboard.writeText(block.textContent ?? '')
    button.textContent = copied
    setTimeout(() => {
      button.textContent = copy
    }, secondsToSay * 1000)
  })
  block.before(button)
}
