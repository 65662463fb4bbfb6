// Who holds a port of this machine, from /proc (proc_pid_fd(5), proc_pid_net(5)). Only root sees the processes of others.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { endianness } from 'node:os'
import { parseAddress, sameAddress } from '../../ip/address.ts'

export interface PortHolder {
  readonly pid: number
  readonly program: string
}

/** State of a listening TCP socket and of an unconnected UDP socket in /proc/net. */
const openStates = { tcp: '0A', udp: '07' } as const

/** The processes that keep others from that address and port. Empty if that cannot be told. */
export function holdersOf(protocol: 'tcp' | 'udp', host: string, port: number): PortHolder[] {
  const inodes = new Set(
    [protocol, `${protocol}6`].flatMap((table) => inodesIn(table, protocol, host, port)),
  )
  if (inodes.size === 0) return []
  const pids = list('/proc').filter((name) => /^\d+$/.test(name))
  return pids
    .filter((pid) =>
      list(`/proc/${pid}/fd`).some((fd) => inodes.has(target(`/proc/${pid}/fd/${fd}`))),
    )
    .map((pid) => ({ pid: Number(pid), program: read(`/proc/${pid}/comm`).trim() }))
}

/** `socket:[INODE]` of each socket in the table that listens on the port, and on that address or a wildcard. */
function inodesIn(table: string, protocol: 'tcp' | 'udp', host: string, port: number): string[] {
  const rows = read(`/proc/net/${table}`).trim().split('\n').slice(1)
  return rows.flatMap((row) => {
    const [, local = '', , state, , , , , , inode] = row.trim().split(/\s+/)
    const [address = '', localPort = ''] = local.split(':')
    const isHere = Number.parseInt(localPort, 16) === port && meets(address, host)
    return isHere && state === openStates[protocol] ? [`socket:[${inode}]`] : []
  })
}

/** Whether sockets on both addresses would be in each other's way. `held` is as /proc/net writes it. */
function meets(held: string, host: string): boolean {
  const wanted = parseAddress(host)
  // A socket on :: may take IPv4 too.
  if ('why' in wanted || held === ''.padEnd(32, '0')) return true
  const isSameFamily = (held.length === 32) === (wanted.value.family === 6)
  if (!isSameFamily) return false
  const isWildcard = host === '::' || host === '0.0.0.0' || /^0+$/.test(held)
  const address = parseAddress(addressText(held))
  return isWildcard || ('value' in address && sameAddress(address.value, wanted.value))
}

/** The table has words of 32 bits in the machine's own order of bytes. */
function addressText(held: string): string {
  const words = held.match(/.{8}/g) ?? []
  const hex = words
    .map((word) => (endianness() === 'LE' ? word.match(/../g)?.reverse().join('') : word))
    .join('')
  return hex.length === 8
    ? Buffer.from(hex, 'hex').join('.')
    : (hex.match(/.{4}/g)?.join(':') ?? '')
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function list(path: string): string[] {
  try {
    return readdirSync(path)
  } catch {
    return []
  }
}

function target(link: string): string {
  try {
    return readlinkSync(link)
  } catch {
    return ''
  }
}
