// The thread of a mirror: fetches the zone, keeps it on disk and writes the tree, so that a large zone never holds up the main
// thread. The thread starts with this file.
import { getHeapStatistics } from 'node:v8'
import { parentPort, workerData } from 'node:worker_threads'
import type { Logger } from '../errors.ts'
import { wallClockSeconds } from '../quantity.ts'
import type { TreeStats } from '../tree/blocks.ts'
import { TreeWriter } from '../tree/writer.ts'
import type { AskOptions } from './fetch-zone.ts'
import { Mirror } from './mirror.ts'
import type { MirroredZone } from './mirrored-zone.ts'
import { NetworkReader } from './received-names.ts'

export interface MirrorThreadData extends Omit<AskOptions, 'signal'> {
  /** The file that keeps the zone. */
  readonly path: string
  /** zone.text of the primary. */
  readonly text: string
  /** Of the tree. */
  readonly capacityBytes: number
}

/** What a zone says besides the listings. */
export type OwnPart = Pick<MirroredZone, 'own' | 'ttl'>

/** `taken`: the last `own` is in force. */
export type ToMirror = 'ask' | 'taken'

/** `tree` is there once the zone on disk is shown. `own` waits for `taken`. */
export type FromMirror =
  | { readonly log: keyof Logger; readonly fields: object; readonly message: string }
  | { readonly own: OwnPart }
  | { readonly usage: TreeStats }
  | { readonly tree: SharedArrayBuffer }

/** Octets of the heap that a name may take while its zone and the next one are both there. */
const octetsPerName = 512

async function serve(data: MirrorThreadData, port: NonNullable<typeof parentPort>): Promise<void> {
  const say = (message: FromMirror): void => port.postMessage(message)
  const logged = (log: keyof Logger) => (fields: object, message: string) =>
    say({ log, fields, message })
  const tree = new TreeWriter(data.capacityBytes)
  let onTaken = (): void => undefined
  const mirror = new Mirror({
    ...data,
    networks: new NetworkReader(data.text),
    maxNames: Math.floor(getHeapStatistics().heap_size_limit / octetsPerName),
    tree,
    log: {
      error: logged('error'),
      warn: logged('warn'),
      info: logged('info'),
      debug: logged('debug'),
    },
    now: wallClockSeconds,
    async onZone({ own, ttl }) {
      const { promise, resolve } = Promise.withResolvers<void>()
      onTaken = resolve
      say({ own: { own, ttl } })
      await promise
    },
    onShown: () => say({ usage: tree.stats() }),
  })
  port.on('message', (message: ToMirror) => {
    if (message === 'taken') onTaken()
    else mirror.ask()
  })
  await mirror.load()
  say({ tree: tree.buffer })
}

if (parentPort !== null) await serve(workerData, parentPort)
