-- A named list is replaced as a whole: the entries to come are kept beside the listings as a generation, one row turns
-- it from 'loading' (forgotten at the next start) to 'taking over' (finished at the next start), and only then do the
-- list's rows in listings follow it, some at a time.

CREATE TABLE generations (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  list_id INTEGER NOT NULL UNIQUE REFERENCES lists (id),
  state TEXT NOT NULL CHECK (state IN ('loading', 'taking over')),
  created_at INTEGER NOT NULL
) STRICT;

-- Some thousand entries a row, in the order of listings_of_list, packed as src/store/generations.ts says.
CREATE TABLE generation_chunks (
  generation_id INTEGER NOT NULL REFERENCES generations (id),
  number INTEGER NOT NULL,
  entries BLOB NOT NULL,
  attributes TEXT NOT NULL,       -- JSON: what entries have beside their prefix, once each
  PRIMARY KEY (generation_id, number)
) STRICT;

-- A list's rows in address order, an enclosing prefix before what is inside it; and each prefix once.
CREATE UNIQUE INDEX listings_of_list ON listings (list_id, family, w0, w1, w2, w3, length)
  WHERE list_id IS NOT NULL AND state IN ('listed', 'held', 'shadow');
