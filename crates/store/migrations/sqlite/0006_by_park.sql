-- Conflicts are few: the newest of a park, and the newest of all, without the records between them.
CREATE INDEX records_conflicts_by_park ON records (park_id, id) WHERE conflict_with IS NOT NULL;
CREATE INDEX records_conflicts_by_id ON records (id) WHERE conflict_with IS NOT NULL;
