// Messages that once cost a reader minutes or seconds: each is a small structure, repeated until a loop that was not
// linear shows. All are bounces to one trap, with CRLF line ends but where their name says otherwise.

/** A delivery status of two groups of fields with 450,000 empty lines between them. */
export function emptyLinesInStatus(trap: string): Buffer {
  return Buffer.from(report(trap, ['Content-Type: message/delivery-status', '', status()]))
}

/** The same delivery status in base64. */
export function emptyLinesInBase64Status(trap: string): Buffer {
  const encoded = Buffer.from(status()).toString('base64').replaceAll(/.{76}/g, '$&\r\n')
  const fields = ['Content-Type: message/delivery-status', 'Content-Transfer-Encoding: base64']
  return Buffer.from(report(trap, [...fields, '', encoded]))
}

/**
 * Returns a message whose header section has 300 kB of folded lines below a DKIM signature of the trap's domain: with a
 * resolver, the signature is looked into.
 */
export function foldedHeader(trap: string): Buffer {
  const domain = trap.slice(trap.lastIndexOf('@') + 1)
  const signature = [
    `DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=${domain}; s=s; h=from:x-folded;`,
    ' bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA',
  ]
  const folded = `X-Folded: a${'\r\n b'.repeat(75_000)}`
  return Buffer.from(
    report(trap, ['Content-Type: text/plain', '', 'See below.'], [...signature, folded]),
  )
}

/** A body of 9.9 MB of LF and nothing else. */
export function bareLineFeeds(trap: string): Buffer {
  return Buffer.concat([
    Buffer.from(`${[...header(trap), '', ''].join('\r\n')}`),
    Buffer.alloc(9_900_000, '\n'),
  ])
}

function header(trap: string): string[] {
  return [
    'From: Mail Delivery Subsystem <MAILER-DAEMON@relay.example>',
    `To: <${trap}>`,
    'Subject: Undelivered Mail Returned to Sender',
    'Auto-Submitted: auto-replied',
    'Message-ID: <slow@relay.example>',
  ]
}

function status(): string {
  return [
    'Reporting-MTA: dns; relay.example',
    '\r\n'.repeat(450_000),
    'Final-Recipient: rfc822; nobody@relay.example',
    'Action: failed',
    'Status: 5.1.1',
    '',
  ].join('\r\n')
}

function report(
  trap: string,
  second: readonly string[],
  returnedFields: readonly string[] = [],
): string {
  return [
    ...header(trap),
    'MIME-Version: 1.0',
    'Content-Type: multipart/report; report-type=delivery-status; boundary="b"',
    '',
    '--b',
    '',
    'Your message could not be delivered.',
    '--b',
    ...second,
    '--b',
    'Content-Type: message/rfc822',
    '',
    ...returnedFields,
    `From: <${trap}>`,
    'To: <nobody@relay.example>',
    'Message-ID: <returned@relay.example>',
    'Subject: hello',
    '',
    'Hello',
    '--b--',
    '',
  ].join('\r\n')
}
