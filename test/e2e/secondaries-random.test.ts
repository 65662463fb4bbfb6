// Random sequences of changes, imports, expiries, restarts and kills: after each, the zone of every secondary is ours, record by
// record, as dig gets both. DNSBL_SEQUENCES sets their number, DNSBL_SEED repeats a failure.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { copyFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { ask } from '../support/ask.ts'
import { needs } from '../support/debian.ts'
import { fixedSeed } from '../support/properties.ts'
import { inside, randomAddress, randomPrefix } from '../support/random-list.ts'
import {
  type Fleet,
  needsSecondaries,
  prepareFleet,
  type Secondary,
  secondaryKinds,
} from '../support/secondaries.ts'
import { seeded } from '../support/seeded.ts'
import { origin, type Server, until } from '../support/server.ts'

const sequences = Number(process.env['DNSBL_SEQUENCES'] ?? 3)
const seed = Number(process.env['DNSBL_SEED'] ?? fixedSeed ?? randomInt(1, 2 ** 31))
const patienceMs = 180_000
const kinds = ['', 'dsn', 'auto-reply', 'dsn challenge-response', 'callout']

test('after random changes, imports, expiries, restarts and kills, every secondary has our zone', {
  skip: needsSecondaries(secondaryKinds).skip || needs('dig', 'bind9-dnsutils').skip,
}, async (t) => {
  const course = await Course.begin(t, seeded(seed))
  for (let number = 1; number <= sequences; number++) {
    const done = await course.sequence()
    const records = await course.assertEqualZones(`seed ${seed}, sequence ${number}: ${done}`)
    if (process.env['DNSBL_SEQUENCES']) t.diagnostic(`${number}: ${records} records; ${done}`)
  }
})

