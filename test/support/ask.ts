// One DNS question over UDP, decoded by dns2: independent of src/dns.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import DNS from 'dns2'

export interface Answer {
  readonly rcode: number
  readonly a: string[]
  readonly txt: string[]
  readonly ttl: number | undefined
  readonly serial: number | undefined
}

/**
 * Asks `server` (host:port) for `name`, again each second. Rejects after half a minute without an answer, and when `stop` is
 * aborted.
 */
export async function ask(
  server: string,
  name: string,
  type: 'A' | 'TXT' | 'SOA' = 'A',
  stop: AbortSignal = AbortSignal.any([]),
): Promise<Answer> {
  const [, host = '', port = ''] = /^\[?([^\]]*)\]?:(\d+)$/.exec(server) ?? []
  const query = new DNS.Packet()
  query.header.id = Math.floor(Math.random() * 65_536)
  query.questions.push(
    new DNS.Packet.Question({ name, type: DNS.Packet.TYPE[type], class: DNS.Packet.CLASS.IN }),
  )
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4')
  const send = () => socket.send(query.toBuffer(), Number(port), host)
  const again = setInterval(send, 1000)
  try {
    send()
    const signal = AbortSignal.any([stop, AbortSignal.timeout(30_000)])
    let response: DNS.Packet
    do {
      const [message] = await once(socket, 'message', { signal })
      response = DNS.Packet.parse(message)
      // A late second answer to whoever had this port before has another id.
    } while (response.header.id !== query.header.id)
    const records = [...response.answers, ...response.authorities]
    return {
      rcode: response.header.rcode,
      a: response.answers.flatMap((each) => each.address ?? []),
      txt: response.answers.flatMap((each) => each.data ?? []).map(String),
      ttl: response.answers[0]?.ttl,
      serial: records.flatMap((each) => each.serial ?? [])[0],
    }
  } finally {
    clearInterval(again)
    socket.close()
  }
}

/** The question name of an IPv4 address, or of an IPv6 address written out in full (eight groups of four digits). */
export function reversed(address: string, zone: string): string {
  return address.includes(':')
    ? `${[...address.replaceAll(':', '')].reverse().join('.')}.${zone}`
    : `${address.split('.').reverse().join('.')}.${zone}`
}
