-- Releases and updates are records, too. Each has a key of its own, which stands where an enter and a leave have their serial
-- (`parking_serial`), and names the stay it is about.
ALTER TABLE records ADD COLUMN visit_serial TEXT;    -- the stay's serial; none of an enter and a leave
CREATE INDEX records_of_visit ON records (visit_serial, park_id) WHERE visit_serial IS NOT NULL;
-- Updates that count for a leave: mostly there are none, and a batch asks for no more.
CREATE INDEX records_left_by_update ON records (visit_serial, park_id)
    WHERE visit_serial IS NOT NULL AND counted IS NOT NULL;

ALTER TABLE subscribers ADD COLUMN releases INTEGER NOT NULL DEFAULT 0;
ALTER TABLE subscribers ADD COLUMN updates INTEGER NOT NULL DEFAULT 0;

-- How a park answers whether a vehicle may enter.
ALTER TABLE parks ADD COLUMN refuse_when_full INTEGER NOT NULL DEFAULT 0;
ALTER TABLE parks ADD COLUMN plates_version INTEGER NOT NULL DEFAULT 0; -- rises with each change to its lists of plates
CREATE TABLE park_plates (
    park_id INTEGER NOT NULL REFERENCES parks (id),
    normal_form TEXT NOT NULL,            -- two writings of one plate are one entry
    plate TEXT NOT NULL,                  -- as typed
    allowed INTEGER NOT NULL,             -- 1: may enter; 0: may not
    note TEXT,
    PRIMARY KEY (park_id, normal_form)
) STRICT, WITHOUT ROWID;

-- Calls that were passed on as they came, by path.
CREATE TABLE passed_calls (
    subscriber_id INTEGER NOT NULL,
    path TEXT NOT NULL,
    count INTEGER NOT NULL,
    last_status INTEGER NOT NULL,         -- 0: no answer
    last_at INTEGER NOT NULL,
    PRIMARY KEY (subscriber_id, path)
) STRICT, WITHOUT ROWID;
