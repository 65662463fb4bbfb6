// The V8 flags that pay for themselves. They are set while the program runs, never on a command line: Node only prints a
// warning about a flag that a later V8 no longer has, and the program goes on.
import { setFlagsFromString } from 'node:v8'

/** Lets V8 compile the whole answer to a DNS query as one piece of code. To be called before the DNS threads start. */
export function allowMoreInlining(): void {
  setFlagsFromString('--max-inlined-bytecode-size=2000')
  setFlagsFromString('--max-inlined-bytecode-size-cumulative=8000')
}

/**
 * Makes V8 collect the old generation each time it has grown by a tenth, in every thread. It costs processor time, so it is
 * meant for a process that reads whole mailboxes, not for live mail alone.
 */
export function keepOldSpaceSmall(): void {
  setFlagsFromString('--heap-growing-percent=10')
}
