// `key create|list|revoke`: API keys. A new secret is printed once, alone on standard output so that a script can read it.
// The database stores only its hash.
import { type CreatedKey, type Key, keyNamePattern } from '../admin/schemas/server.ts'
import { loadConfig } from '../config/load.ts'
import { OperationalError } from '../errors.ts'
import { formatTime, parseDuration } from '../quantity.ts'
import { allItems, expectDone, withClient } from './client.ts'
import { type CommandContext, type Json, print, wrongUse } from './command.ts'
import { formatTable, formatUntil } from './format.ts'

const path = '/v1/keys'
const keyName = new RegExp(keyNamePattern)

interface CreateKeyOptions extends Json {
  readonly name: string
  readonly scope: string
  readonly for?: string
}

export async function createKey(
  context: CommandContext,
  options: CreateKeyOptions,
): Promise<number> {
  const { name, scope, for: duration } = options
  if (!keyName.test(name)) {
    throw wrongUse(
      `--name ${name}: letters, digits, blanks and . _ @ - only, beginning with a letter or digit, at most 64`,
    )
  }
  const parsed = duration === undefined ? {} : parseDuration(duration)
  if ('why' in parsed) throw wrongUse(`--for ${duration}: ${parsed.why}`)
  const reply = await withClient(loadConfig(context), (client) =>
    client.request('POST', path, { name, scope, duration }),
  )
  const created = expectDone<CreatedKey>(reply)
  const { id, key, expiresAt } = created
  if (!options.json) {
    const about = `Key ${id} (${name}, scope ${scope}) is valid ${formatValidity(created)}`
    console.error(`${about}. It cannot be shown again.`)
  }
  return print(context, options, { id, name, scope, key, expiresAt }, () => `${key}\n`)
}

export async function listKeys(context: CommandContext, options: Json): Promise<number> {
  const items = await withClient(loadConfig(context), (client) => allItems<Key>(client, path))
  return print(context, options, { items }, () =>
    formatTable(
      ['id', 'name', 'scope', 'valid', 'last used'],
      items.map((key) => [
        String(key.id),
        key.name,
        key.scope,
        formatValidity(key),
        key.lastUsedAt === null ? 'never' : formatTime(key.lastUsedAt),
      ]),
      'There are no keys.',
    ),
  )
}

/** `which` is the id of a key, or the name of a key that is not revoked. */
export async function revokeKey(
  context: CommandContext,
  which: string | undefined,
  options: Json & { readonly name?: string },
): Promise<number> {
  const wanted = which ?? options.name
  if (wanted === undefined || (which !== undefined && options.name !== undefined)) {
    throw wrongUse('name the key once: by its id or name, or with --name')
  }
  const key = await withClient(loadConfig(context), async (client) => {
    const keys = await allItems<Key>(client, path)
    const named = keys.find(({ name, revokedAt }) => name === wanted && revokedAt === null)
    const id = options.name === undefined && /^[1-9]\d{0,14}$/.test(wanted) ? wanted : named?.id
    if (id !== undefined) return expectDone<Key>(await client.request('DELETE', `${path}/${id}`))
    const why = `there is no valid key named ${JSON.stringify(wanted)}`
    throw new OperationalError('request-refused', why)
  })
  return print(context, options, key, ({ id, name }) => `Key ${id} (${name}) is revoked.\n`)
}

function formatValidity({ expiresAt, revokedAt }: Key): string {
  if (revokedAt !== null) return `revoked ${formatTime(revokedAt)}`
  return expiresAt === null ? 'until revoked' : formatUntil(expiresAt, Date.now() / 1000)
}
