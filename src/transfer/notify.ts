// Tells the secondaries that the zone has changed (RFC 1996), so that they ask for it at once.
import { randomInt } from 'node:crypto'
import { createSocket, type Socket } from 'node:dgram'
import { classes, flags, get16, headerLength, opcodes, put16, rcodes, types } from '../dns/wire.ts'
import type { ZoneData } from '../dns/zone.ts'
import type { Logger } from '../errors.ts'
import { parseAddress, sameAddress } from '../ip/address.ts'
import { wallClockSeconds } from '../quantity.ts'
import { MessagePacker } from './messages.ts'
import { signRequest, type TsigKey } from './tsig.ts'
import { soaRecord } from './zone-content.ts'

export interface Secondary {
  readonly host: string
  readonly port: number
  /** Signs the NOTIFY messages; undefined: they are not signed. */
  readonly key: TsigKey | undefined
  /** The address that NOTIFY comes from; undefined: the system chooses. */
  readonly localAddress?: string | undefined
}

/** What a secondary was told and whether it answered. Times in epoch seconds; null: never. */
export interface SecondaryStatus {
  /** host:port or [v6]:port. */
  readonly address: string
  /**
   * 'waiting': no answer yet. 'refused': it answered the last change with an error. 'silent': the last change was told as often
   * as allowed, without an answer.
   */
  readonly state: 'waiting' | 'ok' | 'refused' | 'silent'
  /** The serial that it was told of last. */
  readonly serial: number | null
  readonly toldAt: number | null
  readonly answeredAt: number | null
  /** The newest serial whose NOTIFY it answered without an error. */
  readonly answeredSerial: number | null
}

/** Changes within this time are told together. */
const coalesceMs = 200
/** The wait for an answer, which doubles with each try (RFC 1996 §3.6). */
const firstWaitMs = 1000
const longestWaitMs = 60_000
const maxTries = 10

export class Notifier {
  readonly #targets: readonly Target[]
  #soon: NodeJS.Timeout | undefined
  #serial = 0

  constructor(zone: ZoneData, secondaries: readonly Secondary[], log: Logger) {
    this.#targets = secondaries.map((secondary) => new Target(zone, secondary, log))
  }

  /** Call it after each publication, with its serial. */
  onPublished(serial: number): void {
    this.#serial = serial
    this.#soon ??= setTimeout(() => {
      this.#soon = undefined
      for (const target of this.#targets) target.begin(this.#serial)
    }, coalesceMs).unref()
  }

  /** In the order of the secondaries. */
  status(): SecondaryStatus[] {
    return this.#targets.map((target) => target.status)
  }

  close(): void {
    clearTimeout(this.#soon)
    for (const target of this.#targets) target.stop()
  }
}

/** One secondary. A new change restarts the tries. */
class Target {
  readonly #zone: ZoneData
  readonly #secondary: Secondary
  readonly #log: Logger
  #socket: Socket | undefined
  #retry: NodeJS.Timeout | undefined
  #id = 0
  #status: SecondaryStatus

  constructor(zone: ZoneData, secondary: Secondary, log: Logger) {
    this.#zone = zone
    this.#secondary = secondary
    this.#log = log
    const { host, port } = secondary
    this.#status = {
      address: host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`,
      state: 'waiting',
      ...{ serial: null, toldAt: null, answeredAt: null, answeredSerial: null },
    }
  }

  get status(): SecondaryStatus {
    return this.#status
  }

  begin(serial: number): void {
    this.stop()
    this.#status = { ...this.#status, serial, toldAt: wallClockSeconds() }
    const { host, localAddress } = this.#secondary
    const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4')
    this.#socket = socket
    this.#id = randomInt(65_536)
    // An error, such as an unreachable port, is the same as no answer: the next try comes.
    socket.on('error', () => undefined)
    socket.on('message', (answer, { address }) => {
      if (isSameHost(address, host) && isAnswer(answer, this.#id)) this.#onAnswer(answer)
    })
    socket.unref()
    if (localAddress !== undefined) socket.bind(0, localAddress)
    this.#try(1)
  }

  stop(): void {
    clearTimeout(this.#retry)
    this.#socket?.close()
    this.#socket = undefined
  }

  #try(count: number): void {
    const { host, port, key } = this.#secondary
    const message = notifyMessage(this.#zone, this.#id, this.#status.serial ?? 0)
    const sent = key === undefined ? message : signRequest(message, key, wallClockSeconds()).message
    this.#socket?.send(sent, port, host, () => undefined)
    const waitMs = Math.min(firstWaitMs * 2 ** (count - 1), longestWaitMs)
    this.#retry = setTimeout(() => {
      if (count < maxTries) this.#try(count + 1)
      else this.#onSilence()
    }, waitMs).unref()
  }

  #onAnswer(answer: Uint8Array): void {
    this.stop()
    const { state, address, serial } = this.#status
    const rcode = (answer[3] ?? 0) & 15
    if (rcode !== rcodes.NOERROR) {
      const fields = { secondary: address, rcode }
      if (state !== 'refused') this.#log.warn(fields, 'the secondary refuses NOTIFY')
      this.#status = { ...this.#status, state: 'refused' }
      return
    }
    if (state === 'silent' || state === 'refused')
      this.#log.info({ secondary: address }, 'the secondary answers NOTIFY again')
    const answered = { answeredAt: wallClockSeconds(), answeredSerial: serial }
    this.#status = { ...this.#status, state: 'ok', ...answered }
  }

  #onSilence(): void {
    this.stop()
    const { state, address } = this.#status
    if (state !== 'silent')
      this.#log.warn({ secondary: address }, 'the secondary does not answer NOTIFY')
    this.#status = { ...this.#status, state: 'silent' }
  }
}

/**
 * RFC 1996 §3.7: QR 0, opcode NOTIFY, AA, and the zone's SOA as question. The SOA record in the answer section tells a secondary
 * that is just fetching an older zone that there is a newer one: without it, NSD takes the NOTIFY for done with what it fetches.
 */
function notifyMessage(zone: ZoneData, id: number, serial: number): Uint8Array {
  const { origin } = zone
  const question = new Uint8Array(origin.length + 4)
  question.set(origin)
  put16(question, origin.length, types.SOA)
  put16(question, origin.length + 2, classes.IN)
  const packer = new MessagePacker({ id, question })
  packer.add(soaRecord(zone, serial))
  const message = packer.take()
  message[2] = (opcodes.NOTIFY << 3) | flags.AA
  return message
}

function isSameHost(a: string, b: string): boolean {
  const [one, other] = [parseAddress(a), parseAddress(b)]
  return 'value' in one && 'value' in other && sameAddress(one.value, other.value)
}

/** A response with an error counts too: it ends the tries (RFC 1996 §3.6). */
function isAnswer(message: Uint8Array, id: number): boolean {
  if (message.length < headerLength || get16(message, 0) !== id) return false
  const opcode = ((message[2] ?? 0) & flags.opcode) >>> 3
  return ((message[2] ?? 0) & flags.QR) !== 0 && opcode === opcodes.NOTIFY
}
