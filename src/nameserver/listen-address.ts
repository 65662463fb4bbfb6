// `host:port` and `[v6]:port` of the configuration ↔ their parts. Called by nameserver.ts.
import { isIP } from 'node:net'
import { OperationalError } from '../errors.ts'

export interface ListenAddress {
  readonly family: 4 | 6
  /** An address, never a name; IPv6 without brackets. */
  readonly host: string
  /** 0: a free one is taken, the same for UDP and TCP. */
  readonly port: number
}

/** Reads one address to listen on. Throws OperationalError 'address-unavailable' when it is none. */
export function parseListenAddress(text: string): ListenAddress {
  const match = /^(?:\[([0-9a-f:.]+)\]|([0-9.]+)):(\d{1,5})$/i.exec(text)
  const host = match?.[1] ?? match?.[2] ?? ''
  const family = isIP(host)
  const port = Number(match?.[3])
  const isBracketed = match?.[1] !== undefined
  if ((family !== 4 && family !== 6) || isBracketed !== (family === 6) || port > 65_535) {
    throw new OperationalError(
      'address-unavailable',
      `${text}: expected IPV4:PORT or [IPV6]:PORT to listen on`,
    )
  }
  return { family, host, port }
}

/** The address as the configuration writes it. */
export function formatListenAddress({ family, host, port }: ListenAddress): string {
  return family === 6 ? `[${host}]:${port}` : `${host}:${port}`
}
