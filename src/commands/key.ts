// `key create|list|revoke`: API keys. The secret is printed once, alone on standard output so that a shell can take
// it; nothing keeps it but its hash.
import { loadConfig } from '../config/load.ts'
import { OperationalError } from '../errors.ts'
import { parseDuration } from '../quantity.ts'
import { type Client, expectDone, withClient } from './client.ts'
import { type CommandContext, exitCodes, writeJson, wrongUse } from './context.ts'
import { formatColumns, formatTime, formatUntil } from './format.ts'

const path = '/v1/keys'
const pageSize = 1000
const scopes = ['read', 'write', 'collect', 'admin']

interface Json {
  readonly json?: true
}

export interface CreateKeyOptions extends Json {
  readonly name?: string
  readonly scope?: string
  readonly expires?: string
}

interface Key {
  readonly id: number
  readonly name: string
  readonly scope: string
  readonly createdAt: string
  readonly expiresAt: string | null
  readonly revokedAt: string | null
  readonly lastUsedAt: string | null
}

export async function createKey(
  context: CommandContext,
  options: CreateKeyOptions,
): Promise<number> {
  const { name, scope = 'read', expires } = options
  if (name === undefined) throw wrongUse('--name: whoever uses the key, as the audit names them')
  if (!scopes.includes(scope)) throw wrongUse(`--scope ${scope}: expected ${scopes.join(', ')}`)
  const parsed = expires === undefined ? undefined : parseDuration(expires)
  if (parsed !== undefined && 'why' in parsed) throw wrongUse(`--expires ${expires}: ${parsed.why}`)
  const body = { name, scope, ...(expires !== undefined && { duration: expires }) }
  const reply = await withClient(loadConfig(context), (client) =>
    client.request('POST', path, body),
  )
  const made = expectDone(reply) as Key & { readonly key: string }
  if (options.json) {
    const { id, key, expiresAt } = made
    writeJson(context, { id, name, scope, key, expiresAt })
  } else {
    context.write(`${made.key}\n`)
    console.error(
      `Key ${made.id} (${name}, scope ${scope}), ${lasts(made)}. It cannot be shown again.`,
    )
  }
  return exitCodes.done
}

export async function listKeys(context: CommandContext, options: Json): Promise<number> {
  const keys = await withClient(loadConfig(context), readKeys)
  if (options.json) {
    writeJson(context, { items: keys })
    return exitCodes.done
  }
  const rows = keys.map((key) => [
    String(key.id),
    key.name,
    key.scope,
    lasts(key),
    key.lastUsedAt === null ? 'never used' : `used ${formatTime(key.lastUsedAt)}`,
  ])
  context.write(rows.length === 0 ? 'There are no keys.\n' : formatColumns(rows))
  return exitCodes.done
}

/** `which` is a key's id, or the name of one that is not revoked. */
export async function revokeKey(
  context: CommandContext,
  which: string | undefined,
  options: Json & { readonly name?: string },
): Promise<number> {
  const wanted = which ?? options.name
  if (wanted === undefined) throw wrongUse('which key? Give its id or --name')
  const reply = await withClient(loadConfig(context), async (client) => {
    const keys = await readKeys(client)
    const named = keys.find(({ name, revokedAt }) => name === wanted && revokedAt === null)
    const id = options.name === undefined && /^[1-9]\d{0,14}$/.test(wanted) ? wanted : named?.id
    if (id === undefined) return undefined
    return await client.request('DELETE', `${path}/${id}`)
  })
  if (reply === undefined) {
    const why = `there is no key of the name ${JSON.stringify(wanted)} in use`
    throw new OperationalError('request-refused', why)
  }
  const key = expectDone(reply) as Key
  if (options.json) writeJson(context, key)
  else context.write(`Key ${key.id} (${key.name}) opens nothing any more.\n`)
  return exitCodes.done
}

async function readKeys(client: Client): Promise<Key[]> {
  const keys: Key[] = []
  let after = ''
  for (;;) {
    const reply = await client.request('GET', `${path}?limit=${pageSize}${after}`)
    const page = expectDone(reply) as { items: Key[]; nextCursor: string | null }
    keys.push(...page.items)
    if (page.nextCursor === null) return keys
    after = `&cursor=${encodeURIComponent(page.nextCursor)}`
  }
}

function lasts({ expiresAt, revokedAt }: Key): string {
  if (revokedAt !== null) return `revoked ${formatTime(revokedAt)}`
  return expiresAt === null ? 'for ever' : formatUntil(expiresAt, Date.now() / 1000)
}
