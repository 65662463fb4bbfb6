// Zone transfers out of a database in this process, without sockets: what the transfer thread would send.
import { addressFromIPv4, networkOf } from '../../src/ip/address.ts'
import { encodeZone } from '../../src/resolver/records.ts'
import { transferMessages } from '../../src/transfer/transfer.ts'
import { subjectZone } from './dns-subject.ts'
import {
  applyTransfer,
  axfrQuery,
  ixfrQuery,
  readMessage,
  type Transferred,
  type ZoneCopy,
} from './transfer-client.ts'

export const loopback = addressFromIPv4(0x7f00_0001)

export function zoneWith(text: string = subjectZone.text) {
  return encodeZone({ ...subjectZone, text, retired: false })
}

export function localOptions(path: string, zone = zoneWith()) {
  return { path, zone, keys: [], rules: [{ clients: networkOf(loopback, 8), key: undefined }] }
}

/** The messages to a client on loopback; undefined if it would have to wait. */
export function transferFrom(
  path: string,
  query: Buffer,
  zone = zoneWith(),
): ReturnType<typeof readMessage>[] | undefined {
  const found: ReturnType<typeof readMessage>[] = []
  for (const step of transferMessages(query, loopback, localOptions(path, zone), () => 0)) {
    if (!('pauseMs' in step)) found.push(readMessage(step))
    else if (step.pauseMs > 0) return undefined
  }
  return found
}

/** Brings a copy up to date, or makes one. Undefined if the zone cannot be sent now. */
export function transferred(
  path: string,
  old?: ZoneCopy,
  zone = zoneWith(),
): Transferred | undefined {
  const { origin } = subjectZone
  const messages = transferFrom(path, old ? ixfrQuery(origin, old.serial) : axfrQuery(origin), zone)
  return (
    messages &&
    applyTransfer(
      messages.flatMap(({ records }) => records),
      old,
    )
  )
}
