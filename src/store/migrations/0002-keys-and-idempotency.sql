-- What requests with an Idempotency-Key were answered; a caller is the operator or an API key.
CREATE TABLE idempotency (
  caller TEXT NOT NULL,
  key TEXT NOT NULL,
  fingerprint BLOB NOT NULL,      -- SHA-256 of method, path, query and body
  status INTEGER NOT NULL,
  body TEXT,                      -- NULL: held a secret that is told once
  location TEXT,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (caller, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotency_age ON idempotency (created_at);

-- Two keys in use with one name could not be told apart in the audit.
CREATE UNIQUE INDEX keys_name ON keys (name) WHERE revoked_at IS NULL;
