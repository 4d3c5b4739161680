-- Conflicts are few: the newest of them without the records between.
CREATE INDEX records_conflicts_by_id ON records (id) WHERE conflict_with IS NOT NULL;
