-- What is told of a message, once for each client that handed it over, however many traps it was sent to.
CREATE TABLE messages (
  id INTEGER PRIMARY KEY,
  family INTEGER NOT NULL,        -- the client, as in evidence
  w0 INTEGER NOT NULL,
  w1 INTEGER NOT NULL,
  w2 INTEGER NOT NULL,
  w3 INTEGER NOT NULL,
  content TEXT NOT NULL,
  details TEXT NOT NULL           -- JSON object; how long each field may be: src/classify/evidence-details.ts
) STRICT;
CREATE UNIQUE INDEX messages_once ON messages (family, w0, w1, w2, w3, content);

INSERT OR IGNORE INTO messages (family, w0, w1, w2, w3, content, details)
  SELECT family, w0, w1, w2, w3, content, details FROM evidence ORDER BY id;

-- One row for each trap that a message was sent to. Rows are added and purged, never changed.
CREATE TABLE evidence_of_message (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  message_id INTEGER NOT NULL REFERENCES messages (id),
  family INTEGER NOT NULL,        -- an unknown client has family 0 and no bits
  w0 INTEGER NOT NULL,
  w1 INTEGER NOT NULL,
  w2 INTEGER NOT NULL,
  w3 INTEGER NOT NULL,
  recipient TEXT NOT NULL,
  kind TEXT,
  rule TEXT NOT NULL,
  returned TEXT NOT NULL,
  seen_at INTEGER NOT NULL,
  recorded_at INTEGER NOT NULL,
  source TEXT NOT NULL,
  decision TEXT NOT NULL CHECK (decision IN ('listed', 'extended', 'counted', 'ignored')),
  why TEXT NOT NULL
) STRICT;

INSERT INTO evidence_of_message
  SELECT id, (SELECT messages.id FROM messages
              WHERE (messages.family, messages.w0, messages.w1, messages.w2, messages.w3, messages.content)
                  = (evidence.family, evidence.w0, evidence.w1, evidence.w2, evidence.w3, evidence.content)),
    family, w0, w1, w2, w3, recipient, kind, rule, returned, seen_at, recorded_at, source, decision, why
  FROM evidence ORDER BY id;

DROP TABLE evidence;
ALTER TABLE evidence_of_message RENAME TO evidence;

CREATE UNIQUE INDEX evidence_once ON evidence (message_id, recipient);
-- The last three columns let what is stored of a day be counted along the index alone.
CREATE INDEX evidence_judged ON evidence (family, w0, w1, kind, seen_at, w2, w3, decision);
CREATE INDEX evidence_seen ON evidence (family, w0, w1, seen_at);

-- Messages that were counted and not stored, by the day they were seen, the network that would be listed for them (its
-- bits alone: family 0 is an unknown client) and the trap pattern.
CREATE TABLE evidence_counters (
  day INTEGER NOT NULL,           -- days since 1970
  family INTEGER NOT NULL,
  w0 INTEGER NOT NULL,
  w1 INTEGER NOT NULL,
  w2 INTEGER NOT NULL,
  w3 INTEGER NOT NULL,
  kind TEXT NOT NULL,             -- '': not recognised as backscatter
  trap TEXT NOT NULL,             -- '*': a mailbox whose every message was for a trap
  source TEXT NOT NULL,
  messages INTEGER NOT NULL,
  last_seen_at INTEGER NOT NULL,
  PRIMARY KEY (day, family, w0, w1, w2, w3, kind, trap, source)
) STRICT, WITHOUT ROWID;
