// What `serve` has started, as a whole server or as a mirror.

export interface Server extends AsyncDisposable {
  readonly readyLine: string
  readonly dnsAddress: string
  /** Host and port of the HTTP interface; undefined if there is none. */
  readonly adminAddress: string | undefined
  reload(): Promise<unknown>
}
