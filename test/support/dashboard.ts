// A server for tests of the dashboard: keys of each scope, and a browser that is signed in with one of them.
import { writeFileSync } from 'node:fs'
import type { TestContext } from 'node:test'
import type { BrowserContextOptions } from 'playwright-core'
import { openPage, type TestPage } from './browser.ts'
import { type Server, Site } from './server.ts'

export interface Dashboard {
  readonly site: Site
  readonly server: Server
  readonly url: string
  /** Secrets of keys, by their scope. */
  readonly keys: Readonly<Record<'read' | 'write' | 'admin', string>>
  /** Sends a request to the HTTP interface with the key of scope admin. */
  call(method: string, path: string, body?: unknown): Promise<{ status: number; body: unknown }>
  /** A browser that has signed in. */
  signIn(scope: 'read' | 'write' | 'admin', options?: BrowserContextOptions): Promise<TestPage>
}

/** Serves until the test ends. `more`: more configuration. */
export async function startDashboard(
  t: TestContext,
  more = '',
  listen = '127.0.0.1:0',
): Promise<Dashboard> {
  const site = new Site(t)
  writeFileSync(site.configFile, site.configuration(`[admin]\nlisten = "${listen}"\n${more}`))
  const server = await site.start()
  const url = `http://${server.admin}`
  const make = async (scope: string): Promise<string> => {
    const made = await site.run('key', 'create', '--name', scope, '--scope', scope, '--json')
    return JSON.parse(made.stdout).key
  }
  const keys = { read: await make('read'), write: await make('write'), admin: await make('admin') }
  return {
    ...{ site, server, url, keys },
    call: async (method, path, body) => {
      const headers = {
        authorization: `Bearer ${keys.admin}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
      }
      const sent = body === undefined ? {} : { body: JSON.stringify(body) }
      const reply = await fetch(`${url}${path}`, { method, headers, ...sent })
      return { status: reply.status, body: await reply.json() }
    },
    signIn: async (scope, options) => {
      const opened = await openPage(t, options)
      await opened.page.request.post(`${url}/dashboard/sign-in`, {
        form: { key: keys[scope] },
        headers: { 'sec-fetch-site': 'same-origin' },
        maxRedirects: 0,
      })
      return opened
    },
  }
}

/** Presses Tab until the element with this name has the focus. Names are those that a screen reader says. */
export async function tabTo({ page }: TestPage, name: string): Promise<void> {
  for (let presses = 0; presses < 200; presses++) {
    await page.keyboard.press('Tab')
    const focused = await page.evaluate(() => {
      const element = document.activeElement
      const labels =
        element instanceof HTMLInputElement ||
        element instanceof HTMLTextAreaElement ||
        element instanceof HTMLSelectElement
          ? element.labels
          : null
      const text = element?.ariaLabel ?? labels?.[0]?.textContent ?? element?.textContent
      return text?.trim()
    })
    if (focused === name) return
  }
  throw new Error(`Tab does not lead to ${name}`)
}
