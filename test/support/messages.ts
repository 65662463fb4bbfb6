// Builds messages for the bounce tests: readable lines in, octets out.

/** Lines joined with CRLF. */
export function octets(...lines: string[]): Uint8Array {
  return Buffer.from(lines.join('\r\n'))
}

export const statusLines = [
  'Reporting-MTA: dns; mail.example.net',
  '',
  'Final-Recipient: rfc822; nobody@example.net',
  'Action: failed',
  'Status: 5.1.1',
]

export interface ReportParts {
  readonly header?: readonly string[]
  readonly type?: string
  readonly status?: readonly string[]
  readonly statusType?: string
  readonly returned?: readonly string[]
}

/** A delivery report with a text part, a delivery status and a returned message; each can be replaced. */
export function report(parts: ReportParts = {}): Uint8Array {
  const {
    header = ['From: MAILER-DAEMON@example.net'],
    type = 'multipart/report; report-type=delivery-status',
    status = statusLines,
    statusType = 'message/delivery-status',
    returned = ['Message-ID: <1@spam.example>', 'From: trap@trap.example', 'Subject: hi', '', 'x'],
  } = parts
  return octets(
    ...header,
    'MIME-Version: 1.0',
    `Content-Type: ${type}; boundary="b"`,
    '',
    '--b',
    '',
    'It could not be delivered.',
    '--b',
    `Content-Type: ${statusType}`,
    '',
    ...status,
    '',
    '--b',
    'Content-Type: message/rfc822',
    '',
    ...returned,
    '--b--',
    '',
  )
}
