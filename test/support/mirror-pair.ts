// Two sites: a primary that lets a mirror copy its zone and tells it of changes, and the mirror.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { ask } from './ask.ts'
import { rcodes } from './dns-query.ts'
import { freePorts } from './ports.ts'
import { origin, type Server, Site, until } from './server.ts'

const secret = `${randomBytes(32).toString('base64')}\n`
export const mirrorZone = `
[zone]
origin = "${origin}"
nameservers = ["ns1.${origin}"]
records = ["ns1 A 127.0.0.1"]
hostmaster = "hostmaster.test.example"
text = "Listed: {ip}"
`
const rest = `
workers = 1
[[dns.key]]
name = "mirror1"
secretFile = "mirror1.key"
[store]
path = "list.db"
minFree = "0 B"
`

interface Pair {
  readonly primary: Site
  readonly mirror: Site
  readonly primaryPort: number
}

/** Neither is started yet. */
export async function mirrorPair(
  t: TestContext,
  { primaryKey = 'mirror1', mirrorSecret = secret } = {},
): Promise<Pair> {
  const [primaryPort = 0, mirrorPort] = await freePorts(2)
  const primary = new Site(
    t,
    `${mirrorZone}
[policy]
shortest4 = 8
allowSpecial = ["192.0.2.0/24", "198.51.100.0/24", "2001:db8::/32"]
[dns]
listen = ["127.0.0.1:${primaryPort}"]
[[dns.transfer]]
address = "127.0.0.1:${mirrorPort}"
allow = "127.0.0.1/32"
key = "mirror1"
${rest.replace('workers = 1', '')}`,
  )
  const mirror = new Site(
    t,
    `${mirrorZone}
primary = "127.0.0.1:${primaryPort}"
primaryKey = "${primaryKey}"
[dns]
listen = ["127.0.0.1:${mirrorPort}"]${rest}`,
  )
  writeFileSync(join(primary.folder, 'mirror1.key'), secret)
  writeFileSync(join(mirror.folder, 'mirror1.key'), mirrorSecret)
  return { primary, mirror, primaryPort }
}

/** Asks until the mirror has the primary's serial. */
export async function caughtUp(primary: Server, mirror: Server): Promise<void> {
  const isCurrent = async (): Promise<boolean> => {
    const [wanted, got] = await Promise.all([
      ask(primary.dns, origin, 'SOA'),
      ask(mirror.dns, origin, 'SOA'),
    ])
    return got.rcode === rcodes.NOERROR && got.serial === wanted.serial
  }
  const hasCaughtUp = await until(isCurrent, (is) => is, 120_000)
  assert.ok(hasCaughtUp, `the mirror does not catch up: ${mirror.stderr()}`)
}
