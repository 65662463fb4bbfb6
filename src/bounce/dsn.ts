// message/delivery-status content → the fields of a delivery status notification (RFC 3464; RFC 6533 for the global
// variant). Called by classify.
import { type HeaderField, readHeaderSection } from './header-section.ts'

/** RFC 3464 §2.3.3. */
const actions = ['failed', 'delayed', 'delivered', 'relayed', 'expanded'] as const
export type DsnAction = (typeof actions)[number]

/** The fields of one recipient (RFC 3464 §2.3); null where the field is missing or not in its form. */
export interface DsnRecipient {
  readonly finalRecipient: string | null
  readonly originalRecipient: string | null
  readonly action: DsnAction | null
  /** `class.subject.detail` (RFC 3463). */
  readonly status: string | null
  readonly remoteMta: string | null
  readonly diagnosticCode: string | null
}

/** A delivery status: the fields of the message (RFC 3464 §2.2) and of each recipient. */
export interface DeliveryStatus {
  readonly reportingMta: string | null
  readonly receivedFromMta: string | null
  readonly originalEnvelopeId: string | null
  readonly arrivalDate: string | null
  /** In order, at most `maxRecipients`. */
  readonly recipients: readonly DsnRecipient[]
  /** Lower-case names of all fields in it, for telling the generator. */
  readonly fieldNames: ReadonlySet<string>
}

const maxRecipients = 100
const maxGroups = 200
const CR = 0x0d
const LF = 0x0a

/**
 * Reads the fields of a delivery status: groups divided by empty lines, the first about the message, each further one
 * about a recipient. Some generators leave the division out, so a group is taken for what its fields say. Never throws.
 */
export function parseDeliveryStatus(content: Uint8Array): DeliveryStatus {
  const recipients: DsnRecipient[] = []
  const fieldNames = new Set<string>()
  const message = new Map<string, string>()
  for (const fields of fieldGroups(content)) {
    const values = new Map<string, string>()
    for (const { name, value } of fields) {
      fieldNames.add(name)
      if (!values.has(name)) values.set(name, value)
    }
    if (recipientFields.some((name) => values.has(name))) {
      if (recipients.length < maxRecipients) recipients.push(recipientOf(values))
    }
    for (const name of messageFields) {
      const value = values.get(name)
      if (value !== undefined && !message.has(name)) message.set(name, value)
    }
  }
  return {
    reportingMta: typedValue(message.get('reporting-mta')),
    receivedFromMta: typedValue(message.get('received-from-mta')),
    originalEnvelopeId: plainValue(message.get('original-envelope-id')),
    arrivalDate: plainValue(message.get('arrival-date')),
    recipients,
    fieldNames,
  }
}

/**
 * Whether it says what a delivery status must say (RFC 3464 §2.2.2, §2.3.2, §2.3.3): which MTA reports, about which
 * recipient, and what became of the message. Some name the remote MTA or its words in place of their own; what is
 * dressed up as a report seldom says any of it.
 */
export function isPlausible(status: DeliveryStatus): boolean {
  return status.recipients.some(
    ({ finalRecipient, originalRecipient, action, status: code, remoteMta, diagnosticCode }) =>
      (finalRecipient ?? originalRecipient) !== null &&
      (action !== null || code !== null) &&
      (status.reportingMta ?? remoteMta ?? diagnosticCode) !== null,
  )
}

const messageFields = ['reporting-mta', 'received-from-mta', 'original-envelope-id', 'arrival-date']
const recipientFields = ['final-recipient', 'original-recipient', 'action']

function fieldGroups(content: Uint8Array): (readonly HeaderField[])[] {
  const groups: (readonly HeaderField[])[] = []
  let position = 0
  while (position < content.length && groups.length < maxGroups) {
    const section = readHeaderSection(content.subarray(position))
    if (section.fields.length > 0) groups.push(section.fields)
    if (section.cut !== null) break
    position += section.bodyStart
    while (content[position] === CR || content[position] === LF) position++
  }
  return groups
}

function recipientOf(values: ReadonlyMap<string, string>): DsnRecipient {
  return {
    finalRecipient: typedValue(values.get('final-recipient')),
    originalRecipient: typedValue(values.get('original-recipient')),
    action: actionOf(values.get('action')),
    status: statusOf(values.get('status')),
    remoteMta: typedValue(values.get('remote-mta')),
    diagnosticCode: plainValue(values.get('diagnostic-code')),
  }
}

/** `type; value` (RFC 3464 §2.1.2) → value; the type alone where there is no semicolon is taken as the value. */
function typedValue(field: string | undefined): string | null {
  if (field === undefined) return null
  const semicolon = field.indexOf(';')
  const type = semicolon < 0 ? '' : field.slice(0, semicolon).trim().toLowerCase()
  const value = unbracketed(field.slice(semicolon + 1).trim())
  return plainValue(type === 'utf-8' ? fromUnitext(value) : value)
}

function plainValue(field: string | undefined): string | null {
  return field === undefined || field === '' ? null : field
}

function unbracketed(text: string): string {
  return text.startsWith('<') && text.endsWith('>') ? text.slice(1, -1) : text
}

/** RFC 6533 §3: `\x{HEX}` stands for a character in an address of type utf-8. */
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

/** RFC 3463 §2, with the trailing text that many add. */
function statusOf(field: string | undefined): string | null {
  return /^[245]\.\d{1,3}\.\d{1,3}(?!\d)/.exec(field ?? '')?.[0] ?? null
}
