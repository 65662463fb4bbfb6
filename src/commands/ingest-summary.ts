// Counts what became of ingested messages, and says it in one sentence. A message to several traps counts once for each.

/** The words after "1 message" and after "2 messages". The order is that of the sentence. */
const words: Readonly<Record<string, readonly [one: string, several: string]>> = {
  listed: ['listed a host', 'listed a host'],
  'would list': ['would list a host', 'would list a host'],
  extended: ['extended a listing', 'extended a listing'],
  'would extend': ['would extend a listing', 'would extend a listing'],
  counted: ['only counts', 'only count'],
  ignored: ['proves nothing', 'prove nothing'],
  duplicate: ['was recorded before', 'were recorded before'],
  stranger: ['was for no trap', 'were for no trap'],
}

const dryRunOutcomes: Readonly<Record<string, string>> = {
  listed: 'would list',
  extended: 'would extend',
}

/** Most reasons for proving nothing that are named, the most frequent first. */
const namedReasons = 3

export class IngestSummary {
  readonly #isDryRun: boolean
  readonly #counts = new Map<string, number>()
  /** How many messages prove nothing, by the reason. */
  readonly #reasons = new Map<string, number>()

  constructor({ isDryRun }: { readonly isDryRun: boolean }) {
    this.#isDryRun = isDryRun
  }

  /** `outcome`: a decision, or "stranger" for a message to no trap. `why` is read only if the message proves nothing. */
  add(outcome: string, why = ''): void {
    const dryRunOutcome = this.#isDryRun ? dryRunOutcomes[outcome] : undefined
    count(this.#counts, dryRunOutcome ?? outcome)
    // What follows a colon differs from message to message.
    if (outcome === 'ignored') count(this.#reasons, why.split(': ')[0] ?? '')
  }

  /** "2 messages prove nothing (no client address is known), 2 were for no trap." */
  inWords(): string {
    const parts: string[] = []
    const say = (messages: number, outcome: string, remark = ''): void => {
      const noun = parts.length > 0 ? '' : messages === 1 ? ' message' : ' messages'
      const verb = words[outcome]?.[messages === 1 ? 0 : 1]
      parts.push(`${messages}${noun} ${verb}${remark}`)
    }
    for (const outcome of Object.keys(words)) {
      const messages = this.#counts.get(outcome)
      if (messages === undefined) continue
      if (outcome !== 'ignored') say(messages, outcome)
      else for (const [reason, some] of this.#shownReasons()) say(some, outcome, ` (${reason})`)
    }
    return parts.length === 0 ? 'There are no messages.\n' : `${parts.join(', ')}.\n`
  }

  #shownReasons(): [reason: string, messages: number][] {
    const reasons = [...this.#reasons].sort(([, a], [, b]) => b - a)
    const others = reasons.slice(namedReasons).reduce((sum, [, messages]) => sum + messages, 0)
    const rest: [string, number][] = others > 0 ? [['other reasons: see --json', others]] : []
    return [...reasons.slice(0, namedReasons), ...rest]
  }
}

function count(counts: Map<string, number>, what: string): void {
  counts.set(what, (counts.get(what) ?? 0) + 1)
}
