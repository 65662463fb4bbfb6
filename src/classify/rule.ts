// Rules: sentences over facts, and how they are put to a message.
import { type Fact, facts } from './facts.ts'
import {
  type BackscatterKind,
  backscatterKinds,
  type Certainty,
  type NotBackscatter,
} from './kinds.ts'
import type { Seen } from './seen.ts'

/** Holds if all facts of `all`, at least one of `any`, and none of `none` hold. A list that is missing asks for nothing. */
interface Condition {
  readonly all?: readonly Fact[]
  readonly any?: readonly Fact[]
  readonly none?: readonly Fact[]
}

/** A message that meets the condition gets the verdict. */
export interface Rule extends Condition {
  readonly name: string
  /** The value of this fact, a system's or field's name, follows the rule's name: `format-postfix`. */
  readonly named?: Fact
  readonly verdict: BackscatterKind | NotBackscatter
  /** What makes the verdict certain: any of these conditions. If none holds, the verdict is likely. */
  readonly certain?: Condition | readonly Condition[]
}

export interface Verdict {
  /** The name of the rule that decided. */
  readonly rule: string
  readonly kind: BackscatterKind | null
  readonly notBackscatter: NotBackscatter | null
  /** null if the message is not backscatter. */
  readonly certainty: Certainty | null
  /** The names of the facts that the rule asked for and that hold. */
  readonly facts: readonly Fact[]
}

/** The verdict of the first rule whose condition holds, or null. Each fact is worked out once. */
export function firstVerdict(rules: readonly Rule[], seen: Seen): Verdict | null {
  const values = new Map<Fact, boolean | string | null>()
  const factValue = (fact: Fact): boolean | string | null => {
    let value = values.get(fact)
    if (value === undefined) {
      value = facts[fact](seen)
      values.set(fact, value)
    }
    return value
  }
  const holds = (fact: Fact): boolean => factValue(fact) !== false && factValue(fact) !== null
  const meets = ({ all = [], any, none = [] }: Condition): boolean =>
    all.every(holds) && (any?.some(holds) ?? true) && !none.some(holds)
  const rule = rules.find(meets)
  if (rule === undefined) return null
  const { name, named, verdict } = rule
  const certain = [rule.certain ?? []].flat().find(meets)
  const asked = [rule, certain ?? {}].flatMap(({ all = [], any = [] }) => [...all, ...any])
  const kind = backscatterKinds.find((each) => each === verdict) ?? null
  return {
    rule: named === undefined ? name : `${name}-${factValue(named)}`,
    kind,
    notBackscatter: kind === null ? (verdict as NotBackscatter) : null,
    certainty: kind === null ? null : certain === undefined ? 'likely' : 'certain',
    facts: [...new Set(asked)].filter(holds),
  }
}
