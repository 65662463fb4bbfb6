// The thread that reads messages, one for all tests of a file; it ends with the process.
import { MemoryBudget } from '../../src/traps/memory-budget.ts'
import { MessageReader } from '../../src/traps/message-reader.ts'

const log = { error() {}, warn() {}, info() {}, debug() {} }
const reader = new MessageReader({ log })

/** What a Collector needs to read messages with. */
export function reading(): { reader: MessageReader; memory: MemoryBudget } {
  return { reader, memory: new MemoryBudget() }
}
