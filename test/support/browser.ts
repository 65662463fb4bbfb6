// Debian's Chromium for tests of the pages: a browser for a test file, and pages in it that collect what went wrong (errors on
// the console, among them each violation of the Content-Security-Policy) and are examined by axe.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { TestContext } from 'node:test'
import type { default as Axe } from 'axe-core'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { needs } from './debian.ts'

export const needsChromium = needs('chromium', 'chromium')

/** How long the browser is waited for. */
const patienceMs = 120_000

const axeSource = readFileSync(
  createRequire(import.meta.url).resolve('axe-core/axe.min.js'),
  'utf8',
)

/** Both themes on a phone and on a wide screen. */
const screens = ['light', 'dark'].flatMap((theme) =>
  [360, 1440].map((width) => ({ colorScheme: theme as 'light' | 'dark', width })),
)

export interface TestPage {
  readonly page: Page
  /** Errors on the console, violations of the policy and uncaught exceptions so far. */
  readonly faults: string[]
}

let browser: Promise<Browser> | undefined

/** The browser of this process. It ends with the process. */
export async function theBrowser(): Promise<Browser> {
  browser ??= chromium.launch({
    executablePath: '/usr/bin/chromium',
    timeout: patienceMs,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--disable-dev-shm-usage',
      // A browser trusts plain HTTP on loopback more than elsewhere. A test that must not be trusted names its server so.
      '--host-resolver-rules=MAP *.example 127.0.0.1',
    ],
  })
  return await browser
}

/** Ends the browser. Call it in an `after` hook of each test file. */
export async function closeBrowser(): Promise<void> {
  await (await browser)?.close()
}

/** A page with its own cookies. It asks for English unless the options say otherwise. */
export async function openPage(
  t: TestContext,
  options: BrowserContextOptions = {},
): Promise<TestPage> {
  const context = await (await theBrowser()).newContext({ locale: 'en-GB', ...options })
  context.setDefaultTimeout(patienceMs)
  t.after(() => context.close())
  const page = await context.newPage()
  const faults: string[] = []
  page.on('console', (message) => {
    if (message.type() === 'error') faults.push(message.text())
  })
  page.on('pageerror', (error) => faults.push(String(error)))
  return { page, faults }
}

/**
 * Examines the page as it is now, in both themes and widths: nothing is wrong for axe at levels A and AA of WCAG 2.2, and
 * nothing but a box of its own scrolls sideways.
 */
export async function examine({ page, faults }: TestPage): Promise<void> {
  assert.deepEqual(faults, [], page.url())
  await page.evaluate(axeSource)
  for (const { colorScheme, width } of screens) {
    await page.emulateMedia({ colorScheme })
    await page.setViewportSize({ width, height: 900 })
    const where = `${page.url()} ${colorScheme} ${width}`
    const found = await page.evaluate(async () => {
      const { axe } = globalThis as unknown as { axe: typeof Axe }
      const { violations } = await axe.run()
      const { scrollWidth, clientWidth } = document.documentElement
      return {
        faults: violations.map(
          ({ id, nodes }) =>
            `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join(', ')}`,
        ),
        overflow: scrollWidth - clientWidth,
      }
    })
    assert.deepEqual(found, { faults: [], overflow: 0 }, where)
  }
  assert.deepEqual(faults, [], page.url())
}
