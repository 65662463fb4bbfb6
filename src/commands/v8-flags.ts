// V8 flags that make the program faster or smaller. They are set while the program runs, not on the command line. So if a
// later V8 no longer has a flag, Node only prints a warning.
import { setFlagsFromString } from 'node:v8'

/** Lets V8 inline the whole code that answers a DNS query. Call it before the DNS threads start. */
export function allowMoreInlining(): void {
  setFlagsFromString('--max-inlined-bytecode-size=2000')
  setFlagsFromString('--max-inlined-bytecode-size-cumulative=8000')
}

/**
 * Makes V8 collect the old generation each time it has grown by a tenth, in every thread. This saves memory but costs
 * processor time, so it is meant for a process that reads whole mailboxes, not for one that only receives live mail.
 */
export function keepOldSpaceSmall(): void {
  setFlagsFromString('--heap-growing-percent=10')
}
