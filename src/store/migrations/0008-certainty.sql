-- How sure it is that a message is backscatter; NULL where kind is NULL. Only a certain message can list its host.
ALTER TABLE evidence ADD COLUMN certainty TEXT CHECK (certainty IN ('certain', 'likely'));

-- The earlier rules whose evidence can be certain, and what else the row must show:
-- 'nothing':     the client ended a transaction of the null sender by RSET, QUIT or a new MAIL; or the message has TMDA's own
--                field or address. Other challenge systems were also known by words under the same rule: likely.
-- 'null sender': an automatic reply that says auto-replied. Contact forms and ticket systems say it too, with a sender.
-- 'recipient':   the words of a mail server's own format, from the null sender, about a recipient. Formats that were known by
--                two words with a gap between them, or by words that phishing uses too, are not here.
-- 'report':      RFC 3464. From the null sender, about a recipient that failed or is delayed and is not of the trap's own
--                domain, with a status or diagnostic code, and with a message returned.
-- If our own SMTP listener received the message, the details show all of this. For mail from mailboxes and collectors they
-- have no reverse-path, so it becomes likely. So does all that was recognised by its words alone. Listings keep their term.
CREATE TEMPORARY TABLE old_rules (rule TEXT PRIMARY KEY, needs TEXT NOT NULL);
INSERT INTO old_rules VALUES
  ('callout-null-sender', 'nothing'),
  ('callout-random-recipient', 'nothing'),
  ('challenge-tmda', 'nothing'),
  ('rfc3834-auto-replied', 'null sender'),
  ('rfc3464-report', 'report'),
  ('format-exchange', 'recipient'),
  ('format-exim', 'recipient'),
  ('format-iis', 'recipient'),
  ('format-mdaemon', 'recipient'),
  ('format-opensmtpd', 'recipient'),
  ('format-pmdf', 'recipient'),
  ('format-postfix', 'recipient'),
  ('format-powermta', 'recipient'),
  ('format-qmail', 'recipient'),
  ('format-sendmail', 'recipient');

UPDATE evidence SET certainty = 'likely' WHERE kind IS NOT NULL;

UPDATE evidence SET certainty = 'certain'
FROM temp.old_rules AS old, messages
WHERE evidence.kind IS NOT NULL AND evidence.rule = old.rule AND messages.id = evidence.message_id
  AND (old.needs = 'nothing' OR json_extract(details, '$.reversePath') = '')
  AND (old.needs IN ('nothing', 'null sender') OR json_extract(details, '$.finalRecipient') LIKE '%@%')
  AND (old.needs <> 'report' OR (
    json_extract(details, '$.action') IN ('failed', 'delayed')
    AND coalesce(json_extract(details, '$.status'), json_extract(details, '$.diagnosticCode')) IS NOT NULL
    AND json_extract(details, '$.returnedMessageId') IS NOT NULL
    AND evidence.returned <> messages.content
    AND lower(substr(json_extract(details, '$.finalRecipient'), instr(json_extract(details, '$.finalRecipient'), '@')))
      <> substr(evidence.recipient, instr(evidence.recipient, '@'))
  ));

DROP TABLE temp.old_rules;

DROP INDEX evidence_judged;
CREATE INDEX evidence_judged ON evidence (family, w0, w1, kind, certainty, seen_at, w2, w3, decision);
