// The content of a message/delivery-status part → the fields of a delivery status notification (RFC 3464; RFC 6533 for the global
// variant). Written by hand: no npm package reads this type.
import { type HeaderField, readFields } from './header.ts'
import type { Body } from './parts.ts'

/** RFC 3464 §2.3.3. */
const actions = ['failed', 'delayed', 'delivered', 'relayed', 'expanded'] as const
export type DsnAction = (typeof actions)[number]

/** The fields of one recipient (RFC 3464 §2.3); null where a field is missing or malformed. */
interface DsnRecipient {
  readonly finalRecipient: string | null
  readonly originalRecipient: string | null
  readonly action: DsnAction | null
  /** `class.subject.detail` (RFC 3463). */
  readonly status: string | null
  readonly remoteMta: string | null
  readonly diagnosticCode: string | null
}

/** A delivery status: fields about the message (RFC 3464 §2.2) and about each recipient. */
export interface DeliveryStatus {
  readonly reportingMta: string | null
  readonly receivedFromMta: string | null
  readonly arrivalDate: string | null
  /** Recipients in order, at most `maxRecipients`. */
  readonly recipients: readonly DsnRecipient[]
  /** The lower-case names of all fields; they help to recognise the software. */
  readonly fieldNames: ReadonlySet<string>
}

const maxRecipients = 100
const maxGroups = 200

/**
 * Reads a delivery status. It consists of groups of fields with empty lines between them: the first group is about the message,
 * each later one about a recipient. Some software omits the empty line, so the fields of a group decide what it is about. Never
 * throws.
 */
export function parseDeliveryStatus(content: Uint8Array): DeliveryStatus {
  const recipients: DsnRecipient[] = []
  const first = new Map<string, string>()
  for (const fields of fieldGroups(content)) {
    // The first field of a name counts.
    const group = new Map(fields.toReversed().map(({ name, value }) => [name, value]))
    if (recipientFields.some((name) => group.has(name))) recipients.push(recipientOf(group))
    for (const { name, value } of fields) if (!first.has(name)) first.set(name, value)
  }
  return {
    reportingMta: typedValue(first.get('reporting-mta')),
    receivedFromMta: typedValue(first.get('received-from-mta')),
    arrivalDate: first.get('arrival-date') || null,
    recipients: recipients.slice(0, maxRecipients),
    fieldNames: new Set(first.keys()),
  }
}

/** RFC 3464 §2.1, RFC 6533 §5. */
const statusTypes = ['message/delivery-status', 'message/global-delivery-status']
const maxStatusParts = 5

/** The delivery status among a message's parts: the first complete one (see isPlausible), else the first one, else null. */
export function deliveryStatusIn(parts: Body['parts']): DeliveryStatus | null {
  const all = parts
    .filter(({ type }) => statusTypes.includes(type))
    .slice(0, maxStatusParts)
    .map(({ content }) => parseDeliveryStatus(content))
  return all.find(isPlausible) ?? all[0] ?? null
}

/**
 * Whether the status has what RFC 3464 §2.2.2, §2.3.2 and §2.3.3 require: the reporting MTA, a recipient, and what happened to
 * the message. In place of the reporting MTA, the remote MTA or its reply will do, since some software gives only those. Fake
 * reports seldom have any of it.
 */
export function isPlausible(status: DeliveryStatus): boolean {
  return status.recipients.some(
    ({ finalRecipient, originalRecipient, action, status: code, remoteMta, diagnosticCode }) =>
      (finalRecipient ?? originalRecipient) !== null &&
      (action !== null || code !== null) &&
      (status.reportingMta ?? remoteMta ?? diagnosticCode) !== null,
  )
}

const recipientFields = ['final-recipient', 'original-recipient', 'action']

function fieldGroups(content: Uint8Array): (readonly HeaderField[])[] {
  const text = Buffer.from(content.buffer, content.byteOffset, content.byteLength).toString(
    'latin1',
  )
  return text
    .split(/\n\s*\n/)
    .filter((group) => /^[\w-]+ *:/m.test(group))
    .slice(0, maxGroups)
    .map((group) => readFields(Buffer.from(group, 'latin1'), 0).fields)
}

function recipientOf(values: ReadonlyMap<string, string>): DsnRecipient {
  return {
    finalRecipient: typedValue(values.get('final-recipient')),
    originalRecipient: typedValue(values.get('original-recipient')),
    action: actionOf(values.get('action')),
    status: statusOf(values.get('status')),
    remoteMta: typedValue(values.get('remote-mta')),
    diagnosticCode: values.get('diagnostic-code') || null,
  }
}

/** The value of a `type; value` field (RFC 3464 §2.1.2). Without a semicolon, the whole field is the value. */
function typedValue(field: string | undefined): string | null {
  if (field === undefined) return null
  const semicolon = field.indexOf(';')
  const type = semicolon < 0 ? '' : field.slice(0, semicolon).trim().toLowerCase()
  const value = field
    .slice(semicolon + 1)
    .trim()
    .replace(/^<(.*)>$/, '$1')
  return (type === 'utf-8' ? fromUnitext(value) : value) || null
}

/** Decodes `\x{HEX}`, which stands for a character in an address of type utf-8 (RFC 6533 §3). */
function fromUnitext(text: string): string {
  return text.replace(/\\x\{([0-9A-Fa-f]{1,6})\}/g, (all, hex: string) => {
    const point = Number.parseInt(hex, 16)
    const isCharacter = point >= 0x20 && point <= 0x10ffff && (point < 0xd800 || point > 0xdfff)
    return isCharacter ? String.fromCodePoint(point) : all
  })
}

function actionOf(field: string | undefined): DsnAction | null {
  const word = /^[a-z]+/.exec((field ?? '').toLowerCase())?.[0]
  return actions.find((action) => action === word) ?? null
}

/** The status (RFC 3463 §2) in a field; much software adds text behind it. */
function statusOf(field: string | undefined): string | null {
  return /^[245]\.\d{1,3}\.\d{1,3}(?!\d)/.exec(field ?? '')?.[0] ?? null
}
