-- What a late report of free spaces needs of its own park. With the park first each batch would touch a page for every park
-- in it (measured: a fifth fewer records a second), with the time first a report passes by the events of all parks: so by
-- the minute, and then by the park.
DROP INDEX records_counted;
CREATE INDEX records_counted ON records (event_time / 60000, park_id, event_time, received_at, counted)
    WHERE counted IS NOT NULL;

-- Conflicts are few: the newest of a park, and the newest of all, without the records between them.
CREATE INDEX records_conflicts_by_park ON records (park_id, id) WHERE conflict_with IS NOT NULL;
CREATE INDEX records_conflicts_by_id ON records (id) WHERE conflict_with IS NOT NULL;
