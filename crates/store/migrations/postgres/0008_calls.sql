-- Releases and updates are records, too. Each has a key of its own, which stands where an enter and a leave have their serial
-- (`parking_serial`), and names the stay it is about. Programs from before would take them for leaves.
ALTER TABLE records ADD COLUMN visit_serial text COLLATE "C"; -- the stay's serial, shortened like that; none of an enter and a leave
CREATE INDEX records_of_visit ON records (park_id, visit_serial) WHERE visit_serial IS NOT NULL;

ALTER TABLE subscribers ADD COLUMN releases boolean NOT NULL DEFAULT false;
ALTER TABLE subscribers ADD COLUMN updates boolean NOT NULL DEFAULT false;

-- How a park answers whether a vehicle may enter.
ALTER TABLE parks ADD COLUMN refuse_when_full boolean NOT NULL DEFAULT false;
ALTER TABLE parks ADD COLUMN plates_version bigint NOT NULL DEFAULT 0; -- rises with each change to its lists of plates
CREATE TABLE park_plates (
    park_id bigint NOT NULL REFERENCES parks (id),
    normal_form text COLLATE "C" NOT NULL, -- two writings of one plate are one entry
    plate text NOT NULL,                  -- as typed
    allowed boolean NOT NULL,             -- may enter, or may not
    note text,
    PRIMARY KEY (park_id, normal_form)
);

-- Calls that were passed on as they came, by path.
CREATE TABLE passed_calls (
    subscriber_id bigint NOT NULL,
    path text COLLATE "C" NOT NULL,
    count bigint NOT NULL,
    last_status integer NOT NULL,         -- 0: no answer
    last_at bigint NOT NULL,
    PRIMARY KEY (subscriber_id, path)
);
