// All facts that rules use, by name. Each has one definition, in the table of its theme.
import { replyFacts } from './facts/reply.ts'
import { reportFacts } from './facts/report.ts'
import { senderFacts } from './facts/sender.ts'

export const facts = {
  ...senderFacts,
  ...reportFacts,
  ...replyFacts,
}

export type Fact = keyof typeof facts