/** A fleet, and what is done to it. */
class Course {
  readonly #fleet: Fleet
  readonly #random: () => number
  readonly #listed: string[] = []
  readonly #excluded: string[] = []
  readonly #exempted: string[] = []
  #server: Server
  #copies = 0
  #kills = 0
  /** Each is done once in a while, and leaves a server running. */
  readonly #acts: readonly [weight: number, name: string, act: () => Promise<unknown>][] = [
    [6, 'add', () => this.#add()],
    [2, 'add for seconds', () => this.#add('--for', `${1 + this.#below(4)}s`)],
    [3, 'remove', () => this.#remove()],
    [2, 'exclude', () => this.#except('exclude', this.#excluded)],
    [2, 'exempt', () => this.#except('exempt', this.#exempted)],
    [1, 'include', () => this.#endExcept('include', this.#excluded)],
    [1, 'unexempt', () => this.#endExcept('unexempt', this.#exempted)],
    [3, 'import', () => this.#import()],
    [1, 'wait', () => sleep(this.#below(3000))],
    [1, 'restart', () => this.#restart('SIGTERM')],
    [1, 'kill', () => this.#restart('SIGKILL')],
    [1, 'kill in a command', () => this.#killInCommand()],
    [1, 'kill in a transfer', () => this.#killInTransfer()],
    [1, 'restore', () => this.#restore()],
    [1, 'secondary restarted', () => this.#restartSecondary('SIGTERM')],
    [1, 'secondary killed', () => this.#restartSecondary('SIGKILL')],
  ]

  private constructor(fleet: Fleet, server: Server, random: () => number) {
    this.#fleet = fleet
    this.#server = server
    this.#random = random
  }

  static async begin(t: TestContext, random: () => number): Promise<Course> {
    const fleet = await prepareFleet(t, secondaryKinds)
    const server = await fleet.site.start()
    for (const secondary of fleet.secondaries) secondary.start()
    return new Course(fleet, server, random)
  }

  /** Does two to six things, and says what. */
  async sequence(): Promise<string> {
    const weighted = this.#acts.flatMap(([weight, ...act]) =>
      Array.from({ length: weight }, () => act),
    )
    const names: string[] = []
    for (let left = 2 + this.#below(5); left > 0; left--) {
      const [name, act] = this.#oneOf(weighted) ?? ['nothing', async () => undefined]
      names.push(name)
      await act()
    }
    return names.join(', ')
  }

  /** Waits until all have our zone; resolves with its number of records. */
  async assertEqualZones(what: string): Promise<number> {
    const { secondaries, secret } = this.#fleet
    const ours = () => zoneAt(this.#server.dns, '-y', `hmac-sha256:mirror1:${secret}`)
    const all = async () => ({
      ours: await ours(),
      theirs: await Promise.all(secondaries.map(({ address }) => zoneAt(address))),
    })
    const areSame = ({ ours, theirs }: Awaited<ReturnType<typeof all>>) =>
      ours.length > 0 && theirs.every((zone) => zone.join('\n') === ours.join('\n'))
    const last = await until(all, areSame, patienceMs)
    for (const [index, zone] of last.theirs.entries()) {
      assert.deepEqual(zone, last.ours, `${secondaries[index]?.kind}: ${what}`)
    }
    assert.ok(last.ours.length > 10, what)
    return last.ours.length
  }

  async #add(...words: string[]): Promise<void> {
    const prefixes = Array.from({ length: 1 + this.#below(4) }, () => this.#prefix())
    const kind = ['dsn', 'auto-reply', 'callout'][this.#below(4)]
    const { code } = await this.#run(
      'add',
      ...prefixes,
      ...(kind ? ['--kind', kind] : []),
      ...words,
    )
    // A prefix that is excluded or exempt is refused.
    if (code === 0) this.#listed.push(...prefixes)
  }

  async #remove(): Promise<void> {
    const prefix = this.#take(this.#listed)
    // It may have expired, or been lost with a restored copy.
    if (prefix) await this.#run('remove', prefix)
  }

  async #except(command: string, all: string[]): Promise<void> {
    const listed = this.#oneOf(this.#listed) ?? this.#prefix()
    const [, , within = ''] = inside(listed, this.#random)
    const prefix = this.#below(2) ? within : randomPrefix(this.#random, within)
    const { code } = await this.#run(command, prefix)
    if (code === 0) all.push(prefix)
  }

  async #endExcept(command: string, all: string[]): Promise<void> {
    const prefix = this.#take(all)
    if (prefix) await this.#run(command, prefix)
  }

  /** A list appears, or is replaced. */
  async #import(): Promise<void> {
    const file = join(this.#fleet.site.folder, 'list.csv')
    const ends = new Date(Date.now() + 1000 * (3 + this.#below(5))).toISOString()
    const lines = Array.from({ length: this.#below(60) }, () => {
      const until = this.#below(5) === 0 ? ends : ''
      return `${this.#prefix()},${this.#oneOf(kinds)},${until}`
    })
    writeFileSync(file, `${['prefix,kinds,expiresAt', ...lines].join('\n')}\n`)
    const list = this.#oneOf(['partners', 'others']) ?? ''
    const { code, stderr } = await this.#run('import', file, '--list', list, '--force')
    // When the list comes to a slow machine, all of its lines may have expired.
    if (code !== 0) assert.match(stderr, /no line is an entry/)
  }

  /** Half of the times, a command changes the list while no server runs. */
  async #restart(signal: NodeJS.Signals): Promise<void> {
    await this.#server.kill(signal)
    if (this.#below(2)) await this.#add()
    this.#server = await this.#fleet.site.start()
  }

  async #killInCommand(): Promise<void> {
    const command = this.#below(2) ? this.#add() : this.#import().catch(() => undefined)
    await sleep(this.#below(600))
    await this.#server.kill('SIGKILL')
    await command
    this.#server = await this.#fleet.site.start()
  }

  /** Some secondary asks for the change, and gets a part of the answer. */
  async #killInTransfer(): Promise<void> {
    const octets = 1 + this.#below(400)
    const killed = this.#fleet.passage.after(octets, () => this.#server.kill('SIGKILL'))
    // One that is not listed and that no exception covers, so that there is a change.
    this.#kills += 1
    await this.#run('add', `2001:db8::${this.#kills.toString(16)}`, '--for', '1h')
    await killed
    this.#server = await this.#fleet.site.start()
  }

  /** The server goes back to a copy that it makes now, or made before. */
  async #restore(): Promise<void> {
    const { folder } = this.#fleet.site
    const copy = (number: number): string => join(folder, `copy${number}.db`)
    if (this.#copies === 0 || this.#below(2)) {
      const { code, stderr } = await this.#run('backup', copy(this.#copies))
      assert.equal(code, 0, stderr)
      this.#copies += 1
      await this.#add()
    }
    // A copy goes on a day ahead of the clock: the server must not have published more than once a second since an earlier one.
    for (let waitMs = 1; waitMs > 0; ) {
      const { serial = 0 } = await ask(this.#server.dns, origin, 'SOA')
      waitMs = (serial - 86_400 + 1) * 1000 - Date.now()
      await sleep(Math.max(waitMs, 0))
    }
    await this.#server.kill('SIGKILL')
    for (const end of ['', '-wal', '-shm']) rmSync(join(folder, `list.db${end}`), { force: true })
    copyFileSync(copy(this.#below(this.#copies)), join(folder, 'list.db'))
    this.#server = await this.#fleet.site.start()
  }

  async #restartSecondary(signal: NodeJS.Signals): Promise<void> {
    const secondary: Secondary | undefined = this.#oneOf(this.#fleet.secondaries)
    await secondary?.stop(signal)
    if (this.#below(2)) await this.#add()
    secondary?.start()
    await secondary?.look()
  }

  #run(...words: string[]) {
    return this.#fleet.site.run(...words)
  }

  #prefix(): string {
    return randomPrefix(this.#random, randomAddress(this.#random))
  }

  #below(limit: number): number {
    return this.#random() % limit
  }

  #oneOf<T>(all: readonly T[]): T | undefined {
    return all[this.#below(Math.max(all.length, 1))]
  }

  #take(all: string[]): string | undefined {
    const [taken] = all.splice(this.#below(Math.max(all.length, 1)), 1)
    return taken
  }
}

/** The records that the server at host:port sends, sorted. Empty if it sends no zone. */
async function zoneAt(server: string, ...words: string[]): Promise<string[]> {
  const [host = '', port = ''] = server.split(':')
  const options = ['+onesoa', '+time=5', '+tries=1', ...words]
  const dig = promisify(execFile)('dig', [`@${host}`, '-p', port, origin, 'AXFR', ...options], {
    maxBuffer: 2 ** 28,
  })
  const { stdout } = await dig.catch(() => ({ stdout: '' }))
  return stdout
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith(';') && !/\sTSIG\s/.test(line))
    .map((line) => line.replaceAll(/\s+/g, ' '))
    .toSorted()
}
