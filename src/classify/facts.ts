// All facts that rules use, by name. Each has one definition, in the table of its theme.
import { challengeFacts } from './facts/challenge.ts'
import { deliveryFacts } from './facts/delivery.ts'
import { innocentFacts } from './facts/innocent.ts'
import { noticeFacts } from './facts/notice.ts'
import { replyFacts } from './facts/reply.ts'
import { reportFacts } from './facts/report.ts'
import { senderFacts } from './facts/sender.ts'

export const facts = {
  ...senderFacts,
  ...reportFacts,
  ...replyFacts,
  ...challengeFacts,
  ...noticeFacts,
  ...deliveryFacts,
  ...innocentFacts,
}

export type Fact = keyof typeof facts
