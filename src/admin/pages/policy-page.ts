// /policy: what the list lists and for how long, how one leaves it, asks it and copies it (RFC 6471 §2.1). It is made from the
// configuration in force.
import type { RemovalRule } from '../../blocklist/types.ts'
import { backscatterKinds } from '../../classify/kinds.ts'
import { mailServerLines } from '../mail-server-lines.ts'
import type { App, AppOptions, ShownPolicy } from '../options.ts'
import type { PageRenderer } from './render.ts'
import { type Language, languageOf, type Translate, translator } from './texts.ts'

interface PolicyPageOptions
  extends Pick<AppOptions, 'store' | 'origin' | 'contact' | 'ttlSeconds' | 'isRetired'> {
  readonly renderer: PageRenderer
  policy(): ShownPolicy
}

export function addPolicy(app: App, options: PolicyPageOptions): void {
  const { renderer, store, origin, contact, ttlSeconds, isRetired } = options
  app.get('/policy', { config: { scope: 'public', isPage: true } }, async (request, reply) => {
    const language = languageOf(request)
    const t = translator(language)
    const policy = options.policy()
    const view = {
      contact,
      isRetired,
      takesRemovals: policy.removal.isOpen,
      kinds: kindRows(policy, language),
      listing: listingRules(policy, language, store.lists.summaries().length > 0),
      terms: termRules(policy, language),
      leaving: leavingRules(policy, language),
      asking: t('policy.ask.dns', {
        site: origin,
        name: `25.2.0.192.${origin}`,
        ttl: formatDuration(ttlSeconds, language),
      }),
      codes: codeRows(policy, t),
      servers: serverLines(origin, t),
    }
    const title = t('policy.title', { site: origin })
    return renderer.render(request, reply, {
      ...{ template: 'policy', section: 'policy', title, view },
      ...{ scripts: ['copy.js'], styles: ['tables.css'] },
    })
  })
}

/** The thresholds of the kinds that DNS answers. */
function kindRows({ publish, threshold }: ShownPolicy, language: Language) {
  const t = translator(language)
  return publish.map((kind) => {
    const { messages, traps, windowSeconds } = threshold[kind]
    return {
      name: t(`kind.${kind}`),
      messages,
      traps,
      window: formatDuration(windowSeconds, language),
    }
  })
}

function listingRules(policy: ShownPolicy, language: Language, hasLists: boolean): string[] {
  const t = translator(language)
  const { publish, likely, whitelists, pools, asksHosts, ipv6Prefix } = policy
  const counted = backscatterKinds.filter((kind) => !publish.includes(kind))
  const all = new Intl.ListFormat(language, { type: 'conjunction' })
  return [
    ...(likely === 'count' ? [t('policy.list.likely')] : []),
    ...(counted.length > 0
      ? [t('policy.list.counted', { kinds: all.format(counted.map((kind) => t(`kind.${kind}`))) })]
      : []),
    ...(asksHosts && pools ? [t('policy.list.pools')] : []),
    ...(asksHosts && whitelists.length > 0
      ? [t('policy.list.whitelists', { names: all.format(whitelists) })]
      : []),
    t('policy.list.never'),
    t('policy.list.size', { length: ipv6Prefix }),
    t(hasLists ? 'policy.list.imported' : 'policy.list.byHand'),
  ]
}

function termRules(policy: ShownPolicy, language: Language): string[] {
  const t = translator(language)
  const { firstListingSeconds, longestListingSeconds, holdForSeconds } = policy
  const first = formatDuration(firstListingSeconds, language)
  const longest = formatDuration(longestListingSeconds, language)
  const hold = formatDuration(holdForSeconds, language)
  return [
    t('policy.term.first', { first }),
    ...(longestListingSeconds > firstListingSeconds ? [t('policy.term.again', { longest })] : []),
    ...(holdForSeconds > 0 ? [t('policy.term.hold', { hold })] : []),
  ]
}

function leavingRules({ removal }: ShownPolicy, language: Language): string[] {
  const t = translator(language)
  if (!removal.isOpen) return [t('policy.leave.closed')]
  return [t('policy.leave.open'), removalRule(removal, language), t('policy.leave.again')]
}

/** When a request for removal ends the entry at once. */
export function removalRule(removal: ShownPolicy['removal'], language: Language): string {
  const t = translator(language)
  if (removal.times === 0) return t('policy.leave.operator')
  const rules = removal.quietSeconds > 0 ? (['quiet', 'times'] as const) : (['times'] as const)
  return t('policy.leave.rules', { conditions: removalConditions(removal, rules, language) })
}

/** What these rules ask for, as the end of a sentence. */
export function removalConditions(
  { quietSeconds, times, periodSeconds }: ShownPolicy['removal'],
  rules: readonly RemovalRule[],
  language: Language,
): string {
  const t = translator(language)
  const quiet = formatDuration(quietSeconds, language)
  const period = formatDuration(periodSeconds, language)
  const texts: Readonly<Record<RemovalRule, string>> = {
    quiet: t('policy.leave.quiet', { quiet }),
    times:
      times === 1 ? t('policy.leave.once', { period }) : t('policy.leave.times', { times, period }),
  }
  return new Intl.ListFormat(language).format(rules.map((rule) => texts[rule]))
}

/** What the A records of this list can be. */
function codeRows({ publish }: ShownPolicy, t: Translate) {
  const ofKinds = backscatterKinds.flatMap((kind, index) =>
    publish.includes(kind) ? [{ code: `127.0.0.${3 + index}`, meaning: t(`kind.${kind}`) }] : [],
  )
  return [{ code: '127.0.0.2', meaning: t('policy.codes.any') }, ...ofKinds]
}

function serverLines(origin: string, t: Translate) {
  const { postfix, exim, spamassassin, rspamd } = mailServerLines(origin)
  return [
    { name: 'Postfix', blocks: [{ where: t('policy.use.postfix'), text: postfix }] },
    { name: 'Exim', blocks: [{ where: t('policy.use.exim'), text: exim }] },
    {
      name: 'SpamAssassin',
      blocks: [{ where: t('policy.use.file', { file: 'local.cf' }), text: spamassassin }],
    },
    {
      name: 'rspamd',
      blocks: rspamd.map(({ file, text }) => ({
        where: t('policy.use.file', { file: `/etc/rspamd/${file}` }),
        text,
      })),
    },
  ]
}

const units = [
  ['days', 86_400],
  ['hours', 3600],
  ['minutes', 60],
  ['seconds', 1],
] as const

/** A duration in words, in the largest unit that leaves no rest. */
export function formatDuration(seconds: number, language: Language): string {
  const [unit, length] =
    units.find(([, each]) => seconds >= each && seconds % each === 0) ?? units[3]
  return new Intl.DurationFormat(language, { style: 'long' }).format({ [unit]: seconds / length })
}
