// Tells the service manager how the process is, as sd_notify(3) does: one datagram for each state, to the Unix socket
// that NOTIFY_SOCKET names. Node has no datagrams on Unix sockets.
import { type Library, loadLibrary, SystemCallError } from './library.ts'

const unixFamily = 1
const socketType = { datagram: 2, closeOnExec: 0o2000000 } as const
/** No SIGPIPE, and no waiting for a manager that does not read: a state that is not taken is told again, or was the last. */
const flags = { noSignal: 0x4000, dontWait: 0x40 } as const

/** `READY=1` and the like; see sd_notify(3). */
export type Notify = (state: string) => void

/**
 * undefined where no service manager waits for it, or the C library cannot be called. A state that cannot be sent throws
 * SystemCallError.
 */
export async function loadNotify(socketPath: string | undefined): Promise<Notify | undefined> {
  if (socketPath === undefined || !/^[/@]/.test(socketPath)) return undefined
  const library = await loadLibrary()
  return library && notifyBy(library, addressOf(socketPath))
}

function notifyBy(library: Library, address: Buffer): Notify {
  const socket = library.func('int socket(int domain, int type, int protocol)')
  const sendto = library.func(
    'long sendto(int fd, const uint8_t *data, size_t length, int flags, const uint8_t *address, uint32_t addressLength)',
  )
  const close = library.func('int close(int fd)')
  return (state) => {
    const fd = socket(unixFamily, socketType.datagram | socketType.closeOnExec, 0)
    if (fd < 0) throw new SystemCallError('socket', library.errno())
    const data = Buffer.from(state)
    const how = flags.noSignal | flags.dontWait
    const sent = sendto(fd, data, data.length, how, address, address.length)
    const errno = library.errno()
    close(fd)
    if (sent < 0) throw new SystemCallError('sendto', errno)
  }
}

/** struct sockaddr_un (unix(7)): a name in the abstract namespace is written with `@` for its leading zero octet. */
function addressOf(path: string): Buffer {
  const address = Buffer.concat([Buffer.alloc(2), Buffer.from(path), Buffer.alloc(1)])
  address.writeUInt16LE(unixFamily)
  if (!path.startsWith('@')) return address
  address[2] = 0
  return address.subarray(0, -1)
}
