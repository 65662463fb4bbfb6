// Look-ups over HTTP a second, beside a bare Fastify route that does one prepared SQLite read: alternating rounds, the
// same listener, the same generator (autocannon), each of the three in a process of its own, and the median of their
// ratios. Goal: 0.6. Where the generator is what is slow, the ratio flatters: so the processor time of each request too.
import { type ChildProcess, execFile, fork } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { promisify } from 'node:util'
import Database from 'better-sqlite3'
import fastify from 'fastify'
import { RefusalLog } from '../../src/admin/client-limits.ts'
import { serveOnTcp } from '../../src/admin/listeners.ts'
import type { App } from '../../src/admin/options.ts'
import { listenerOptions, openAdmin } from '../support/admin.ts'

const rounds = 5
const seconds = 3
const connections = 20
const address = '203.0.113.9'

interface Served {
  readonly url: string
  readonly file: string
}
interface Rate {
  readonly perSecond: number
  /** Processor time of the server's process, of all its threads. */
  readonly cpuMicroseconds: number
}

const [, , role, databaseFile = ''] = process.argv
if (role === 'ours') await serveOurs()
else if (role === 'bare') await serveBare(databaseFile)
else await compare()

/** The application on a TCP address, one address listed, asked without a key. */
async function serveOurs(): Promise<void> {
  const cleanups: (() => unknown)[] = []
  const admin = openAdmin({ after: (work: () => unknown) => cleanups.push(work) } as never)
  const payload = { prefix: address }
  await admin.app.inject({ method: 'POST', url: '/v1/listings', payload })
  admin.byKey = true
  const listener = await serveOnTcp(admin.app, listenerOptions(admin))
  const url = `http://${listener.address}/v1/lookup/${address}`
  await serve({ url, file: `${admin.folder}/list.db` })
  await listener.close()
  for (const cleanup of cleanups) await cleanup()
}

/** One prepared read of the same database, with its pragmas, behind the same listener. */
async function serveBare(file: string): Promise<void> {
  const database = new Database(file, { readonly: true })
  database.pragma('synchronous = FULL')
  database.pragma('foreign_keys = ON')
  const read = database.prepare('SELECT * FROM listings WHERE id = ?')
  const app = fastify()
  app.get('/:id', async ({ params }) => read.get((params as { id: string }).id))
  const refusals = new RefusalLog(app.log)
  const options = { listen: '127.0.0.1:0', refusals }
  const listener = await serveOnTcp(app as unknown as App, options)
  await serve({ url: `http://${listener.address}/1`, file })
  await listener.close()
  database.close()
}

/** Says where; then answers each message with the processor time used so far, until the parent goes. */
async function serve(served: Served): Promise<void> {
  process.on('message', () => {
    const { user, system } = process.cpuUsage()
    process.send?.(user + system)
  })
  process.send?.(served)
  await once(process, 'disconnect')
}

async function compare(): Promise<void> {
  const ours = await start('ours')
  const bare = await start('bare', ours.file)
  const ratios: number[] = []
  const cpuRatios: number[] = []
  for (let round = 0; round < rounds; round++) {
    const lookup = await measure(ours)
    const plain = await measure(bare)
    ratios.push(lookup.perSecond / plain.perSecond)
    cpuRatios.push(plain.cpuMicroseconds / lookup.cpuMicroseconds)
    console.log(`look-ups ${described(lookup)}; bare ${described(plain)}`)
  }
  console.log(
    `ratio ${median(ratios)} (goal 0.6); by processor time of the server ${median(cpuRatios)}`,
  )
  for (const { child } of [bare, ours]) {
    child.disconnect()
    await once(child, 'exit')
  }
}

async function start(...argv: string[]): Promise<Served & { readonly child: ChildProcess }> {
  const child = fork(import.meta.filename, argv)
  const [served] = (await once(child, 'message')) as [Served]
  return { ...served, child }
}

async function measure({ url, child }: Served & { readonly child: ChildProcess }): Promise<Rate> {
  const cpuUsed = async (): Promise<number> => {
    child.send('cpu')
    return (await once(child, 'message'))[0]
  }
  const before = await cpuUsed()
  const generator = createRequire(import.meta.url).resolve('autocannon')
  const options = ['--json', '--no-progress', '-c', `${connections}`, '-d', `${seconds}`]
  const { stdout } = await promisify(execFile)(process.execPath, [generator, ...options, url])
  const { requests, non2xx, errors } = JSON.parse(stdout)
  if (non2xx + errors > 0) throw new Error(`${url}: ${non2xx} refused`)
  const cpuMicroseconds = ((await cpuUsed()) - before) / requests.total
  return { perSecond: requests.average, cpuMicroseconds }
}

function described({ perSecond, cpuMicroseconds }: Rate): string {
  return `${Math.round(perSecond)}/s, ${cpuMicroseconds.toFixed(0)} µs`
}

function median(values: number[]): string {
  return (values.sort((a, b) => a - b)[values.length >> 1] ?? 0).toFixed(2)
}
