// Checks what a mirror needs: that its primary sends it the zone, that its file is sound and has room, and that its zone is fresh.
import { dirname } from 'node:path'
import { freeRoom } from '../../blocklist/record.ts'
import type { Config } from '../../config/load.ts'
import { codeOf, OperationalError } from '../../errors.ts'
import { tryPrimary } from '../../mirror/fetch-zone.ts'
import { NetworkReader } from '../../mirror/received-names.ts'
import { type KeptZone, ZoneFile } from '../../mirror/zone-file.ts'
import { formatTimestamp } from '../../quantity.ts'
import { encodeZone } from '../../resolver/records.ts'
import { askMirror } from '../mirror-status.ts'
import { mirrorFile, primaryOf, zoneOptions } from '../options.ts'
import { roughSize } from './host.ts'
import { type Finding, type Installation, statOf } from './installation.ts'

const timeoutMs = 10_000
/** A mirror without a file needs room for a small zone at least. */
const leastZoneBytes = 1_048_576
const unchanging = 'Changes of the list do not reach this server.'
const expires = `${unchanging} In the end the zone expires.`
const seeLog = 'see why in the log of the server: journalctl -u backscatterd'

/** Nothing for a server that is no mirror. Run it as a user who may read the key and the file. */
export async function checkMirror(installation: Installation): Promise<Finding[]> {
  const { config } = installation
  if (config.zone.primary === '') return []
  const [primary, state] = await Promise.all([checkPrimary(installation), askMirror(config)])
  const findings = [...primary, ...checkFile(installation), ...checkRoom(installation)]
  const broken = { check: 'zone', level: 'broken' } as const
  if (state?.state === 'stale') {
    const since = state.validUntil === null ? '' : ` since ${state.validUntil}`
    findings.push({ ...broken, what: `the zone is stale${since}`, why: unchanging, mend: seeLog })
  }
  if (state?.state === 'no-zone') {
    const why = 'It answers every question with SERVFAIL.'
    findings.push({ ...broken, what: 'the mirror has no zone yet', why, mend: seeLog })
  }
  return findings
}

async function checkPrimary({ config }: Installation): Promise<Finding[]> {
  const { zone, file, dns } = config
  const signal = AbortSignal.timeout(timeoutMs)
  try {
    const options = receiverOptions(config)
    const fault = await tryPrimary({ ...options, primary: primaryOf(config), signal })
    if (fault === undefined) return []
    const what = `the zone of ${zone.primary} cannot be used: ${fault}`
    const mend = `write zone.text into ${file} as “backscatterd config show” on the primary has it`
    return [{ check: 'primary', level: 'broken', what, why: expires, mend }]
  } catch (error) {
    // A file or a record that is wrong is found with the configuration.
    if (error instanceof OperationalError || !(error instanceof Error)) return []
    const why = signal.aborted ? `no answer within ${timeoutMs / 1000} s` : error.message
    const key = zone.primaryKey === '' ? '' : ` and the key ${zone.primaryKey}`
    return [
      {
        check: 'primary',
        level: 'broken',
        what: `${zone.primary} does not send the zone: ${why}`,
        why: expires,
        mend: `on the primary, see that dns.transfer allows the address of ${dns.listen[0]}${key}, that both clocks are right (timedatectl) and that TCP gets through; here, edit zone.primary and zone.primaryKey in ${file}`,
      },
    ]
  }
}

function checkFile({ config }: Installation): Finding[] {
  const path = mirrorFile(config)
  const broken = { check: 'zone file', level: 'broken' } as const
  const kept = readKept(config)
  if (kept === undefined) return []
  if (kept.isDamaged) {
    const what = `${path}: it is damaged`
    const why = 'After a restart the mirror has an old zone or none until the primary has sent it.'
    const mend = 'restart the server, which fetches the zone anew; look after the disk'
    return [{ ...broken, what, why, mend }]
  }
  if (kept.misfit !== undefined) {
    const what = `${path}: it was kept under other settings: ${kept.misfit}`
    const why = 'After a restart the mirror has no zone until the primary has sent it.'
    return [
      {
        check: 'zone file',
        level: 'warning',
        what,
        why,
        mend: 'restart the server, which fetches the zone anew',
      },
    ]
  }
  const expiresAt = kept.heardAt + (kept.zone?.timers.expire ?? 0)
  if (Date.now() / 1000 < expiresAt) return []
  const when = formatTimestamp(expiresAt)
  return [
    { ...broken, what: `${path}: the zone expired at ${when}`, why: unchanging, mend: seeLog },
  ]
}

/** Each transfer is written to a file of its own first. */
function checkRoom({ config }: Installation): Finding[] {
  const path = mirrorFile(config)
  const folder = dirname(path)
  if (statOf(folder) === undefined) return []
  const { freeBytes } = freeRoom(folder, 0)
  const neededBytes = Math.max(statOf(path)?.size ?? 0, leastZoneBytes)
  if (freeBytes >= neededBytes) return []
  return [
    {
      check: 'disk',
      level: 'broken',
      what: `the disk of ${folder} has ${roughSize(freeBytes)} free; the next zone may need ${roughSize(neededBytes)}`,
      why: expires,
      mend: `free some space on the disk of ${folder}`,
    },
  ]
}

/** Undefined if there is no file, or if this process may not read it. */
function readKept(config: Config): KeptZone | undefined {
  try {
    return new ZoneFile(mirrorFile(config)).read(receiverOptions(config))
  } catch (error) {
    if (codeOf(error) === '') throw error
    return undefined
  }
}

function receiverOptions(config: Config) {
  const { origin, text } = encodeZone(zoneOptions(config))
  return { origin, networks: new NetworkReader(text), maxNames: Number.MAX_SAFE_INTEGER }
}
