-- When a park's last recorded push was received, and how many were recorded on one day (in China, counted from 1970): written
-- with the park's count, so that a list of all parks reads no records. Of what was recorded before, its last event is known.
ALTER TABLE spaces ADD COLUMN last_push_at bigint;
ALTER TABLE spaces ADD COLUMN day bigint;
ALTER TABLE spaces ADD COLUMN day_pushes bigint;
UPDATE spaces SET last_push_at = nullif(greatest(as_of, latest_counted), 0);
