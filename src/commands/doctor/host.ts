// Checks the machine: the receive buffer of DNS, free disk, and the clock. Also what a running server says of its own state,
// and whether it uses the configuration as it is now.
import { readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { freeRoom } from '../../blocklist/record.ts'
import { wantedBufferBytes } from '../../nameserver/native.ts'
import { formatSize } from '../../quantity.ts'
import { isChangedSinceRead } from '../status.ts'
import { words } from '../unit.ts'
import { type Finding, type Installation, statOf } from './installation.ts'

/** A database that was written later than this after now shows that the clock went back. */
const toleranceMs = 3_600_000

export function checkHost(installation: Installation): Finding[] {
  return [
    ...checkReceiveBuffer(installation),
    ...checkDisk(installation),
    ...checkClock(installation),
    ...checkServerState(installation),
    ...checkConfiguration(installation),
  ]
}

function checkReceiveBuffer({ config, server, unit, user }: Installation): Finding[] {
  if (!config.dns.batch) return []
  const isPrivileged =
    user.uid === 0 || (unit && words(unit, 'AmbientCapabilities').includes('CAP_NET_ADMIN'))
  const udp = server?.status.udp
  const granted = udp?.receiveBufferBytes ?? (isPrivileged ? wantedBufferBytes : 2 * kernelLimit())
  if (udp?.transport === 'events' || granted === 0 || granted >= wantedBufferBytes) return []
  return [
    {
      check: 'receive buffer',
      level: 'warning',
      what: `the kernel grants DNS a receive buffer of ${formatSize(granted)} instead of ${formatSize(wantedBufferBytes)}`,
      why: 'Queries that come in a burst are lost.',
      mend: `echo net.core.rmem_max=${wantedBufferBytes} >/etc/sysctl.d/backscatterd.conf && sysctl --system; then restart the server`,
    },
  ]
}

/** net.core.rmem_max; 0 if it cannot be read. The kernel grants twice as much, for its own records (socket(7)). */
function kernelLimit(): number {
  try {
    return Number(readFileSync('/proc/sys/net/core/rmem_max', 'utf8'))
  } catch {
    return 0
  }
}

function checkDisk({ config }: Installation): Finding[] {
  const { path, minFree } = config.store
  const folder = dirname(path)
  // A mirror takes no mail; what it needs is checked with its file.
  if (config.zone.primary !== '' || minFree === 0 || statOf(folder) === undefined) return []
  const { freeBytes, neededBytes } = freeRoom(folder, minFree)
  if (freeBytes >= neededBytes) return []
  return [
    {
      check: 'disk',
      level: 'broken',
      what: `the disk of ${folder} has ${roughSize(freeBytes)} free; mail needs ${roughSize(neededBytes)}`,
      why: 'No mail is accepted: SMTP answers 452, and mailboxes wait.',
      mend: `free some space on the disk of ${folder}, or lower store.minFree in ${config.file}`,
    },
  ]
}

export function roughSize(bytes: number): string {
  return `${(bytes / 1024 ** 2).toFixed(0)} MiB`
}

function checkClock({ config, server, unit }: Installation): Finding[] {
  const reload = unit === undefined ? 'send the server SIGHUP' : `systemctl reload ${unit.name}`
  const held = server?.status.clockHeld
  if (held !== undefined) {
    return [
      {
        check: 'clock',
        level: 'broken',
        what: `the clock jumped to ${held.wallClock}, and the server has held its own since ${held.since}`,
        why: 'No mail is accepted until the time is sure.',
        mend: `see "timedatectl"; if the time is right now: ${reload}`,
      },
    ]
  }
  const writtenMs = statOf(config.store.path)?.mtimeMs ?? 0
  if (server !== undefined || writtenMs <= Date.now() + toleranceMs) return []
  return [
    {
      check: 'clock',
      level: 'broken',
      what: `the clock is behind: the database was written at ${new Date(writtenMs).toISOString()}`,
      why: 'The server would hold its clock at the start and accept no mail.',
      mend: 'timedatectl set-ntp true, or set the time by hand',
    },
  ]
}

function checkServerState({ server }: Installation): Finding[] {
  if (server === undefined) return []
  const { writeFailure, validUntil, tree } = server.status
  const findings: Finding[] = []
  if (writeFailure !== undefined) {
    findings.push({
      check: 'database',
      level: 'broken',
      what: `the database cannot be written since ${writeFailure.since}: ${writeFailure.why}`,
      why: 'Nothing new is recorded or listed.',
      mend: 'repair the disk; the server goes on by itself',
    })
  }
  if (Date.parse(validUntil) < Date.now()) {
    findings.push({
      check: 'publication',
      level: 'broken',
      what: `the published list is stale since ${validUntil}`,
      why: 'Nothing was published within zone.validFor.',
      mend: 'see the log of the server: journalctl -u backscatterd',
    })
  }
  if (tree.nearlyFull) {
    findings.push({
      check: 'memory',
      level: 'warning',
      what: `${formatSize(tree.capacityBytes)} of dns.capacity are nearly used`,
      why: 'When they are full, nothing more can be listed.',
      mend: 'raise dns.capacity and the unit’s MemoryMax=, then restart the server',
    })
  }
  return findings
}

function checkConfiguration({ config, server, unit }: Installation): Finding[] {
  if (server === undefined) return []
  const { needRestart = [] } = server.status
  const found = { check: 'configuration', level: 'warning' } as const
  const findings: Finding[] = []
  if (needRestart.length > 0) {
    findings.push({
      ...found,
      what: `a change of ${needRestart.join(', ')} in ${config.file} has no effect yet`,
      why: 'It needs a restart. Until then, some of these findings may be wrong.',
      mend: unit === undefined ? 'restart the server' : `systemctl restart ${unit.name}`,
    })
  }
  if (isChangedSinceRead(config.file, server.status)) {
    findings.push({
      ...found,
      what: `${config.file} has changed since the server read it`,
      why: 'Until the server reads it again, some of these findings may be wrong.',
      mend: 'backscatterd reload',
    })
  }
  return findings
}
