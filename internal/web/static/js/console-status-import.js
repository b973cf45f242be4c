// Import of a page: what would change is shown while the files stay chosen, so that
// looking and importing take one choice. Without this script the form is sent, and
// the files are chosen once more.

const form = document.querySelector('form[data-import]')

if (form) {
  form.addEventListener('submit', async (event) => {
    event.preventDefault()
    const button = event.submitter
    const data = new FormData(form, button)
    const buttons = form.querySelectorAll('button')
    const words = button?.textContent
    for (const b of buttons) b.disabled = true
    if (button) button.textContent = 'Reading…'
    try {
      const answer = await fetch(form.action, { method: 'POST', body: data })
      const page = new DOMParser().parseFromString(await answer.text(), 'text/html')
      const fresh = page.querySelector('[data-region="report"]')
      if (!fresh) { // signed out, or an error page
        location.assign(location.pathname)
        return
      }
      const old = document.querySelector('[data-region="report"]')
      old.replaceWith(document.adoptNode(fresh))
      fresh.scrollIntoView({ block: 'start' })
      fresh.focus({ preventScroll: true })
    } catch {
      // The hub was not reached: the form as it is says so.
      const report = document.querySelector('[data-region="report"]')
      report.replaceChildren(Object.assign(document.createElement('p'), { className: 'flash flash-bad', textContent: 'The hub did not answer. Send it again in a moment.' }))
      report.firstChild.setAttribute('role', 'alert')
    } finally {
      for (const b of buttons) b.disabled = false
      if (button) button.textContent = words
    }
  })
}
