// What a socket needs so that smtp-server serves every client to the end.
//
// Exim sends the last dot and QUIT together and shuts down its sending side before it has read the reply. smtp-server
// writes only while a socket's readyState is 'open', which a half-closed one's is not, so Exim would deliver the same
// bounce again for days. Here a socket is open for as long as it can be written to, and its end is put off until
// nothing that it sent waits for an answer, after STARTTLS too.
//
// smtp-server also hangs up on a client that talks before the greeting. What such a client sends is evidence like any
// other, so its octets wait here until it has been greeted, and that it could not wait is noted.
import type { Socket } from 'node:net'

/** What a connection waits for; in a pause and while recording, it is we who are due. */
export type ConnectionPhase = 'command' | 'pause' | 'data' | 'recording'

/** As much of a connection as its end depends on. */
export interface EndingConnection {
  readonly socket: Socket
  readonly phase: ConnectionPhase
  readonly dataBytes: number
}

/** A half-closed connection is ended after this long without anything happening on it. */
const quietMs = 300
const quietCheckMs = 50

export function stayOpenWhileWritable(socket: Socket): void {
  Object.defineProperty(socket, 'readyState', {
    get: () => (socket.writable ? 'open' : 'closed'),
  })
}

/** Keeps what arrives in the socket's own buffer, whatever is piped from it, until the answer is called. */
export function heldInput(socket: Socket): () => boolean {
  let start = (): void => undefined
  Object.defineProperty(socket, 'pipe', {
    configurable: true,
    value: (target: NodeJS.WritableStream) => {
      start = () => {
        Reflect.deleteProperty(socket, 'pipe')
        socket.pipe(target)
      }
      return target
    },
  })
  return () => {
    const hasTalked = socket.readableLength > 0
    start()
    return hasTalked
  }
}

/**
 * The client has shut down its sending side. What it sent before is still being read and answered: our side ends when
 * it says QUIT, or when nothing has moved for a while and no reply is owed. A message cut off in the middle gets no
 * reply.
 */
export function endWhenQuiet(connection: EndingConnection): void {
  const { socket } = connection
  let seen = -1
  let quietSince = performance.now()
  const check = setInterval(() => {
    const moved = socket.bytesWritten + socket.bytesRead + connection.dataBytes
    const { phase } = connection
    if (moved !== seen || phase === 'recording' || phase === 'pause') {
      seen = moved
      quietSince = performance.now()
    }
    if (socket.destroyed || socket.writableEnded) {
      clearInterval(check)
    } else if (performance.now() - quietSince >= quietMs) {
      clearInterval(check)
      if (phase === 'command') socket.end()
      else socket.destroy()
    }
  }, quietCheckMs)
  check.unref()
}
