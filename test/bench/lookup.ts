// Look-ups over HTTP a second, beside a bare Fastify route that does one prepared SQLite read: the same machine, the
// same generator (autocannon), alternating rounds, and the median of their ratios. Goal: 0.6.
import autocannon from 'autocannon'
import Database from 'better-sqlite3'
import fastify from 'fastify'
import { serveOnTcp } from '../../src/admin/http-listener.ts'
import { openAdmin } from '../support/admin.ts'

const rounds = 3
const seconds = 3

const cleanups: (() => unknown)[] = []
const admin = openAdmin({ after: (work: () => unknown) => cleanups.push(work) } as never)
const payload = { prefix: '203.0.113.9' }
await admin.app.inject({ method: 'POST', url: '/v1/listings', payload })
admin.byKey = true
const listener = await serveOnTcp(admin.app, { listen: '127.0.0.1:0' })

const database = new Database(`${admin.folder}/list.db`, { readonly: true })
const read = database.prepare('SELECT * FROM listings WHERE id = ?')
const bare = fastify()
bare.get('/:id', async ({ params }) => read.get((params as { id: string }).id))
const bareUrl = await bare.listen({ host: '127.0.0.1', port: 0 })

async function perSecond(url: string): Promise<number> {
  const result = await autocannon({ url, duration: seconds, connections: 20 })
  if (result.non2xx + result.errors > 0) throw new Error(`${url}: ${result.non2xx} refused`)
  return result.requests.average
}

const ratios: number[] = []
for (let round = 0; round < rounds; round++) {
  const lookup = await perSecond(`http://${listener.address}/v1/lookup/203.0.113.9`)
  const plain = await perSecond(`${bareUrl}/1`)
  ratios.push(lookup / plain)
  console.log(`look-ups ${Math.round(lookup)}/s, bare ${Math.round(plain)}/s`)
}
ratios.sort((a, b) => a - b)
console.log(`ratio ${(ratios[rounds >> 1] ?? 0).toFixed(2)} (goal 0.6)`)
await listener.close()
await bare.close()
database.close()
for (const cleanup of cleanups) await cleanup()
