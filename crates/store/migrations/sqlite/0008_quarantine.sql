-- What is used of the quarantine's bounds, and its pictures, are written and removed by the same statements as in PostgreSQL,
-- and an epoch that begins says so itself.
DROP TRIGGER quarantine_added;
DROP TRIGGER quarantine_removed;
DROP TRIGGER park_epochs_added;
