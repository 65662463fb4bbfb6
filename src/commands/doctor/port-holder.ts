// Who holds a port of this machine, from /proc (proc_pid_fd(5), proc_pid_net(5)). Only root sees the processes of others.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

export interface PortHolder {
  readonly pid: number
  readonly program: string
}

/** State of a listening TCP socket and of an unconnected UDP socket in /proc/net. */
const openStates = { tcp: '0A', udp: '07' } as const

/** The processes that listen on that port, on whatever address. Empty if that cannot be told. */
export function holdersOf(protocol: 'tcp' | 'udp', port: number): PortHolder[] {
  const inodes = new Set(
    [protocol, `${protocol}6`].flatMap((table) => inodesIn(table, protocol, port)),
  )
  if (inodes.size === 0) return []
  const pids = list('/proc').filter((name) => /^\d+$/.test(name))
  return pids
    .filter((pid) =>
      list(`/proc/${pid}/fd`).some((fd) => inodes.has(target(`/proc/${pid}/fd/${fd}`))),
    )
    .map((pid) => ({ pid: Number(pid), program: read(`/proc/${pid}/comm`).trim() }))
}

/** `socket:[INODE]` of each socket in the table that listens on the port. */
function inodesIn(table: string, protocol: 'tcp' | 'udp', port: number): string[] {
  const rows = read(`/proc/net/${table}`).trim().split('\n').slice(1)
  return rows.flatMap((row) => {
    const [, local = '', , state, , , , , , inode] = row.trim().split(/\s+/)
    const isHere = Number.parseInt(local.split(':')[1] ?? '', 16) === port
    return isHere && state === openStates[protocol] ? [`socket:[${inode}]`] : []
  })
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
