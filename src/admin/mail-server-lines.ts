// A zone's name → the lines by which mail servers and filters use the list. Each concerns only mail with the null sender, since
// listed hosts also send real mail. Tests run them in the real programs.

interface MailServerLines {
  /** For main.cf. */
  readonly postfix: string
  /** For the top of the ACL that acl_smtp_data names. */
  readonly exim: string
  /** For local.cf. */
  readonly spamassassin: string
  /** For rspamd's files in /etc/rspamd. */
  readonly rspamd: readonly { readonly file: string; readonly text: string }[]
}

/** `spared`: domains of traps behind the same Postfix, whose mail must not be refused. */
export function mailServerLines(zone: string, spared: readonly string[] = []): MailServerLines {
  const listed = `${zone}=127.0.0.2`
  const permitted = inlineTable(spared.map((domain) => `${domain} = permit`))
  const first = spared.length > 0 ? `check_recipient_access ${permitted}, ` : ''
  return {
    postfix: lines(
      `smtpd_data_restrictions = ${first}check_sender_access inline:{ {<> = reject_rbl_client ${listed}} }`,
    ),
    exim: lines(
      'deny senders  = :',
      `     dnslists = ${listed}`,
      '     message  = $sender_host_address is listed at $dnslist_domain; $dnslist_text',
    ),
    spamassassin: lines(
      `header   __BL_BACKSCATTER   eval:check_rbl('backscatter-lastexternal', '${zone}.', '^127\\.0\\.0\\.2$')`,
      'tflags   __BL_BACKSCATTER   net',
      'header   __NULL_SENDER      Return-Path =~ /^\\s*<>\\s*$/m',
      'meta     BACKSCATTER_SOURCE (__BL_BACKSCATTER && __NULL_SENDER)',
      `describe BACKSCATTER_SOURCE Bounce from a host that ${zone} lists`,
      'tflags   BACKSCATTER_SOURCE net',
      'score    BACKSCATTER_SOURCE 5.0',
    ),
    rspamd: [
      {
        file: 'local.d/rbl.conf',
        text: lines(
          'rbls {',
          '  backscatter {',
          `    rbl = "${zone}";`,
          '    checks = ["from"];',
          '    ipv4 = true;',
          '    ipv6 = true;',
          '    returncodes { BL_BACKSCATTER = "127.0.0.2"; }',
          '  }',
          '}',
        ),
      },
      {
        file: 'local.d/composites.conf',
        text: lines(
          'BACKSCATTER_SOURCE {',
          '  expression = "BL_BACKSCATTER & NULL_SENDER";',
          '  score = 8.0;',
          '}',
        ),
      },
      {
        file: 'rspamd.local.lua',
        text: lines(
          'rspamd_config:register_symbol({',
          "  name = 'NULL_SENDER', type = 'normal', score = 0.0,",
          '  callback = function(task)',
          "    local from = task:get_from('smtp')",
          "    return from and from[1] and from[1].addr == ''",
          '  end,',
          '})',
        ),
      },
    ],
  }
}

/** A Postfix table that stands in main.cf itself (DATABASE_README). Each row is `key = value`. */
export function inlineTable(rows: readonly string[]): string {
  return `inline:{ ${rows.map((row) => `{${row}}`).join(', ')} }`
}

function lines(...texts: readonly string[]): string {
  return texts.map((text) => `${text}\n`).join('')
}
