// The progress bar of long commands on a pseudo-terminal: what a person sees while it runs and what is left when it is
// over; and that a pipe sees nothing of it.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { needs } from '../support/debian.ts'
import { main, Site } from '../support/server.ts'

/** A message lists nobody once the term of its listing would be over, so this one has come just now. */
const sample = readFileSync('test/bounces/dsn/pf-unknown-user.eml', 'latin1')
  .replaceAll('\r\n', '\n')
  .replaceAll('Tue, 24 Nov 2026 12:23:50 +0000', new Date().toUTCString().replace('GMT', '+0000'))
  .replaceAll('pf-unknown-user@trap.example', 'a@trap.example.org')

/** Every message its own, each hundredth from a host that it lists. */
function mbox(messages: number): string {
  const entries = Array.from({ length: messages }, (_, number) => {
    const host = number % 100 === 99 ? `198.51.100.${(number + 1) / 100}` : '10.0.0.1'
    const message = sample.replaceAll('198.51.100.10', host)
    return `From MAILER-DAEMON Tue Nov 24 12:23:51 2026\nX-Number: ${number}\n${message}\n`
  })
  return entries.join('')
}

/** Runs the command with a terminal of 80 columns in place of all three streams; resolves with its code and all that it got. */
async function onTerminal(
  site: Site,
  ...args: string[]
): Promise<{ code: number; output: string }> {
  const words = [process.execPath, main, '--config', site.configFile, ...args]
  const command = `stty cols 80 rows 24; ${words.map((each) => `'${each}'`).join(' ')}`
  const child = spawn('script', ['-qec', command, '/dev/null'], {
    ...{ cwd: site.folder, stdio: ['ignore', 'pipe', 'inherit'] },
  })
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')])
  return { code, output }
}

const esc = '\x1b'
const tokens = new RegExp(`${esc}\\[[\\d;?]*[A-Za-z]|${esc}[78]|\\r|\\n|[^${esc}\\r\\n]+`, 'g')

/** The lines that a terminal shows after that: of its language as much as the bar speaks (ECMA-48, DECSC, DECRC). */
function screen(output: string): string[] {
  const lines: string[] = ['']
  let [row, column] = [0, 0]
  let saved: [number, number] = [0, 0]
  const put = (text: string): void => {
    const line = (lines[row] ?? '').padEnd(column)
    lines[row] = line.slice(0, column) + text + line.slice(column + text.length)
    column += text.length
  }
  for (const [token] of output.matchAll(tokens)) {
    if (token === '\n') lines[++row] ??= ''
    else if (token === '\r' || token === `${esc}[1G`) column = 0
    else if (token === `${esc}[0K`) lines[row] = (lines[row] ?? '').slice(0, column)
    else if (token === `${esc}[2K`) lines[row] = ''
    else if (token === `${esc}7`) saved = [row, column]
    else if (token === `${esc}8`) [row, column] = saved
    else if (token.startsWith(esc)) assert.fail(`unexpected ${JSON.stringify(token)}`)
    else put(token)
  }
  assert.equal(column, 0, 'the prompt would not begin its line')
  return lines
}

const script = needs('script', 'bsdutils')
const bar = /[=-]{30} (\d+)% {2}(\d+) messages, \d+ a second, [\dms ]+ left/g

for (const [name, write] of Object.entries({
  'an mbox': (path: string) => writeFileSync(path, mbox(450)),
  'a gzipped mbox': (path: string) => writeFileSync(path, gzipSync(mbox(450))),
})) {
  test(
    `ingest of ${name} on a terminal: share, messages and rate, and every line of output whole`,
    script,
    async (t) => {
      const site = new Site(t)
      const path = join(site.folder, 'mail')
      write(path)
      const { output } = await onTerminal(site, 'ingest', path)
      const drawn = [...output.matchAll(bar)].map(([, share, count]) => [
        Number(share),
        Number(count),
      ])
      assert.ok(drawn.length > 0)
      assert.ok(drawn.every(([share = 0, count = 0]) => Math.abs(share / 100 - count / 450) < 0.05))
      const lines = screen(output)
      const hosts = lines.splice(0, 4).map((line) => line.split(' is listed: ')[0])
      assert.deepEqual(
        hosts,
        [1, 2, 3, 4].map((last) => `198.51.100.${last}/32`),
      )
      const [full, summary, ...rest] = lines
      assert.match(full ?? '', /^={30} 100% {2}450 messages, \d+ a second, in [\dms ]+$/)
      assert.match(summary ?? '', /^4 messages listed a host, /)
      assert.deepEqual(rest, [''])
    },
  )
}

test('an import on a terminal leaves its full bar above what it says', script, async (t) => {
  const site = new Site(t)
  const path = join(site.folder, 'list.txt')
  writeFileSync(path, '192.0.2.1\n192.0.2.2\n')
  const { output } = await onTerminal(site, 'import', '--list', 'theirs', path)
  const lines = screen(output)
  assert.match(lines[0] ?? '', /^={30} 100% {2}done, in [\dms ]+$/)
  assert.deepEqual(lines.slice(1), ['theirs: 2 added, 0 removed, 0 kept, 0 refused.', ''])
})

test(
  'an import through a server shows its phases until DNS answers the list',
  script,
  async (t) => {
    const site = new Site(t)
    await site.start()
    const path = join(site.folder, 'list.txt')
    const lines = Array.from(
      { length: 150_000 },
      (_, at) => `20.${at >> 16}.${(at >> 8) & 255}.${at & 255}\n`,
    )
    writeFileSync(path, lines.join(''))
    const { output } = await onTerminal(site, 'import', '--list', 'theirs', path)
    assert.match(output, /% {2}reading 1\.8 MB, /)
    assert.match(output, /% {2}publishing \d+ of 150000 entries, /)
    assert.deepEqual(screen(output).slice(1), [
      'theirs: 150000 added, 0 removed, 0 kept, 0 refused.',
      '',
    ])
  },
)

test('what fails half-way leaves no bar behind, but its message', script, async (t) => {
  const site = new Site(t)
  const path = join(site.folder, 'mail.gz')
  writeFileSync(path, gzipSync(mbox(450)).subarray(0, -200))
  const { code, output } = await onTerminal(site, 'ingest', path)
  assert.equal(code, 1)
  assert.match(output, bar)
  assert.match(screen(output).at(-2) ?? '', /^backscatterd: cannot read \S+mail\.gz: /)
  assert.doesNotMatch(screen(output).join('\n'), /%/)
})

test('a pipe sees nothing of it', async (t) => {
  const site = new Site(t)
  const path = join(site.folder, 'mail')
  writeFileSync(path, mbox(50))
  const { code, stdout, stderr } = await site.run('ingest', path)
  assert.deepEqual([code, stderr, stdout], [0, '', '50 messages were for no trap.\n'])
})
