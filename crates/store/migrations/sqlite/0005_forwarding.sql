-- Indexes of what is due and of dead letters, in the words of the statements that both databases share.
DROP INDEX deliveries_due;
CREATE INDEX deliveries_due ON deliveries (subscriber_id, next_at, record_id) WHERE NOT dead;
DROP INDEX deliveries_dead;
CREATE INDEX deliveries_dead ON deliveries (subscriber_id, record_id) WHERE dead;

-- Up to when the turns of a subscriber's rate are given out, ms since 1970.
ALTER TABLE subscribers ADD COLUMN rate_free_at INTEGER NOT NULL DEFAULT 0;

-- A change to the registry says so itself, in its own transaction, on either database.
DROP TRIGGER parks_added;
DROP TRIGGER parks_changed;
DROP TRIGGER parks_removed;
DROP TRIGGER apps_added;
DROP TRIGGER apps_changed;
DROP TRIGGER apps_removed;
DROP TRIGGER app_parks_added;
DROP TRIGGER app_parks_changed;
DROP TRIGGER app_parks_removed;
DROP TRIGGER subscribers_added;
DROP TRIGGER subscribers_changed;
DROP TRIGGER subscribers_removed;
