-- Messages that forged a trap's domain, by the day they were seen and the network that handed them to the bouncing
-- host: an IPv4 /24 (its bits in w0), or an IPv6 /48 (w0, w1). Counted, and never listed for it.
CREATE TABLE forgeries (
  day INTEGER NOT NULL,           -- days since 1970
  family INTEGER NOT NULL,
  w0 INTEGER NOT NULL,
  w1 INTEGER NOT NULL,
  messages INTEGER NOT NULL,
  spf_fail INTEGER NOT NULL,
  last_seen_at INTEGER NOT NULL,
  PRIMARY KEY (day, family, w0, w1)
) STRICT, WITHOUT ROWID;
