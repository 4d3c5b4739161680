-- What a late report of free spaces needs of its own park. With the park first, a batch would touch a page for every park in
-- it (measured: three times the bytes written); with the time first, a report passes by the events of all parks. So records
-- of 512 following numbers are a run, and it is by the run and then by the park.
DROP INDEX records_counted;
CREATE INDEX records_counted ON records (id >> 9, park_id, event_time, received_at, counted) WHERE counted IS NOT NULL;

-- When the latest event of a run happened, once the run is full.
CREATE TABLE counted_runs (
    run INTEGER PRIMARY KEY,
    latest INTEGER NOT NULL
) STRICT;
CREATE INDEX counted_runs_latest ON counted_runs (latest);
INSERT INTO counted_runs SELECT id >> 9, max(event_time) FROM records WHERE counted IS NOT NULL
    AND id >> 9 < (SELECT max(id) FROM records) >> 9 GROUP BY id >> 9;
