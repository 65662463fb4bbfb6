// Makes pictures of every page in both themes, on a phone and on a wide screen, into screenshots/: of a server that is filled
// with believable data and is asked meanwhile. Run: npm run screenshots [-- WORD…], where the words choose pages by their name.
// `npm run screenshots -- --readme` makes those of the README instead, into data/pictures/, within three minutes.
import { createSocket } from 'node:dgram'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { Page } from 'playwright-core'
import { loadConfig } from '../src/config/load.ts'
import { closeBrowser, theBrowser } from '../test/support/browser.ts'
import { buildQuery, reversed, types } from '../test/support/dns-query.ts'
import { randomLines, seeded } from '../test/support/seeded.ts'
import { type Server, Site } from '../test/support/server.ts'
import { fillDemonstration, shown } from './demonstration.ts'
import { submit } from './submit.ts'

const folder = 'screenshots'
const origin = 'bl.backscatter.example'
const themes = ['light', 'dark'] as const
const widths = [360, 1440]
/** Charts are drawn again for each theme and width. */
const settleMs = 300

interface Picture {
  readonly name: string
  readonly path: string
  /** @default English */
  readonly locale?: string
  /** Whether it is taken down to its end. @default true */
  readonly isWhole?: boolean
  /** What to do on the page before the picture is made. */
  readonly prepare?: (page: Page) => Promise<void>
}

const german = { locale: 'de-DE' }
const publicPictures: readonly Picture[] = [
  { name: 'lookup', path: '/' },
  { name: 'lookup-german', path: '/', ...german },
  { name: 'lookup-listed', path: `/lookup/${shown.listed}` },
  { name: 'lookup-listed-german', path: `/lookup/${shown.listed}`, ...german },
  { name: 'lookup-by-hand', path: '/lookup/198.51.100.66' },
  { name: 'lookup-unlisted', path: `/lookup/${shown.unlisted}` },
  { name: 'lookup-wrong', path: '/lookup/mail.example.org' },
  { name: 'policy', path: '/policy' },
  { name: 'policy-german', path: '/policy', ...german },
  { name: 'guide', path: '/guide' },
  { name: 'guide-page', path: '/guide/dns' },
  { name: 'missing', path: '/nothing' },
  { name: 'sign-in', path: '/dashboard' },
]
const dialog = (label: string) => async (page: Page) => {
  await page.getByRole('button', { name: label }).first().click()
}
const dashboardPictures: readonly Picture[] = [
  { name: 'overview', path: '/dashboard', prepare: async () => await sleep(2500) },
  { name: 'listings', path: '/dashboard/listings' },
  { name: 'listings-none', path: '/dashboard/listings?prefix=192.0.2.255' },
  { name: 'listing', path: '/dashboard/listings/1' },
  ...[
    'evidence',
    'removals',
    'exemptions',
    'exclusions',
    'lists',
    'traps',
    'purge',
    'keys',
    'audit',
  ].map((name) => ({ name, path: `/dashboard/${name}` })),
  { name: 'listings-add', path: '/dashboard/listings', prepare: dialog('Add'), isWhole: false },
].map((picture) => ({ ...picture, name: `dashboard-${picture.name}` }))
const removal: Picture = {
  name: 'removed',
  path: `/lookup/${shown.removable}`,
  prepare: async (page) => await page.locator('form[action$="/removal"] button').click(),
}

/** The pictures of the README: the name of the page, and how much of it is shown. */
const readmePictures = [
  { name: 'lookup-listed', width: 800, height: 760 },
  { name: 'policy', width: 800, height: 760 },
  { name: 'dashboard-overview', width: 1200, height: 930 },
] as const
const readmeFolder = join('data', 'pictures')
/** How long the server is asked before the picture of its charts. */
const chartMs = 100_000

const cleanups: (() => unknown)[] = []
const t = { after: (cleanup: () => unknown) => void cleanups.push(cleanup) }

function configurationOf(site: Site): string {
  const text = `Backscatter source; see https://backscatter.example/lookup/{ip}`
  return site
    .configuration('[admin]\nlisten = "127.0.0.1:0"\n')
    .replace(/^origin = .*$/m, `origin = "${origin}"\ntext = "${text}"`)
    .replaceAll('test.example"', 'backscatter.example"')
    .replace(/^threshold\..*\n/gm, '')
}

/** Where the queries come from; the first ones ask most. */
const clients = Array.from({ length: 16 }, (_, index) => `127.${10 * index}.7.53`)

