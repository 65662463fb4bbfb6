// Labelled messages → templates of evidence. The verdict on each is the classifier's own, mistakes included; who sends it, to whom,
// when, and what it returns is for the model to say.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { classify } from '../../src/classify/classify.ts'
import { type Evidence, evidenceOf } from '../../src/classify/evidence.ts'
import type { BackscatterKind } from '../../src/classify/kinds.ts'
import { addressFromIPv4 } from '../../src/ip/address.ts'
import { allValues } from '../../src/mail/header.ts'
import { type Message, parseMessage } from '../../src/mail/message.ts'
import {
  kindOfSample,
  readExpectations,
  readSample,
  samplePaths,
} from '../../test/support/samples.ts'
import { kindOf, readLabelled } from '../labelled-set.ts'

export interface Template {
  /** Its client is null if a list handed the message on, and else stands for any host. */
  readonly evidence: Evidence
  /** Whether its To names somebody. */
  readonly hasTo: boolean
  /** Whether it returns a message that names its author. */
  readonly hasAuthor: boolean
  /** Near-duplicates together weigh as much as one message. */
  readonly weight: number
}

export interface Templates {
  readonly source: string
  /** Labelled as backscatter, by the kind that the label says. */
  readonly backscatter: Readonly<Record<Exclude<BackscatterKind, 'callout'>, readonly Template[]>>
  /** Labelled as neither backscatter nor spam: lists, sign-ups, tickets, reports, letters. */
  readonly innocent: readonly Template[]
}

/** A label, and whether it is backscatter. */
interface Label {
  readonly kind: string
  readonly isBackscatter: boolean
}

type Labelled = Label & { readonly message: Message; readonly weight: number }

/** Labels of mail whose senders deserve no protection. */
const unwanted = ['spam', 'phishing']

/**
 * Reads the labelled sets in these folders (see scripts/score.ts). What they lack of a kind comes from the project's own samples,
 * and everything does if none of the folders is there.
 */
export function readTemplates(folders: readonly string[]): Templates {
  const there = folders.filter((folder) => existsSync(join(folder, 'labels.tsv')))
  const labelled = there.flatMap(labelledIn)
  const samples = ownSamples()
  const found = (isWanted: (label: Label) => boolean): Template[] => {
    const given = labelled.filter(isWanted)
    return (given.length > 0 ? given : samples.filter(isWanted)).map(templateOf)
  }
  const ofKind = (wanted: string): Template[] =>
    found(({ isBackscatter, kind }) => isBackscatter && kind === wanted)
  return {
    source: there.join(', ') || 'the samples in test/bounces',
    backscatter: {
      dsn: ofKind('dsn'),
      'auto-reply': ofKind('auto-reply'),
      'challenge-response': ofKind('challenge-response'),
      'content-notice': ofKind('content-notice'),
    },
    innocent: found(({ isBackscatter, kind }) => !isBackscatter && !unwanted.includes(kind)),
  }
}

function labelledIn(folder: string): Labelled[] {
  return readLabelled(folder).map(({ row, message, weight }) => ({
    kind: kindOf(row['kind'] ?? ''),
    isBackscatter: row['backscatter'] === 'yes',
    message,
    weight,
  }))
}

function ownSamples(): Labelled[] {
  const expectations = readExpectations()
  return samplePaths.map((path) => {
    const kind = kindOfSample(path)
    const isBackscatter = kind !== 'not-backscatter'
    return {
      kind: isBackscatter ? kind : (expectations.get(path)?.verdict ?? ''),
      isBackscatter,
      message: parseMessage(readSample(path)),
      weight: 1,
    }
  })
}

function templateOf({ message, weight }: Labelled): Template {
  const delivery = { client: addressFromIPv4(0), recipient: '', seenAt: 0, source: 'smtp' }
  const [evidence] = evidenceOf(message, classify(message), [delivery])
  if (evidence === undefined) throw new Error('there is no evidence')
  const { to = [], returnedAuthors = [] } = evidence.addressed ?? {}
  // Some collections hide addresses behind words.
  const isHidden = allValues(message.header, 'to').some((value) => /<[A-Z_]+>/.test(value))
  return {
    evidence,
    hasTo: to.length > 0 || isHidden,
    hasAuthor: returnedAuthors.length > 0,
    weight,
  }
}
