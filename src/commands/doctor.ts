// `doctor` finds what is wrong with an installation: what, why it matters, and what mends it. It changes nothing. As root it
// first does what only root can, then becomes the service's user, so that it sees files as the server sees them.
import { loadConfig } from '../config/load.ts'
import { loadChecks } from './check-config.ts'
import { type CommandContext, exitCodes, type Json, print } from './command.ts'
import { checkAccess, checkOwners } from './doctor/files.ts'
import { checkHost } from './doctor/host.ts'
import {
  becomeServiceUser,
  examine,
  type Finding,
  type Installation,
  levels,
} from './doctor/installation.ts'
import { checkListeners } from './doctor/listeners.ts'
import { checkMaildirs, checkPolls, prepareLogins } from './doctor/mailboxes.ts'
import { checkMirror } from './doctor/mirror.ts'
import { checkTrapMail } from './doctor/trap-mail.ts'
import { checkZone } from './doctor/zone.ts'
import { printable, styleFault, wrapText } from './format.ts'

/** Prints all findings, the broken ones first. Returns 1 if something is broken. */
export async function doctor(context: CommandContext, options: Json): Promise<number> {
  const config = loadConfig(context)
  const { installation, findings } = await examine(config)
  // Other servers may be silent for long, so nothing waits for them before it begins.
  const [here, zone, trapMail] = await Promise.all([
    checkHere(installation),
    checkZone(installation),
    checkTrapMail(installation),
  ])
  findings.push(...here, ...zone, ...trapMail)
  await installation.server?.client.close()
  const sorted = levels.flatMap((level) => findings.filter((each) => each.level === level))
  print(context, options, { findings: sorted }, formatFindings)
  return sorted.some(({ level }) => level === 'broken') ? exitCodes.failed : exitCodes.done
}

/** What this machine and its mailboxes show: first as whoever runs it, then as the service's user for good. */
async function checkHere(installation: Installation): Promise<Finding[]> {
  const [listeners, polls, mirror, tryLogins] = await Promise.all([
    checkListeners(installation),
    checkPolls(installation),
    checkMirror(installation),
    prepareLogins(installation),
    // The service's user may be unable to read the program.
    loadChecks(),
  ])
  const ofServers = [...listeners, ...polls, ...mirror]
  const findings = [...checkOwners(installation), ...ofServers, ...checkHost(installation)]
  if (!installation.seesAsServer) return findings
  becomeServiceUser(installation.user)
  const access = await checkAccess(installation)
  return [...findings, ...access, ...checkMaildirs(installation), ...(await tryLogins())]
}

function formatFindings({ findings }: { findings: readonly Finding[] }): string {
  const counts = levels.map((level) => {
    const count = findings.filter((each) => each.level === level).length
    return level === 'broken' ? `${count} broken` : `${count} ${level}${count === 1 ? '' : 's'}`
  })
  return `${findings.map(formatFinding).join('')}${counts.join(', ')}\n`
}

function formatFinding({ check, level, what, why, mend }: Finding): string {
  const [first = '', ...rest] = [what, why, `To fix it: ${mend}`].flatMap((text) =>
    wrapText(printable(text)),
  )
  const label = level.padEnd(8)
  const shown = level === 'broken' ? styleFault(label) : label
  return `${shown} ${check}: ${first}\n${rest.map((line) => `         ${line}\n`).join('')}\n`
}