/** Asks for listed and other addresses, more and less in turn, until the signal. */
async function askOften(server: Server, signal: AbortSignal): Promise<void> {
  const [host = '', port = ''] = server.dns.split(':')
  const sockets = clients.map((client) => createSocket('udp4').bind(0, client))
  const random = seeded(5)
  for (let turn = 0; !signal.aborted; turn++) {
    const count = 12 + Math.round(8 * Math.sin(turn / 600)) + (random() % 5)
    for (let each = 0; each < count; each++) {
      const last = random() % 250
      const asked =
        random() % 4 === 0 ? `198.51.100.${last}` : `${1 + (random() % 200)}.9.8.${last}`
      const name = random() % 50 === 0 ? 'elsewhere.example' : `${reversed(asked)}.${origin}`
      const socket = sockets[(random() % 16) >> (random() % 4)]
      socket?.send(buildQuery(name, random() % 6 === 0 ? types.TXT : types.A), Number(port), host)
    }
    await sleep(50)
  }
  for (const socket of sockets) socket.close()
}

/** A bounce to a trap now and then, so that the newest hour has some. */
async function bounceOften(server: Server, signal: AbortSignal): Promise<void> {
  const sample = readFileSync('data/samples/postfix-bounce.eml', 'latin1')
  for (let count = 1; !signal.aborted; count++) {
    const message = sample.replaceAll('<2026', `<${count}.2026`)
    const client = `203.0.113.${120 + (count % 6)}`
    await submit({ server: server.smtp, from: '', to: ['sales@trap.example.org'], client, message })
    await sleep(6000)
  }
}

async function importLists(site: Site): Promise<void> {
  for (const [name, count] of [
    ['partner-mx', 1200],
    ['regional-isps', 300],
  ] as const) {
    const file = join(site.folder, `${name}.txt`)
    writeFileSync(file, randomLines(count))
    const { code, stderr } = await site.run('import', file, '--list', name)
    if (code !== 0) throw new Error(stderr)
  }
}

async function makeKeys(site: Site): Promise<string> {
  await site.run('key', 'create', '--name', 'monitoring', '--scope', 'read')
  await site.run('key', 'create', '--name', 'collector-ams', '--scope', 'collect', '--for', '365d')
  const made = await site.run('key', 'create', '--name', 'anna', '--scope', 'admin', '--json')
  return JSON.parse(made.stdout).key
}

/** Opens a page. With a key it is signed in. */
async function open(
  url: string,
  { path, locale = 'en-GB', prepare }: Picture,
  key: string | undefined,
): Promise<Page> {
  const browser = await theBrowser()
  const context = await browser.newContext({ locale, viewport: { width: 1440, height: 900 } })
  if (key !== undefined) {
    await context.request.post(`${url}/dashboard/sign-in`, {
      form: { key },
      headers: { 'sec-fetch-site': 'same-origin' },
      maxRedirects: 0,
    })
  }
  const page = await context.newPage()
  await page.goto(url + path)
  await prepare?.(page)
  return page
}

/** Opens each page once and takes it in all themes and widths. */
async function takeAll(url: string, pictures: readonly Picture[], key?: string): Promise<void> {
  for (const picture of pictures) {
    const { name, isWhole = true } = picture
    const page = await open(url, picture, key)
    for (const colorScheme of themes) {
      for (const width of widths) {
        await page.emulateMedia({ colorScheme })
        await page.setViewportSize({ width, height: 900 })
        await page.waitForTimeout(settleMs)
        const file = join(folder, `${name}-${colorScheme}-${width}.png`)
        await page.screenshot({ path: file, fullPage: isWhole })
      }
    }
    await page.context().close()
  }
}

async function takeForReadme(url: string, key: string): Promise<void> {
  mkdirSync(readmeFolder, { recursive: true })
  await sleep(chartMs)
  for (const { name, width, height } of readmePictures) {
    const picture = [...publicPictures, ...dashboardPictures].find((each) => each.name === name)
    if (picture === undefined) throw new Error(`no page is named ${name}`)
    const page = await open(url, picture, key)
    await page.emulateMedia({ colorScheme: 'light' })
    await page.setViewportSize({ width, height })
    await page.waitForTimeout(settleMs)
    await page.screenshot({ path: join(readmeFolder, `${name}.png`) })
    await page.context().close()
  }
}

const { positionals: words, values } = parseArgs({
  allowPositionals: true,
  options: { readme: { type: 'boolean', default: false } },
})
const isWanted = ({ name }: Picture): boolean =>
  words.length === 0 || words.some((word) => name.includes(word))

try {
  const site = new Site(t)
  writeFileSync(site.configFile, configurationOf(site))
  await fillDemonstration(loadConfig({ file: site.configFile, env: {}, cwd: site.folder }))
  const server = await site.start()
  const url = `http://${server.admin}`
  const ending = new AbortController()
  const traffic = [askOften(server, ending.signal), bounceOften(server, ending.signal)]
  await importLists(site)
  const key = await makeKeys(site)
  if (values.readme) {
    await takeForReadme(url, key)
  } else {
    if (words.length === 0) rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder, { recursive: true })
    await takeAll(url, publicPictures.filter(isWanted))
    await takeAll(url, dashboardPictures.filter(isWanted), key)
    await takeAll(url, [removal].filter(isWanted))
  }
  ending.abort()
  await Promise.all(traffic)
} finally {
  await closeBrowser()
  for (const cleanup of cleanups.reverse()) await cleanup()
}
