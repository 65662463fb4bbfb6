// `npm run bench`: every benchmark in turn, each in a fresh process so that none warms or fills the heap of another.
// Name some to run only those: `npm run bench -- tree ready`.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'

export const benchmarks: Readonly<Record<string, string>> = {
  tree: 'the tree: memory, look-up and insert, 1 M random entries',
  respond: 'answers without sockets: ns an answer',
  lookup: 'look-ups over HTTP beside a bare Fastify route with one SQLite read',
  load: 'the store: loading 1 M listings, recording evidence',
  nameserver: 'answers a CPU second over sockets: ours, rbldnsd, and the limit',
  tricks: 'what each trick of the answer path buys, in answers a CPU second',
  pages: 'pages for people beside DNS at half its load',
  secondaries: 'answers a CPU second with secondaries configured against without',
  mbox: '2 GB of mbox: memory; bounces from mbox to commit',
  smtp: 'the live listener, SMTP and LMTP: 200 sessions at once, nothing acknowledged lost',
  ingest: 'messages a second from an mbox file to the commit',
  change: 'update to answer, and the tail at 20,000 questions a second under changes and an import',
  growth: 'the tree at 10 k to 10 M entries',
  import:
    'lists of 1 M lines into a running server, while all else goes on; a small one beside ten',
  transfer: 'the whole list to Knot DNS as a secondary, and to ten clients at once',
  ready: 'process start to answering, and memory over the empty server, 1 M listings',
}

if (import.meta.main) {
  const wanted = process.argv.slice(2)
  const unknown = wanted.filter((name) => !Object.hasOwn(benchmarks, name))
  if (unknown.length > 0) {
    console.error(
      `no such benchmark: ${unknown.join(', ')}; there are ${Object.keys(benchmarks).join(', ')}`,
    )
    process.exit(2)
  }
  for (const [name, about] of Object.entries(benchmarks)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue
    console.log(`\n# ${name}: ${about}`)
    const file = resolve(import.meta.dirname, `${name}.ts`)
    const [code] = await once(spawn(process.execPath, [file], { stdio: 'inherit' }), 'exit')
    if (code !== 0) process.exitCode = 1
  }
}
