-- Programs of an older version may go on working here, down to this one: nodes are upgraded one after the other.
ALTER TABLE parkgate_schema ADD COLUMN works_from bigint NOT NULL DEFAULT 1;

-- Where records are kept in a partition for each month (`parkgate months begin`): number n holds those whose id is at least
-- n * 2^40, and the newest one takes what comes.
CREATE TABLE months (
    number bigint PRIMARY KEY,
    begun_at bigint NOT NULL,
    stripped_at bigint
);
