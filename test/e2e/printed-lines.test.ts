// The lines that quickstart prints for other mail servers, in real ones: Postfix hands the traps' mail over and then refuses the
// listed host's bounces to others, and Exim refuses them too. Real mail, and mail of other hosts, passes. SpamAssassin reads its own.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { copyFileSync, globSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import { mailServerLines } from '../../src/admin/mail-server-lines.ts'
import { needs } from '../support/debian.ts'
import { temporaryDirectory } from '../support/door.ts'
import { needsAsRoot } from '../support/offenders.ts'
import { runOnWholeSystem } from '../support/whole-system.ts'

const words = [
  ...['bl.example.org', '--ns', 'ns1.example.org=127.0.0.1'],
  ...['--trap-domain', 'trap.example.net'],
]
const missing = [
  needsAsRoot('postfix', 'postfix'),
  needs('exim4', 'exim4-daemon-light'),
  needs('python3', 'python3'),
  needs('dig', 'bind9-dnsutils'),
  needs('ip', 'iproute2'),
]
  .map(({ skip }) => skip)
  .find(Boolean)

/** Sends a message and prints the reply to it. */
const sendMail = `
import smtplib, sys
client, sender, recipient, file = sys.argv[1:]
with smtplib.SMTP('127.0.0.1', 25, 'mail.pf.example', source_address=(client, 0)) as smtp:
    smtp.mail(sender)
    smtp.rcpt(recipient)
    try: code = smtp.data(open(file).read())[0]
    except smtplib.SMTPDataError as error: code = error.smtp_code
    print(code, f'<{sender}>', recipient, client)
`

/** Takes the printed lines as they stand: of Postfix into main.cf, of Exim into the ACL. */
const useThePrintedLines = `
cat > send.py <<'END'${sendMail}END
ip addr add 9.9.9.10/32 dev lo; ip addr add 9.9.9.11/32 dev lo
quickstart "$@" > printed
serve
echo 'nameserver 127.0.0.1' > /etc/resolv.conf
cp /usr/share/postfix/main.cf.debian /etc/postfix/main.cf
cp /usr/share/postfix/master.cf.dist /etc/postfix/master.cf
postconf -F '*/*/chroot=n'
postconf -e 'myhostname = mail.example.org' 'mydestination = $myhostname' 'inet_protocols = ipv4' \\
  'maillog_file = /var/log/mail.log' 'local_recipient_maps = inline:{ {user=here} }' 'alias_maps =' 'mynetworks = 127.0.0.0/8'
grep -E '^(virtual_|transport_maps|lmtp_|smtpd_data_)' printed >> /etc/postfix/main.cf
postfix start >/dev/null 2>&1
trap 'postfix stop >/dev/null 2>&1; kill "$server" 2>/dev/null || true' EXIT
bounce=/opt/backscatterd/data/samples/postfix-bounce.eml
for trap in anna berta; do
  sed -e "s/pf-unknown-user@trap.example.org/$trap@trap.example.net/; s/<2026/<$trap.2026/" "$bounce" > message
  python3 send.py 9.9.9.10 '' "$trap@trap.example.net" message
done
until dig @127.0.0.1 +short 10.9.9.9.bl.example.org A | grep ^127; do sleep 0.2; done
python3 send.py 9.9.9.10 '' user@mail.example.org message
python3 send.py 9.9.9.10 joe@mail.example.org user@mail.example.org message
python3 send.py 9.9.9.11 '' user@mail.example.org message
python3 send.py 9.9.9.10 '' anna@trap.example.net message
mkdir spool; chown Debian-exim spool
{
  printf '%s\\n' "exim_path = $(command -v exim4)" "spool_directory = $SCRATCH/spool" 'keep_environment =' \\
    'acl_smtp_rcpt = all' 'acl_smtp_data = data' 'begin acl' 'all:' '  accept' 'data:'
  sed -n '/^ *deny senders/,/^ *message/p' printed
  printf '%s\\n' '  accept' 'begin routers' 'r:' '  driver = accept' '  transport = t' 'begin transports' 't:' '  driver = appendfile' '  file = /dev/null'
} > /etc/exim-trial.conf
exim() { printf 'HELO x\\r\\nMAIL FROM:<%s>\\r\\nRCPT TO:<user@localhost>\\r\\nDATA\\r\\n\\r\\n.\\r\\nQUIT\\r\\n' "$2" | exim4 -C /etc/exim-trial.conf -bh "$1" 2>/dev/null | sed -n "s/^\\([25]50\\)[- ].*\\(listed\\|id=\\).*/exim \\1 <$2> $1/p"; }
exim 9.9.9.10 ''
exim 9.9.9.10 joe@example.net
exim 9.9.9.11 ''
`

test('Postfix and Exim do with the printed lines what they promise', {
  skip: missing ?? false,
}, (t) => {
  const args = [...words, '--listing', 'fast', '--lmtp']
  const { status, stdout, stderr } = runOnWholeSystem(t, useThePrintedLines, args)
  assert.equal(status, 0, stderr + stdout)
  assert.deepEqual(
    stdout.trim().split('\n'),
    [
      'backscatterd ready dns=127.0.0.1:53 admin=127.0.0.1:8053 smtp=127.0.0.1:2525',
      '250 <> anna@trap.example.net 9.9.9.10',
      '250 <> berta@trap.example.net 9.9.9.10',
      '127.0.0.2',
      '127.0.0.3',
      '554 <> user@mail.example.org 9.9.9.10',
      '250 <joe@mail.example.org> user@mail.example.org 9.9.9.10',
      '250 <> user@mail.example.org 9.9.9.11',
      '250 <> anna@trap.example.net 9.9.9.10',
      'exim 550 <> 9.9.9.10',
      'exim 250 <joe@example.net> 9.9.9.10',
      'exim 250 <> 9.9.9.11',
    ],
    stderr,
  )
})

test('SpamAssassin reads its lines', needs('spamassassin', 'spamassassin'), (t) => {
  const folder = temporaryDirectory(t)
  // Its rules need the plugins that Debian loads.
  for (const file of globSync('/etc/spamassassin/*.pre'))
    copyFileSync(file, join(folder, basename(file)))
  const lint = (lines: string): string => {
    writeFileSync(join(folder, 'local.cf'), lines)
    const words = ['--lint', '--local', '--siteconfigpath', folder, '--prefspath', '/dev/null']
    const { status, stderr } = spawnSync('spamassassin', words, { encoding: 'utf8' })
    return status === 0 ? '' : stderr
  }
  const { spamassassin } = mailServerLines('bl.example.org')
  assert.equal(lint(spamassassin), '')
  assert.match(lint(spamassassin.replace('&& ', '')), /BACKSCATTER_SOURCE/)
})
