// How many messages a second `ingest` takes from an mbox file to the commit, without a server: reading, parsing,
// classifying, judging and writing in one process (goal: 1,000 a second on one core), and the memory it needs for it.
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ingest } from '../../src/commands/ingest.ts'
import { program } from '../../src/commands/table/table.ts'
import { readSample, samplePaths } from '../support/samples.ts'

export interface IngestFigures {
  readonly messages: number
  readonly mboxBytes: number
  readonly messagesPerSecond: number
  /** By the processor time of all threads: what one core to itself would do. */
  readonly messagesPerCpuSecond: number
  readonly residentBytes: number
}

// The samples with a trace, so that the mix stays the same when others come.
const samples = samplePaths.filter((path) => /\/(dc|ex|made|os|pf|sm|stored)-/.test(path))

/** Real bounces and replies, each time with another Message-ID and trap, from so many hosts. */
export async function benchIngest(messages = 20_000, hosts = 500): Promise<IngestFigures> {
  const folder = mkdtempSync(join(tmpdir(), 'backscatterd-bench-'))
  try {
    const mbox = join(folder, 'mail.mbox')
    const mboxBytes = writeMbox(mbox, messages, hosts)
    const file = join(folder, 'backscatterd.toml')
    writeFileSync(file, configuration)
    const context = { file, env: {}, cwd: folder, program, write: () => undefined }
    const started = performance.now()
    const before = process.cpuUsage()
    await ingest(context, [mbox], { allTraps: true, json: true })
    const { user, system } = process.cpuUsage(before)
    const seconds = (performance.now() - started) / 1000
    return {
      messages,
      mboxBytes,
      messagesPerSecond: Math.round(messages / seconds),
      messagesPerCpuSecond: Math.round(messages / ((user + system) / 1e6)),
      residentBytes: process.resourceUsage().maxRSS * 1024,
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const configuration = `
[zone]
origin = "bl.bench.example"
nameservers = ["ns1.bench.example"]
hostmaster = "hostmaster.bench.example"
[store]
path = "list.db"
[policy]
allowSpecial = ["198.18.0.0/15"]
[[trap]]
address = "@trap.bench.example"
`

function writeMbox(path: string, messages: number, hosts: number): number {
  const originals = samples.map((path) =>
    readSample(path).toString('latin1').replaceAll('\r\n', '\n'),
  )
  let octets = 0
  for (let first = 0; first < messages; first += 1000) {
    let piece = ''
    for (let number = first; number < Math.min(first + 1000, messages); number++) {
      const host = number % hosts
      const original = originals[number % originals.length] ?? ''
      const trace =
        `Received: from mx${host}.bench.example ([198.18.${host >> 8}.${host & 255}])\n` +
        `\tby mx.trap.bench.example with ESMTP id ${number}\n` +
        `\tfor <t${number % 50}@trap.bench.example>; ${new Date().toUTCString()}\n`
      const body = `${trace}${original.replaceAll(/^Message-I[dD]: .*$/gm, `Message-ID: <${number}@bench.example>`)}`
      piece += `From MAILER-DAEMON Tue Nov 24 12:23:51 2026\n${body.replaceAll(/^(>*From )/gm, '>$1')}\n`
    }
    appendFileSync(path, piece, 'latin1')
    octets += Buffer.byteLength(piece, 'latin1')
  }
  return octets
}

if (import.meta.main) {
  process.stdout.write(`${JSON.stringify(await benchIngest())}\n`)
}
