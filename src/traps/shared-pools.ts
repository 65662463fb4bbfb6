// The shared outbound mail servers of large providers. A listing of one of them would hit all of the provider's customers.
import pools from '../../data/shared-pools.json' with { type: 'json' }

/** A provider, and the domains in which only its own outbound servers have names. */
interface SharedPool {
  readonly name: string
  readonly suffixes: readonly string[]
  /** Where such a name was seen, with the server's address verified. */
  readonly source: string
  /** The day of the last review, YYYY-MM-DD. */
  readonly reviewed: string
}

/** Every row of data/shared-pools.json, in file order. */
export const sharedPools: readonly SharedPool[] = pools

/** The name of the provider to whose pool a host name belongs; null if none. The name must be in lower case, without a final dot. */
export function poolOf(hostName: string): string | null {
  const pool = sharedPools.find(({ suffixes }) =>
    suffixes.some((suffix) => hostName === suffix || hostName.endsWith(`.${suffix}`)),
  )
  return pool?.name ?? null
}
