-- When a park's last recorded push was received, and how many were recorded on one day (in China, counted from 1970): written
-- with the park's count, so that a list of all parks reads no records. Of what was recorded before, its last event is known.
ALTER TABLE spaces ADD COLUMN last_push_at INTEGER;
ALTER TABLE spaces ADD COLUMN day INTEGER;
ALTER TABLE spaces ADD COLUMN day_pushes INTEGER;
UPDATE spaces SET last_push_at = nullif(max(coalesce(as_of, 0), coalesce(latest_counted, 0)), 0);
