-- A known text sealed under the master key: a wrong key is noticed at the start, not at the first secret.
CREATE TABLE master_key (proof BLOB NOT NULL) STRICT;

-- Parks and apps: small, read whole into memory by every node.
CREATE TABLE parks (
    id INTEGER PRIMARY KEY,
    park_uuid TEXT NOT NULL UNIQUE,
    merchant TEXT UNIQUE,
    name TEXT NOT NULL,
    secret BLOB NOT NULL,                 -- sealed
    enabled INTEGER NOT NULL DEFAULT 1,
    strict INTEGER NOT NULL DEFAULT 0,
    http_200_always INTEGER NOT NULL DEFAULT 0,
    total_parking_space INTEGER,
    allow TEXT NOT NULL DEFAULT '[]',     -- JSON array of CIDR
    created_at INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER))
) STRICT;

CREATE TABLE apps (
    app_id TEXT PRIMARY KEY,
    secret BLOB NOT NULL,                 -- sealed
    api_type TEXT,
    enabled INTEGER NOT NULL DEFAULT 1
) STRICT, WITHOUT ROWID;

CREATE TABLE app_parks (
    app_id TEXT NOT NULL REFERENCES apps (app_id),
    park_id INTEGER NOT NULL REFERENCES parks (id),
    PRIMARY KEY (app_id, park_id)
) STRICT, WITHOUT ROWID;

-- Rises with every change to the three above, whoever makes it.
CREATE TABLE registry_version (version INTEGER NOT NULL) STRICT;
INSERT INTO registry_version VALUES (1);
CREATE TRIGGER parks_added AFTER INSERT ON parks BEGIN UPDATE registry_version SET version = version + 1; END;
CREATE TRIGGER parks_changed AFTER UPDATE ON parks BEGIN UPDATE registry_version SET version = version + 1; END;
CREATE TRIGGER apps_added AFTER INSERT ON apps BEGIN UPDATE registry_version SET version = version + 1; END;
CREATE TRIGGER apps_changed AFTER UPDATE ON apps BEGIN UPDATE registry_version SET version = version + 1; END;
CREATE TRIGGER app_parks_added AFTER INSERT ON app_parks BEGIN UPDATE registry_version SET version = version + 1; END;
CREATE TRIGGER app_parks_changed AFTER UPDATE ON app_parks BEGIN UPDATE registry_version SET version = version + 1; END;
CREATE TRIGGER parks_removed AFTER DELETE ON parks BEGIN UPDATE registry_version SET version = version + 1; END;
CREATE TRIGGER apps_removed AFTER DELETE ON apps BEGIN UPDATE registry_version SET version = version + 1; END;
CREATE TRIGGER app_parks_removed AFTER DELETE ON app_parks BEGIN UPDATE registry_version SET version = version + 1; END;

-- One row for each accepted push, never changed: a visit is read from its enter and its leave. Appended in order of
-- arrival, so a batch fills pages one after the other.
CREATE TABLE records (
    id INTEGER PRIMARY KEY,
    park_id INTEGER NOT NULL,
    kind INTEGER NOT NULL,                -- 0 enter, 1 leave
    parking_serial TEXT NOT NULL,
    enter_time INTEGER NOT NULL,
    event_time INTEGER NOT NULL,          -- enter_time of an enter, leave_time of a leave
    counted INTEGER,                      -- -1 or +1 for a push without free spaces of its own
    plate TEXT,
    digest BLOB NOT NULL,
    seqno INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    variant INTEGER NOT NULL,
    conflict_with INTEGER,                -- the record that has the serial, if this one was ignored for it
    refused_orders TEXT,                  -- JSON array
    params TEXT NOT NULL,                 -- JSON object of all that was sent, but for personal data
    personal BLOB                         -- sealed
) STRICT;

-- The serial first: serials rise with time, so new entries fall on the same few pages whatever the park.
CREATE UNIQUE INDEX records_by_serial ON records (parking_serial, park_id, kind) WHERE conflict_with IS NULL;
CREATE INDEX records_conflicts ON records (conflict_with) WHERE conflict_with IS NOT NULL;
-- For a snapshot that is older than what was counted: time first, for the same reason.
CREATE INDEX records_counted ON records (event_time, park_id, counted) WHERE counted IS NOT NULL;

-- An order is taken once. The order first, as above.
CREATE TABLE payments (
    parking_order TEXT NOT NULL,
    park_id INTEGER NOT NULL,
    pay_type TEXT NOT NULL,
    record_id INTEGER NOT NULL,
    position INTEGER NOT NULL,
    value INTEGER,
    free_value INTEGER,
    change_value INTEGER,
    pay_time INTEGER,
    PRIMARY KEY (parking_order, park_id, pay_type)
) STRICT, WITHOUT ROWID;

CREATE TABLE spaces (
    park_id INTEGER PRIMARY KEY,
    total INTEGER,
    remain INTEGER,
    as_of INTEGER,
    later INTEGER NOT NULL,
    latest_counted INTEGER
) STRICT;

CREATE TABLE images (
    record_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    sha256 BLOB NOT NULL,
    md5 BLOB NOT NULL,
    size INTEGER NOT NULL,
    content_type TEXT NOT NULL,
    PRIMARY KEY (record_id, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX images_by_key ON images (sha256);
