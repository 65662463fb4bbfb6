-- Which records the configuration gave when this was published. With others, no differences lead from the last publication to
-- the next one.
ALTER TABLE publications ADD COLUMN own_records TEXT NOT NULL DEFAULT '';
