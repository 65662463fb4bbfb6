// Trace fields as mail servers, gateways and providers write them → the address that each saw at the other end.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatAddress } from '../../../src/ip/address.ts'
import { parseReceivedField } from '../../../src/mail/received-field.ts'

/**
 * Who writes it; the address, `internal`, or `null` when none can be read; the value. What stands alone before `by` is
 * HELO in most servers, and MDaemon's old form cannot be told from theirs.
 */
const forms = `
qpsmtpd | 192.0.2.1 | from mail.example (HELO mail.example) (192.0.2.1) by mx.example (qpsmtpd/0.84) with ESMTP; Tue, 24 Nov 2026 12:23:50 +0000
qpsmtpd, EHLO | 192.0.2.1 | from unknown (EHLO mail.example) (192.0.2.1) by mx.example (qpsmtpd/0.96) with ESMTPS
spamdyke | 192.0.2.1 | from unknown (HELO mail.example) (192.0.2.1) by 0 with ESMTPS (DHE-RSA-AES256-SHA encrypted); 24 Nov 2026
netqmail, authenticated | 192.0.2.1 | from unknown (HELO mail.example) (joe@example.net@192.0.2.1) by mx.example with ESMTPA
qmail-scanner | internal | from unknown by localhost.localdomain (envelope-from <>, uid 89) with qmail-scanner-2.08
simscan | internal | by simscan 1.4.0 ppid: 123, pid: 124, t: 0.1s scanners: attach: 1.4.0
IndiMail | 192.0.2.1 | from unknown (HELO mail.example) (smtp@[192.0.2.1]) (envelope-sender <>) by mx (qmail-ldap-1.03) with SMTP for <a@b.example>
qmail-ldap | 192.0.2.1 | from mail.example ([192.0.2.1]) (envelope-sender <x@y.example>) by mx.example (qmail-ldap-1.03) with SMTP for <a@b.example>; 24 Nov 2026
exchange2016 | 192.0.2.1 | from mail.example (192.0.2.1) by EX1.corp.example (10.0.0.5) with Microsoft SMTP Server (version=TLS1_2, cipher=TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384) id 15.1.2507.6 via Frontend Transport; Tue, 24 Nov 2026 12:23:50 +0000
Microsoft 365 | 192.0.2.1 | from mail.example (192.0.2.1) by AM6EUR05FT063.mail.protection.outlook.com (10.233.241.100) with Microsoft SMTP Server (version=TLS1_2, cipher=X) id 15.20.6086.21 via Frontend Transport
exchange mapi | internal | from EX1.corp.example ([fe80::abcd]) by EX2.corp.example ([fe80::abce%14]) with mapi id 15.01.2507.006
exchange 2007 | 192.0.2.1 | from mail.example ([192.0.2.1]) by EX.corp.example ([10.0.0.5]) with ESMTP
gmail esmtps | 192.0.2.1 | from mail.example (mail.example. [192.0.2.1]) by mx.google.com with ESMTPS id b1-2002a17si.0.2026.11.24 for <a@b.example> (version=TLS1_3 cipher=TLS_AES_256_GCM_SHA384 bits=256/256)
gmail v6 | 2001:db8::1 | from mail.example (mail.example. [2001:db8::1]) by mx.google.com with ESMTPS id x
gmail bare | 192.0.2.1 | from [203.0.113.9] ([192.0.2.1]) by smtp.gmail.com with ESMTPSA id x
courier IDENT | 192.0.2.1 | from mail.example (mail.example [::ffff:192.0.2.1]) (IDENT: nobody) by mx.example with ESMTP
courier auth | 192.0.2.1 | from mail.example (mail.example [::ffff:192.0.2.1]) (AUTH: LOGIN joe) by mx.example
opensmtpd v6 | 2001:db8::1 | from mail.example (mail.example [IPv6:2001:db8::1]) by mx (OpenSMTPD) with ESMTPS id 1 (TLSv1.3)
opensmtpd bare v6 | 2001:db8::1 | from mail.example (mail.example [2001:db8::1]) by mx (OpenSMTPD) with ESMTPS id 1
haraka noname | 192.0.2.1 | from mail.example (Unknown [192.0.2.1]) by mx.example (Haraka) with SMTP id x
zimbra LHLO | internal | from zm.example (LHLO zm.example) (192.0.2.1) by zm.example with LMTP
HCL Domino | 192.0.2.1 | from mail.example ([192.0.2.1]) by mx.example (HCL Domino Release 12.0.2) with ESMTP id 1
mdaemon | null | from mail.example by mx.example (MDaemon PRO v21.5.0) with ESMTPS id md5001.msg for <a@b.example>; Tue, 24 Nov 2026
mdaemon ip | 192.0.2.1 | from mail.example (mail.example [192.0.2.1]) by mx.example (MDaemon PRO v21.5.0) with ESMTP id md5
mdaemon ip2 | 192.0.2.1 | from mail.example ([192.0.2.1]) by mx.example (192.0.2.25) (MDaemon PRO v13) with ESMTP id 1
communigate acct | 192.0.2.1 | from [192.0.2.1] (account joe@b.example HELO mail.example) by mx.example (CommuniGate Pro SMTP 6.3.3) with ESMTPSA id 1
communigate rule | internal | by mx.example (CommuniGate Pro RULE 6.3.3) with RULE id 1
kerio | 192.0.2.1 | from mail.example ([192.0.2.1]) by mx.example (Kerio Connect 9.4.0) with ESMTPS for a@b.example
icewarp | 192.0.2.1 | from mail.example ([192.0.2.1]) by mx.example (IceWarp 13.0.3.5 DEB10 x64) with ESMTPS (SSL) id 202611241223505001 for <a@b.example>
merak | 192.0.2.1 | from mail.example [192.0.2.1] by mx.example with ESMTP (Merak 8.0.3) id 1
powermta | 192.0.2.1 | from mail.example (192.0.2.1) by pmta.example (PowerMTA(TM) v3.5r15) id hfo for <a@b.example>; Tue, 24 Nov 2026 (envelope-from <x@y.example>)
powermta5 | 192.0.2.1 | from mail.example (192.0.2.1) by pmta.example id hfo for <a@b.example>
momentum | 192.0.2.1 | from [192.0.2.1] ([192.0.2.1:41234] helo=mail.example) by mta.example (envelope-from <x@y.example>) (ecelerity 4.2.1.55028 r(Core:4.2.1.12)) with ESMTP id 1
momentum v6 | 2001:db8::1 | from [2001:db8::1] ([2001:db8::1]:41234 helo=mail.example) by mta.example (ecelerity 4.2) with ESMTP id 1
ironport | 192.0.2.1 | from mail.example (HELO mail.example) ([192.0.2.1]) by esa1.example with ESMTP/TLS/ECDHE-RSA-AES256-GCM-SHA384; 24 Nov 2026 12:23:50 +0000
ironport unknown | 192.0.2.1 | from unknown (HELO mail.example) ([192.0.2.1]) by esa1.example with ESMTP; 24 Nov 2026
ironport spoof | 192.0.2.1 | from mail.example (HELO [203.0.113.9]) ([192.0.2.1]) by esa1.example with ESMTP
barracuda ess | 192.0.2.1 | from mail.example (mail.example [192.0.2.1]) by mx-inbound1-1.us-east-2a.ess.aws.cudaops.example (version=TLSv1.3 cipher=X bits=256 verify=NO)
proofpoint | 192.0.2.1 | from mail.example (mail.example [192.0.2.1]) by mx0a-1.pphosted.example (PPS) with ESMTPS id 3k for <a@b.example> (version=TLSv1.2 cipher=X bits=256 verify=NOT)
proofpoint pps | 127.0.0.1 | from pps.filterd (m0001.ppops.net [127.0.0.1]) by mx0a (8.17.1.5/8.17.1.5) with ESMTP id 1
mimecast us | 192.0.2.1 | from mail.example (mail.example [192.0.2.1]) (Using TLS) by us-mta-1.mimecast.example with ESMTP id us-mta
james2 | 192.0.2.1 | from 192.0.2.1 ([192.0.2.1]) by james.example (JAMES SMTP Server 2.3.2) with SMTP ID 541 for <a@b.example>
james3 | 192.0.2.1 | from mail.example (EHLO mail.example) ([192.0.2.1]) by james.example (JAMES SMTP Server ) with ESMTP ID 1 for <a@b.example>
james3b | 192.0.2.1 | from 192.0.2.1 (EHLO mail.example) ([192.0.2.1]) by james.example (JAMES SMTP Server) with ESMTPS ID 1
hmail4 | 192.0.2.1 | from mail.example ([192.0.2.1]) by mx.example with hMailServer ; Tue, 24 Nov 2026
smartermail2 | 192.0.2.1 | from mail.example (UnknownHost [192.0.2.1]) by mx.example with SMTP (version=TLS\\Tls12 cipher=Aes256 bits=256)
mailenable | 192.0.2.1 | from mail.example ([192.0.2.1]) by mx.example with MailEnable ESMTP; Tue, 24 Nov 2026
mailenable2 | 192.0.2.1 | from mail.example (mail.example [192.0.2.1]) by mx.example with MailEnable ESMTPS (version=TLS1.2 cipher=X)
mercury | 192.0.2.1 | from mail.example (192.0.2.1) by mx.example (Mercury/32 v4.80) with ESMTP ID MG000001; 24 Nov 26 12:23:50 +0000
mercury spool | internal | from Spooler by mx.example (Mercury/32 v4.62) ID MO0001;
sun ims | 192.0.2.1 | from mail.example ([192.0.2.1]) by ims.example (Sun Java(tm) System Messaging Server 7u4) with ESMTP id <0ABC@ims.example> for a@b.example
oracle comms | 192.0.2.1 | from mail.example (mail.example [192.0.2.1]) by ims.example (Oracle Communications Messaging Server 8.0) with ESMTPS id <0ABC@ims>
pmdf | 192.0.2.1 | from mail.example ([192.0.2.1]) by pmdf.example (PMDF V6.5 #31499) with ESMTP id <0ABC@pmdf>
yahoo new | 192.0.2.1 | from 192.0.2.1 (EHLO mail.example) by 10.217.1.1 with SMTPs (version=TLS1_2 cipher=X); Tue, 24 Nov 2026
yahoo 2013 | 192.0.2.1 | from 127.0.0.1 (EHLO mail.example) (192.0.2.1) by mta1.mail.bf1.yahoo.example with SMTPS
yahoo helo | 192.0.2.1 | from unknown (HELO mail.example) (joe@192.0.2.1 with plain) by smtp1.yahoo.example with SMTP
aol old | 192.0.2.1 | from mail.example (mail.example [192.0.2.1]) by rly-xa.mx.aol.example (v103.7) with ESMTP id MAILRELAYINXA1-1; Tue
mailru | 192.0.2.1 | from [192.0.2.1] (port=41234 helo=mail.example) by mx1.mail.example.ru with esmtp (envelope-from <x@y.example>) id 1 for a@b.example
mailru name | 192.0.2.1 | from mail.example [192.0.2.1] (port=41234 helo=mail.example) by mx1.mail.example.ru with esmtp
yandex | 192.0.2.1 | from mail.example (mail.example [192.0.2.1]) by mxfront1.mail.yandex.example (mxfront/Yandex) with ESMTPS id abc-NoXm
yandex v6 | 2001:db8::1 | from mail.example (mail.example [2001:db8::1]) by mxfront1.mail.yandex.example (nwsmtp/Yandex) with ESMTP id abc
stalwart | 192.0.2.1 | from mail.example (mail.example [192.0.2.1]) (using TLSv1.3 with cipher X) by mx.example (Stalwart SMTP) with ESMTPS id 1; Tue
stalwart2 | 192.0.2.1 | from mail.example (unknown [192.0.2.1] (AS64500, DE)) (using TLSv1.3 with cipher X) by mx.example (Stalwart SMTP) with ESMTPS
maddy | 192.0.2.1 | from mail.example (mail.example [192.0.2.1]) by mx.example (envelope-sender <x@y.example>) with UTF8ESMTPS id 1; Tue
mox | 192.0.2.1 | from mail.example (mail.example [192.0.2.1]) by mx.example ([192.0.2.25]) via tcp with ESMTPS id abc (TLS1.3 X) for <a@b.example>
mox local | 192.0.2.1 | from mail.example ([192.0.2.1]) by mx.example ([192.0.2.25]) via tcp with ESMTP id x
getmail | internal | from unknown by mail.example with POP3; Tue
getmail 6 | internal | from imap.example by home with getmail; Tue, 24 Nov 2026
mpop | internal | from pop.example by home with POP3S (mpop) for x
sendmail auth | 192.0.2.1 | from helo.example (mail.example [192.0.2.1]) (authenticated bits=0) by mx (8.14.4/8.14.4) with ESMTP id 1
sendmail v6 | 2001:db8::1 | from helo.example (mail.example [IPv6:2001:db8::1]) by mx (8.15.2/8.15.2) with ESMTPS id 1
sendmail old | 192.0.2.1 | from helo.example (root@mail.example [192.0.2.1]) by mx (8.8.5/8.8.5) with SMTP
sendmail bad | 192.0.2.1 | from helo.example ([192.0.2.1] (may be forged)) by mx (8.13) with SMTP
exim host | 192.0.2.1 | from mail.example ([192.0.2.1]:41234) by mx.example with esmtps (TLS1.2) tls X (Exim 4.94) (envelope-from <>) id 1 for a@b
exim both | 192.0.2.1 | from mail.example ([192.0.2.1]:41234 helo=x.example) by mx.example with esmtps (Exim 4.94.2)
exim v6 port | 2001:db8::1 | from mail.example ([2001:db8::1]:41234) by mx with esmtps (Exim 4.96)
axigen | 192.0.2.1 | from mail.example ([192.0.2.1]) by mx.example (Axigen) with (TLS_AES_256 encrypted) ESMTPS id 1
xmail | 192.0.2.1 | from mail.example (192.0.2.1:41234) by mx.example with [XMail 1.27 ESMTP Server] id <S1> for <a@b.example> from <>; Tue
mailmarshal | 192.0.2.1 | from mail.example (Not Verified[192.0.2.1]) by mm.example with Trustwave SEG (v8,2,6,11305) id <B1>
mailmarshal2 | 192.0.2.1 | from mail.example ([192.0.2.1]) by mm.example with MailMarshal (v6,8,2) id <B1>
interscan | 192.0.2.1 | from mail.example (unknown[192.0.2.1]) by imss.example with smtp id 1; Tue
messagelabs | 192.0.2.1 | from mail.example (HELO mail.example) (192.0.2.1) by server-1.tower-1.messagelabs.example with ECDHE-RSA-AES256-GCM-SHA384 encrypted SMTP; 24 Nov 2026
postini | 192.0.2.1 | from source ([192.0.2.1]) by exprod7mx1.postini.example ([64.18.6.10]) with SMTP; Tue
fortimail | 192.0.2.1 | from mail.example (mail.example [192.0.2.1]) by fm.example with ESMTPS id 1-1 (version=TLSv1.2 cipher=X bits=256 verify=OK)
sophos utm | 192.0.2.1 | from mail.example ([192.0.2.1]:41234) by utm.example with esmtps (TLSv1.2) (Exim 4.82_1-5b7a7c0-XX)
sendgrid geopod | 192.0.2.1 | from mail.example (unknown [192.0.2.1]) by geopod-ismtpd-1 (SG) with ESMTP id x
protonmail | 192.0.2.1 | from mail.example (mail.example [192.0.2.1]) (using TLSv1.3 with cipher X (256/256 bits) key-exchange X25519) (No client certificate requested) by mailin.example (Postfix) with ESMTPS id 1
gmx | 192.0.2.1 | from mail.example ([192.0.2.1]) by mx-ha.gmx.example (mxgmx010 [212.227.15.9]) with ESMTPS (Nemesis) id 1 for <a@b.example>
coremail | 192.0.2.1 | from mail.example (unknown [192.0.2.1]) by mx1 (Coremail) with SMTP id ABC; Tue
smtp-server py | 192.0.2.1 | from mail.example (192.0.2.1) by mx.example with aiosmtpd
surge unverified | 192.0.2.1 | from mail.example (unverified [192.0.2.1]) by mx.example (Rockliffe SMTPRA 6.1.22) with ESMTP
ntmail | 192.0.2.1 | from mail.example [192.0.2.1] by mx.example [192.0.2.25] with SMTP (NTMail 7)
argosoft | 192.0.2.1 | from mail.example [192.0.2.1] by mx.example (ArGoSoft Mail Server .NET v.1.0.8.4) with ESMTP
MDaemon 6 | null | from [203.0.113.9] by mx.example (MDaemon.PRO.v6.8.5.R) with ESMTP id 1
SMTP glued to HELO | null | from mail.example(203.0.113.9) by mx.example via smtp id 1
HELO that plays CommuniGate | 192.0.2.1 | from [203.0.113.9](HELO x) ([192.0.2.1]) by mx.example with ESMTP
HELO that plays Yahoo | null | from 203.0.113.9 (EHLO x) (mail.example [192.0.2.1]) by mx.example (Postfix)
a login that plays an address | 192.0.2.1 | from unknown (HELO x) (203.0.113.9@192.0.2.1 with plain) by mx.example with SMTP
`
  .trim()
  .split('\n')
  .map((line) => line.split(' | '))

for (const [who = '', address, value = ''] of forms) {
  test(who, () => {
    const field = parseReceivedField(value)
    const seen = field.from === null ? null : formatAddress(field.from)
    assert.equal(field.isInternal ? 'internal' : String(seen), address)
  })
}
