// A thread that looks on while the tree changes (readers.test.ts starts several): it enters, checks what holds in
// every published version and in no half of one, and reports the first thing that does not.
import { parentPort, threadId, workerData } from 'node:worker_threads'
import { openReader } from '../../../src/tree/open-reader.ts'
import { seeded } from './oracle.ts'

/** What the threads share about the content; the writer's side is in readers.test.ts. */
export const groups = 400
export const groupSize = 8
/** Listed in every version with the version's own serial. */
export const stamp = 0xc0000201

/** IPv4 address of a member of a group, spread over the address space, some groups crowded. */
export function member(group: number, index: number): number {
  const base = group % 2 === 0 ? Math.imul(group + 1, 0x9e3779b1) : 0x0a000000 + group * 64
  return (base + index * (group % 3 === 0 ? 1 : 3)) >>> 0
}

/** IPv6 /64 that goes with an IPv4 address: two words. */
export function partner(address: number): [number, number] {
  return [0x20010000 + (address >>> 24), Math.imul(address, 0x01000193) >>> 0]
}

export interface ThreadData {
  buffer: SharedArrayBuffer
  slot: number
  /** Word 0: stop; word 1: readers that have begun. */
  control: Int32Array<SharedArrayBuffer>
  /** Ends itself while inside, after so many checks. */
  diesAfter: number
}

export interface ThreadReport {
  checks: number
  versions: number
  fault: string | undefined
}

if (parentPort) {
  const { buffer, slot, control, diesAfter }: ThreadData = workerData
  const reader = openReader(buffer, slot)
  const random = seeded(threadId)
  let checks = 0
  let versions = 0
  let serial = 0
  let fault: string | undefined

  /** Every group has one member listed, with its partner, by a change no newer than this version. */
  const check = (): string | undefined => {
    if (reader.find(4, stamp, 0, 0, 0) !== reader.serial) return 'the stamp is of another version'
    if (reader.find(6, stamp, 0, 0, 0) !== reader.serial)
      return 'the IPv6 stamp is of another version'
    const group = random(groups)
    let listed = 0
    for (let index = 0; index < groupSize; index++) {
      const address = member(group, index)
      const [w0, w1] = partner(address)
      const answer = reader.find(4, address, 0, 0, 0)
      if (answer > reader.serial) return 'an entry of a later version'
      if (answer !== reader.find(6, w0, w1, 1, 2)) return 'half of a pair'
      if (answer >= 0 !== reader.hasEntryUnder(6, w0, w1, 0, 0, 64)) return 'a partial name differs'
      if (answer >= 0) listed++
    }
    return listed === 1 ? undefined : `${listed} members of group ${group}`
  }

  Atomics.add(control, 1, 1)
  while (Atomics.load(control, 0) === 0 && fault === undefined) {
    reader.enter()
    if (reader.serial < serial) fault = 'the serial went back'
    if (reader.serial > serial) versions++
    serial = reader.serial
    for (let i = 0; i < 20; i++) fault ??= check()
    checks += 20
    if (checks === diesAfter) process.exit(0)
    const pause = random(50)
    if (pause === 0) {
      Atomics.wait(control, 0, 0, 5)
      fault ??= check()
      if (reader.serial !== serial) fault = 'the version moved inside'
    }
    if (pause === 1) {
      reader.leave()
      Atomics.wait(control, 0, 0, 5)
    }
  }
  reader.leave()
  const report: ThreadReport = { checks, versions, fault }
  parentPort.postMessage(report)
}
