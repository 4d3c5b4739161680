-- Who saw or changed what a list does not show: only added to, by people's commands.
CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,                  -- ms since 1970
    who TEXT NOT NULL,                    -- the system's user
    what TEXT NOT NULL,
    about TEXT NOT NULL,                  -- plates masked
    detail TEXT NOT NULL                  -- JSON
) STRICT;
CREATE TRIGGER audit_unchanged BEFORE UPDATE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END;
-- A move that was given up begins with an empty log again.
CREATE TRIGGER audit_kept BEFORE DELETE ON audit WHEN NOT EXISTS (SELECT 1 FROM moving WHERE what = 'from')
    BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END;
