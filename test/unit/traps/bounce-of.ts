// A bounce to a trap, of a message that a test brings.

/** A bounce that returns this; `type` of the returned part. */
export function bounceOf(returned: string, type = 'message/rfc822'): Buffer {
  return Buffer.from(
    [
      'Return-Path: <>',
      'From: MAILER-DAEMON@bouncer.example',
      'To: one@trap.example',
      'Subject: Undelivered Mail Returned to Sender',
      'MIME-Version: 1.0',
      'Content-Type: multipart/report; report-type=delivery-status; boundary="b"',
      '',
      '--b',
      '',
      'It could not be delivered.',
      '--b',
      'Content-Type: message/delivery-status',
      '',
      'Reporting-MTA: dns; mail.bouncer.example',
      '',
      'Final-Recipient: rfc822; somebody@bouncer.example',
      'Action: failed',
      'Status: 5.1.1',
      '',
      '--b',
      `Content-Type: ${type}`,
      '',
      returned,
      '--b--',
      '',
    ].join('\r\n'),
  )
}
