// A running server under an import: a list is brought in by the command line while questions over UDP, look-ups over
// the control socket and bounces over SMTP go on, each measured. For the end-to-end test and the benchmark.
import { readFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { join } from 'node:path'
import { submit } from '../../scripts/submit.ts'
import { ask } from './ask.ts'
import { origin, type Server, type Site } from './server.ts'

const sample = readFileSync('data/samples/postfix-bounce.eml', 'utf8')

export interface ImportFigures {
  readonly seconds: number
  readonly added: number
  readonly kept: number
  readonly removed: number
  /** Largest resident memory while it went on, over what the empty server had before, in MiB. */
  readonly residentMiBOverEmpty: number
  readonly dnsAsked: number
  readonly dnsUnanswered: number
  readonly dnsWorstMs: number
  readonly lookups: number
  readonly lookupP99Ms: number
  readonly smtpMessages: number
  readonly smtpWorstMs: number
}

/** Imports `file` into `list` and measures meanwhile; `emptyMiB`: what the server had when it was empty. */
export async function importUnderLoad(
  site: Site,
  server: Server,
  file: string,
  list: string,
  emptyMiB: number,
): Promise<ImportFigures> {
  const state = { isOver: false, residentMiB: 0 }
  const watching = repeat(state, 50, async () => {
    state.residentMiB = Math.max(state.residentMiB, residentMiB(server.pid))
  })
  let dnsUnanswered = 0
  const dns = repeat(state, 10, () =>
    ask(server.dns, `2.0.0.127.${origin}`).then(
      () => undefined,
      () => {
        dnsUnanswered += 1
      },
    ),
  )
  const agent = new Agent({ keepAlive: true })
  const lookups = repeat(state, 10, () => lookUp(agent, join(site.folder, 'backscatterd.sock')))
  let number = 0
  const smtp = repeat(state, 100, async () => {
    number += 1
    const client = `203.0.113.${number % 250}`
    const message = sample.replace('Subject: ', `Subject: ${number} `)
    const to = ['orders@trap.example.org']
    await submit({ server: server.smtp, from: '', to, client, message })
  })
  const started = performance.now()
  const run = await site.run('import', file, '--list', list, '--json')
  const seconds = (performance.now() - started) / 1000
  state.isOver = true
  const [, dnsMs, lookupMs, smtpMs] = await Promise.all([watching, dns, lookups, smtp])
  agent.destroy()
  if (run.code !== 0) throw new Error(run.stderr)
  const { added, kept, removed } = JSON.parse(run.stdout)
  return {
    seconds,
    added,
    kept,
    removed,
    residentMiBOverEmpty: state.residentMiB - emptyMiB,
    dnsAsked: dnsMs.length,
    dnsUnanswered,
    dnsWorstMs: Math.max(...dnsMs),
    lookups: lookupMs.length,
    lookupP99Ms: percentile(lookupMs, 0.99),
    smtpMessages: smtpMs.length,
    smtpWorstMs: Math.max(...smtpMs),
  }
}

/** Resident memory of a process, in MiB. */
export function residentMiB(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024
}

/** Does it again and again until it is over; resolves with the milliseconds that each time took. */
async function repeat(
  state: { isOver: boolean },
  pauseMs: number,
  work: () => Promise<void>,
): Promise<number[]> {
  const times: number[] = []
  while (!state.isOver) {
    const started = performance.now()
    await work()
    times.push(performance.now() - started)
    await new Promise((next) => setTimeout(next, pauseMs))
  }
  return times
}

async function lookUp(agent: Agent, socketPath: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const asked = request({ agent, socketPath, path: '/v1/lookup/20.0.0.1' }, (response) => {
    response.resume().on('end', resolve).on('error', reject)
  })
  asked.on('error', reject).end()
  await promise
}

function percentile(times: readonly number[], share: number): number {
  const sorted = times.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}
