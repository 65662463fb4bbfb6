// A small authoritative name server for tests that need one to ask: records from a table, over UDP and TCP on loopback.
import type { TestContext } from 'node:test'
import { createServer, Packet } from 'dns2'
import { freePort } from './ports.ts'

type Answer = string | { exchange: string; priority: number }

/** Records by `TYPE name`; `SERVFAIL` or `DROP` in place of records. */
export type Zone = Record<string, readonly Answer[] | 'SERVFAIL' | 'DROP' | 'CUT'>

export interface TestNameServer {
  /** host:port */
  readonly address: string
  /** `TYPE name` of each question, in order. */
  readonly asked: string[]
  zone: Zone
}

/** NXDOMAIN for what the zone does not have at all, NODATA where it has another type; both with an SOA of 60 s. */
export async function startNameServer(t: TestContext, zone: Zone): Promise<TestNameServer> {
  const state = { asked: [] as string[], zone, address: '' }
  const handler = (isUdp: boolean) => ({
    handle: (request: Packet, send: (response: Packet) => void) => {
      const [question] = request.questions
      const name = question?.name.toLowerCase() ?? ''
      const type = Packet.typeName(question?.type ?? 0)
      state.asked.push(`${type} ${name}`)
      const found = state.zone[`${type} ${name}`]
      const response = Packet.createResponseFromRequest(request)
      if (found === 'DROP') return
      if (found === 'SERVFAIL') response.header.rcode = Packet.RCODE.SERVFAIL
      else if (found === 'CUT' && isUdp) response.header.tc = 1
      else if (found === 'CUT') response.answers.push(record(name, 'TXT', 'over tcp'))
      else if (found !== undefined) {
        response.answers.push(...found.map((answer) => record(name, type, answer)))
      } else {
        const isName = Object.keys(state.zone).some((key) => key.endsWith(` ${name}`))
        if (!isName) response.header.rcode = Packet.RCODE.NXDOMAIN
        response.authorities.push(soa)
      }
      send(response)
    },
  })
  const port = await freePort()
  const tcp = createServer({ tcp: true, ...handler(false) })
  await tcp.listen({ tcp: { port, address: '127.0.0.1' } })
  const udp = createServer({ udp: true, ...handler(true) })
  await udp.listen({ udp: { port, address: '127.0.0.1' } })
  t.after(async () => await Promise.all([tcp.close(), udp.close()]))
  state.address = `127.0.0.1:${port}`
  return state
}

const base = { class: Packet.CLASS.IN, ttl: 60 }

const soa = {
  name: 'test',
  type: Packet.TYPE.SOA,
  ...base,
  primary: 'ns.test',
  admin: 'h.test',
  serial: 1,
  refresh: 60,
  retry: 60,
  expiration: 60,
  minimum: 60,
} as unknown as Packet['answers'][number]

function record(name: string, type: string, answer: Answer): Packet['answers'][number] {
  const rdata =
    typeof answer === 'object'
      ? answer
      : type === 'TXT'
        ? { data: answer.match(/.{1,250}/gs) ?? [''] }
        : type === 'A' || type === 'AAAA'
          ? { address: answer }
          : { domain: answer }
  const code = Packet.TYPE[type as keyof typeof Packet.TYPE]
  return { name, type: code, ...base, ...rdata } as unknown as Packet['answers'][number]
}
