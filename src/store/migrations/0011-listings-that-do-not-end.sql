-- The rows that never end or have ended. Where listings are sorted by their end, these come last.
CREATE INDEX listings_no_end ON listings (id)
  WHERE NOT (expires_at IS NOT NULL AND state IN ('listed', 'held', 'shadow'));
