-- A named list is its current version: entries in address order, some hundred to a row, packed as
-- src/store/packed-entries.ts says. A new version is written beside the old one, and one row makes it the list.
CREATE TABLE list_versions (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  list_id INTEGER NOT NULL REFERENCES lists (id),
  created_at INTEGER NOT NULL,
  entries INTEGER NOT NULL,       -- how many are packed
  lengths TEXT NOT NULL           -- JSON: the prefix lengths that they have, by family
) STRICT;

-- version: what the list is, a list_versions.id; NULL: nothing was ever imported whole. applied: the version that the
-- answers in DNS come from. While they differ, DNS is on its way from the one to the other.
ALTER TABLE lists ADD COLUMN version INTEGER;
ALTER TABLE lists ADD COLUMN applied INTEGER;

CREATE TABLE list_chunks (
  id INTEGER PRIMARY KEY,
  version_id INTEGER NOT NULL REFERENCES list_versions (id),
  entry_type TEXT NOT NULL,       -- 'ipv4' or 'ipv6': what the entries are
  first BLOB NOT NULL,            -- the first entry, so that its octets sort as entries do
  next_expiry INTEGER,            -- when the next entry is over; NULL: none will be
  entries BLOB NOT NULL,
  labels TEXT NOT NULL            -- JSON: the kinds and reasons that entries have, once each
) STRICT;
CREATE UNIQUE INDEX list_chunks_first ON list_chunks (version_id, entry_type, first);
CREATE INDEX list_chunks_expiry ON list_chunks (version_id, next_expiry) WHERE next_expiry IS NOT NULL;

-- What becomes of the table of listings stands in src/store/pack-lists.ts, which empties it of lists first.
