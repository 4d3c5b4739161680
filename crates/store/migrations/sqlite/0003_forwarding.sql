-- Who is told of what happens at which parks.
CREATE TABLE subscribers (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- never used twice
    name TEXT NOT NULL UNIQUE,
    settings TEXT NOT NULL,               -- JSON: url, format, events, filters
    secret BLOB NOT NULL,                 -- sealed
    all_parks INTEGER NOT NULL,
    enters INTEGER NOT NULL,
    leaves INTEGER NOT NULL,
    relays INTEGER NOT NULL,              -- it is sent what was ignored for its serial, too: the other platform judges for itself
    paused INTEGER NOT NULL DEFAULT 0,
    delivered INTEGER NOT NULL DEFAULT 0,
    delivered_at INTEGER
) STRICT;
CREATE TABLE subscriber_parks (
    subscriber_id INTEGER NOT NULL,
    park_id INTEGER NOT NULL REFERENCES parks (id),
    PRIMARY KEY (subscriber_id, park_id)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER subscribers_added AFTER INSERT ON subscribers BEGIN UPDATE registry_version SET version = version + 1; END;
CREATE TRIGGER subscribers_changed AFTER UPDATE OF settings, secret, paused ON subscribers
    BEGIN UPDATE registry_version SET version = version + 1; END;
CREATE TRIGGER subscribers_removed AFTER DELETE ON subscribers BEGIN
    UPDATE registry_version SET version = version + 1;
    DELETE FROM subscriber_parks WHERE subscriber_id = old.id;
    DELETE FROM differences WHERE subscriber_id = old.id;
END;

-- What is still to be told, written in the record's own transaction and gone once it arrived.
CREATE TABLE deliveries (
    subscriber_id INTEGER NOT NULL,
    record_id INTEGER NOT NULL,
    park_id INTEGER NOT NULL,
    dead INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_at INTEGER NOT NULL,             -- while it is on its way: when another may take it over
    since INTEGER NOT NULL,               -- when it was to be told first
    told TEXT,                            -- what the last attempt came to
    PRIMARY KEY (subscriber_id, record_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX deliveries_due ON deliveries (subscriber_id, next_at, record_id) WHERE dead = 0;
CREATE INDEX deliveries_dead ON deliveries (subscriber_id) WHERE dead = 1;

-- Where a compared platform answered otherwise than this one would have.
CREATE TABLE differences (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    subscriber_id INTEGER NOT NULL,
    park_uuid TEXT NOT NULL,
    kind INTEGER NOT NULL,
    parking_serial TEXT NOT NULL,
    at INTEGER NOT NULL,
    ours TEXT NOT NULL,
    theirs TEXT NOT NULL
) STRICT;
CREATE INDEX differences_by_subscriber ON differences (subscriber_id, id);

-- Where a push was signed over encoded values (`encoding=URL`): those, sealed, so that it can be sent on as it was signed.
ALTER TABLE records ADD COLUMN original BLOB;
-- Address, area code and position of a park, as JSON: platforms ask for them.
ALTER TABLE parks ADD COLUMN location TEXT;
