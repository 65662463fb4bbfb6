-- Prefixes are four unsigned 32-bit words, most significant first, and a length; IPv4 lives in w0 alone. Times are
-- epoch seconds. A kinds mask has bit i for the i-th kind of src/classify/kinds.ts.

CREATE TABLE lists (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE
) STRICT;

-- One row for each prefix, origin and named list while it holds; rows that ended stay as history.
CREATE TABLE listings (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  family INTEGER NOT NULL,
  length INTEGER NOT NULL,
  w0 INTEGER NOT NULL,
  w1 INTEGER NOT NULL,
  w2 INTEGER NOT NULL,
  w3 INTEGER NOT NULL,
  kinds INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('listed', 'held', 'shadow', 'expired', 'removed')),
  origin TEXT NOT NULL CHECK (origin IN ('trap', 'manual', 'import')),
  list_id INTEGER REFERENCES lists (id),
  reason TEXT,
  created_at INTEGER NOT NULL,
  last_hit_at INTEGER,
  expires_at INTEGER,             -- NULL: permanent
  held_until INTEGER,             -- while state is 'held'
  ended_at INTEGER,               -- once expired or removed
  evidence_mark INTEGER,          -- once removed: evidence up to this id no longer counts
  hits INTEGER NOT NULL DEFAULT 0,
  episode INTEGER NOT NULL DEFAULT 1,
  term INTEGER                    -- seconds one hit lists for, in this episode
) STRICT;

-- Length first, so that the lengths in use are found by a few seeks; the last two columns make the load of the
-- tree a walk along this index alone.
CREATE INDEX listings_prefix ON listings (family, length, w0, w1, w2, w3, state, kinds);
CREATE UNIQUE INDEX listings_one_row ON listings (family, length, w0, w1, w2, w3, origin)
  WHERE list_id IS NULL AND state IN ('listed', 'held', 'shadow');
CREATE INDEX listings_list ON listings (list_id) WHERE list_id IS NOT NULL;
CREATE INDEX listings_expiry ON listings (expires_at)
  WHERE expires_at IS NOT NULL AND state IN ('listed', 'held', 'shadow');
CREATE INDEX listings_held ON listings (held_until) WHERE state = 'held';
CREATE INDEX listings_unlisted ON listings (state) WHERE state <> 'listed';

-- An unknown client has family 0 and no bits. Nothing here is ever changed, only added and purged.
CREATE TABLE evidence (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  family INTEGER NOT NULL,
  w0 INTEGER NOT NULL,
  w1 INTEGER NOT NULL,
  w2 INTEGER NOT NULL,
  w3 INTEGER NOT NULL,
  recipient TEXT NOT NULL,
  kind TEXT,
  rule TEXT NOT NULL,
  content TEXT NOT NULL,
  returned TEXT NOT NULL,
  seen_at INTEGER NOT NULL,
  recorded_at INTEGER NOT NULL,
  source TEXT NOT NULL,
  details TEXT NOT NULL,          -- JSON object
  decision TEXT NOT NULL CHECK (decision IN ('listed', 'extended', 'counted', 'ignored')),
  why TEXT NOT NULL
) STRICT;

CREATE UNIQUE INDEX evidence_once ON evidence (family, w0, w1, w2, w3, recipient, content);
CREATE INDEX evidence_judged ON evidence (family, w0, w1, kind, seen_at);
CREATE INDEX evidence_seen ON evidence (family, w0, w1, seen_at);

-- source: 'config' rows follow the configuration file, 'manual' rows the operator; one row each.
CREATE TABLE exemptions (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  family INTEGER NOT NULL,
  length INTEGER NOT NULL,
  w0 INTEGER NOT NULL,
  w1 INTEGER NOT NULL,
  w2 INTEGER NOT NULL,
  w3 INTEGER NOT NULL,
  source TEXT NOT NULL CHECK (source IN ('config', 'manual')),
  note TEXT,
  created_at INTEGER NOT NULL,
  UNIQUE (family, length, w0, w1, w2, w3, source)
) STRICT;

CREATE TABLE exclusions (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  family INTEGER NOT NULL,
  length INTEGER NOT NULL,
  w0 INTEGER NOT NULL,
  w1 INTEGER NOT NULL,
  w2 INTEGER NOT NULL,
  w3 INTEGER NOT NULL,
  source TEXT NOT NULL CHECK (source IN ('config', 'manual')),
  note TEXT,
  created_at INTEGER NOT NULL,
  UNIQUE (family, length, w0, w1, w2, w3, source)
) STRICT;

CREATE TABLE traps (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  pattern TEXT NOT NULL,
  source TEXT NOT NULL CHECK (source IN ('config', 'manual')),
  created_at INTEGER NOT NULL,
  UNIQUE (pattern, source)
) STRICT;

CREATE TABLE mailbox_positions (
  mailbox TEXT PRIMARY KEY,
  position TEXT NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE keys (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL,
  scope TEXT NOT NULL CHECK (scope IN ('read', 'write', 'collect', 'admin')),
  hash BLOB NOT NULL UNIQUE,      -- SHA-256 of the secret, which is kept nowhere
  created_at INTEGER NOT NULL,
  expires_at INTEGER,
  revoked_at INTEGER,
  last_used_at INTEGER
) STRICT;

CREATE TABLE audit (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL,
  actor TEXT NOT NULL,
  action TEXT NOT NULL,
  target TEXT NOT NULL,
  before TEXT,                    -- JSON, NULL: there was nothing
  after TEXT                      -- JSON, NULL: there is nothing
) STRICT;

-- One row for each publication still in the journal; the newest one is the state of the zone.
CREATE TABLE publications (
  serial INTEGER PRIMARY KEY,
  generated_at INTEGER NOT NULL,
  valid_until INTEGER NOT NULL,
  ipv4_entries INTEGER NOT NULL,
  ipv6_entries INTEGER NOT NULL,
  published_kinds INTEGER NOT NULL,
  retired INTEGER NOT NULL,
  number INTEGER NOT NULL,        -- counts publications; with the next, what the journal holds is a subtraction
  changes_total INTEGER NOT NULL, -- rows put into the journal so far, this publication's included
  changes INTEGER NOT NULL        -- rows of this publication
) STRICT;

-- What each publication changed: values as src/blocklist/zone-entry.ts packs them, 0 = nothing there.
CREATE TABLE journal (
  serial INTEGER NOT NULL REFERENCES publications (serial) ON DELETE CASCADE,
  family INTEGER NOT NULL,
  length INTEGER NOT NULL,
  w0 INTEGER NOT NULL,
  w1 INTEGER NOT NULL,
  w2 INTEGER NOT NULL,
  w3 INTEGER NOT NULL,
  before INTEGER NOT NULL,
  after INTEGER NOT NULL,
  PRIMARY KEY (serial, family, length, w0, w1, w2, w3)
) STRICT, WITHOUT ROWID;
