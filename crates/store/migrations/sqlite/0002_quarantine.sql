-- Pushes that were refused, kept until their cause is mended. What was sent is sealed: it may hold personal data.
CREATE TABLE quarantine (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- never used twice: people name it
    park_id INTEGER NOT NULL,             -- 0: of no known park
    kind INTEGER NOT NULL,
    seqno INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    address TEXT NOT NULL,
    reason TEXT NOT NULL,
    digest BLOB NOT NULL,                 -- the same push again is the same entry
    times INTEGER NOT NULL DEFAULT 1,
    finding TEXT,                         -- the sign doctor's code
    sealed BLOB NOT NULL,                 -- hint, finding and everything sent, as JSON
    bytes INTEGER NOT NULL                -- of this row and its pictures
) STRICT;
CREATE UNIQUE INDEX quarantine_by_digest ON quarantine (park_id, digest);
CREATE INDEX quarantine_by_age ON quarantine (received_at);

CREATE TABLE quarantine_images (
    quarantine_id INTEGER NOT NULL,
    part TEXT NOT NULL,
    sha256 BLOB NOT NULL,
    md5 BLOB NOT NULL,
    size INTEGER NOT NULL,
    content_type TEXT NOT NULL,
    PRIMARY KEY (quarantine_id, part)
) STRICT, WITHOUT ROWID;
CREATE INDEX quarantine_images_by_key ON quarantine_images (sha256);

-- What is used of each park's bound.
CREATE TABLE quarantine_use (
    park_id INTEGER PRIMARY KEY,
    pushes INTEGER NOT NULL,
    bytes INTEGER NOT NULL
) STRICT;
CREATE TRIGGER quarantine_added AFTER INSERT ON quarantine BEGIN
    INSERT INTO quarantine_use (park_id, pushes, bytes) VALUES (new.park_id, 1, new.bytes)
        ON CONFLICT (park_id) DO UPDATE SET pushes = pushes + 1, bytes = bytes + excluded.bytes;
END;
CREATE TRIGGER quarantine_removed AFTER DELETE ON quarantine BEGIN
    UPDATE quarantine_use SET pushes = pushes - 1, bytes = bytes - old.bytes WHERE park_id = old.park_id;
    DELETE FROM quarantine_images WHERE quarantine_id = old.id;
END;

-- A rotated secret stays good for a while, and is known by the sign doctor after that.
ALTER TABLE parks ADD COLUMN old_secret BLOB;        -- sealed
ALTER TABLE parks ADD COLUMN old_secret_until INTEGER;
ALTER TABLE parks ADD COLUMN old_secret_used_at INTEGER;
ALTER TABLE parks ADD COLUMN require_sign INTEGER NOT NULL DEFAULT 1;

-- A car park whose serials start anew gets another key for its records, from a time of entering on.
CREATE TABLE park_epochs (
    id INTEGER PRIMARY KEY,               -- what its records carry as park_id
    park_id INTEGER NOT NULL,
    entered_from INTEGER NOT NULL
) STRICT;
CREATE INDEX park_epochs_by_park ON park_epochs (park_id);
CREATE TRIGGER park_epochs_added AFTER INSERT ON park_epochs BEGIN UPDATE registry_version SET version = version + 1; END;
