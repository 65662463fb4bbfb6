-- One row for each network whose messages count: what src/blocklist/fold.ts has folded its evidence into. So a further
-- message need not read the earlier ones.
CREATE TABLE offenders (
  family INTEGER NOT NULL,
  length INTEGER NOT NULL,
  w0 INTEGER NOT NULL,
  w1 INTEGER NOT NULL,
  w2 INTEGER NOT NULL,
  w3 INTEGER NOT NULL,
  state TEXT NOT NULL,            -- JSON: the state after all evidence
  base TEXT,                      -- JSON: the state after the evidence that was deleted for its age; NULL: none was
  PRIMARY KEY (family, length, w0, w1, w2, w3)
) STRICT, WITHOUT ROWID;

INSERT INTO offenders
  SELECT family, length, w0, w1, w2, w3, state, state FROM (
    SELECT family, length, w0, w1, w2, w3, max(id), json_object(
        'seenAt', coalesce(last_hit_at, created_at), 'kinds', kinds, 'episode', episode,
        'hitAt', coalesce(last_hit_at, created_at), 'provenAt', coalesce(last_hit_at, created_at), 'spentAt', 0,
        'endsAt', min(coalesce(expires_at, coalesce(last_hit_at, created_at) + term), coalesce(ended_at, 9007199254740991)),
        'hits', hits, 'cutAt', CASE state WHEN 'removed' THEN ended_at ELSE 0 END,
        'cutMark', CASE state WHEN 'removed' THEN coalesce(evidence_mark, 0) ELSE 0 END) AS state
      FROM listings WHERE origin = 'trap' GROUP BY family, length, w0, w1, w2, w3);

-- Why a listing is only counted; NULL unless its state is 'shadow': 'kind', 'whitelist ZONE' or 'pool NAME'.
ALTER TABLE listings ADD COLUMN shadow TEXT;
UPDATE listings SET shadow = 'kind' WHERE state = 'shadow';
-- JSON: the rule by which the network was listed, and the evidence for it.
ALTER TABLE listings ADD COLUMN basis TEXT;

-- What DNS says of a host that sent backscatter. Deleted when it is old.
CREATE TABLE hosts (
  family INTEGER NOT NULL,
  w0 INTEGER NOT NULL,
  w1 INTEGER NOT NULL,
  w2 INTEGER NOT NULL,
  w3 INTEGER NOT NULL,
  asked_at INTEGER NOT NULL,
  questions TEXT NOT NULL,        -- what was asked
  name TEXT,                      -- its verified name; NULL: none
  pool TEXT,                      -- the shared outbound pool that it belongs to; NULL: none
  whitelist TEXT,                 -- the first DNS whitelist that has it; NULL: none
  PRIMARY KEY (family, w0, w1, w2, w3)
) STRICT, WITHOUT ROWID;
CREATE INDEX hosts_age ON hosts (asked_at);
CREATE INDEX hosts_members ON hosts (family, w0, w1, w2, w3) WHERE pool IS NOT NULL OR whitelist IS NOT NULL;
-- Those listings by trap about whose hosts DNS is asked once a day.
CREATE INDEX listings_asked ON listings (id) WHERE origin = 'trap' AND state IN ('listed', 'shadow');

-- What the public may see of a listing's evidence. It is made when the listing is first answered, and seldom made again.
CREATE TABLE public_evidence (
  listing_id INTEGER PRIMARY KEY REFERENCES listings (id) ON DELETE CASCADE,
  shown_at INTEGER NOT NULL,      -- when DNS first answered the listing
  made_at INTEGER NOT NULL,       -- the body covers evidence recorded before; until it is made, when DNS first answered the listing
  mark INTEGER NOT NULL,          -- the first body covered evidence up to this id; 0: it is not made yet
  due_at INTEGER,                 -- when to see whether the body must be made; NULL: no hit since it was made
  body TEXT NOT NULL              -- JSON
) STRICT;
CREATE INDEX public_evidence_due ON public_evidence (due_at) WHERE due_at IS NOT NULL;
INSERT INTO public_evidence
  SELECT id, created_at, created_at, 0, 0, '{"until":null,"termSeconds":0,"evidence":[]}' FROM listings
    WHERE origin = 'trap' AND state = 'listed';

-- Requests to be removed, by anyone: one for each listing at most. Queued ones wait for the operator.
CREATE TABLE removals (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  listing_id INTEGER NOT NULL UNIQUE REFERENCES listings (id) ON DELETE CASCADE,
  state TEXT NOT NULL CHECK (state IN ('queued', 'removed', 'refused', 'obsolete')),
  why TEXT NOT NULL,
  requested_at INTEGER NOT NULL,
  decided_at INTEGER,             -- NULL while queued
  decided_by TEXT                 -- 'policy', or who decided; NULL: nobody did
) STRICT;
CREATE INDEX removals_state ON removals (state, id);

-- A request is obsolete once its listing has ended otherwise, however that came about.
CREATE TRIGGER removals_obsolete AFTER UPDATE OF ended_at ON listings WHEN NEW.ended_at IS NOT NULL
BEGIN
  UPDATE removals SET state = 'obsolete', decided_at = NEW.ended_at WHERE listing_id = NEW.id AND state = 'queued';
END;

-- What the operator tells the public, the newest last. No notice names a trap.
CREATE TABLE notices (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL,
  text TEXT NOT NULL
) STRICT;

-- Counted messages say their certainty too. What was counted before counts as likely.
CREATE TABLE evidence_counters_by_certainty (
  day INTEGER NOT NULL,           -- days since 1970
  family INTEGER NOT NULL,
  w0 INTEGER NOT NULL,
  w1 INTEGER NOT NULL,
  w2 INTEGER NOT NULL,
  w3 INTEGER NOT NULL,
  kind TEXT NOT NULL,             -- '': not recognised as backscatter
  certainty TEXT NOT NULL,        -- '': not recognised, or ignored
  trap TEXT NOT NULL,             -- '*': a mailbox whose every message was for a trap
  source TEXT NOT NULL,
  messages INTEGER NOT NULL,
  first_seen_at INTEGER NOT NULL,
  last_seen_at INTEGER NOT NULL,
  PRIMARY KEY (family, w0, w1, w2, w3, day, kind, certainty, trap, source)
) STRICT, WITHOUT ROWID;
INSERT INTO evidence_counters_by_certainty
  SELECT day, family, w0, w1, w2, w3, kind, CASE kind WHEN '' THEN '' ELSE 'likely' END, trap, source, messages,
    day * 86400, last_seen_at
  FROM evidence_counters;
DROP TABLE evidence_counters;
ALTER TABLE evidence_counters_by_certainty RENAME TO evidence_counters;
CREATE INDEX evidence_counters_age ON evidence_counters (day);
