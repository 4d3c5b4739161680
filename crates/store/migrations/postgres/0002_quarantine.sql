-- Pushes that were refused, kept until their cause is mended. What was sent is sealed: it may hold personal data.
CREATE SEQUENCE quarantine_ids;           -- never used twice: people name them
CREATE TABLE quarantine (
    park_id bigint NOT NULL,              -- 0: of no known park
    id bigint NOT NULL,
    kind smallint NOT NULL,
    seqno bigint NOT NULL,
    received_at bigint NOT NULL,
    address text NOT NULL,
    reason text COLLATE "C" NOT NULL,
    digest bytea NOT NULL,                -- the same push again is the same entry
    times bigint NOT NULL DEFAULT 1,
    finding text COLLATE "C",             -- the sign doctor's code
    sealed bytea NOT NULL,                -- hint, finding and everything sent, as JSON
    bytes bigint NOT NULL,                -- of this row and its pictures
    PRIMARY KEY (park_id, id)
);
CREATE UNIQUE INDEX quarantine_by_digest ON quarantine (park_id, digest);
CREATE INDEX quarantine_by_id ON quarantine (id);
CREATE INDEX quarantine_by_age ON quarantine (received_at);

CREATE TABLE quarantine_images (
    park_id bigint NOT NULL,
    quarantine_id bigint NOT NULL,
    part text COLLATE "C" NOT NULL,
    sha256 bytea NOT NULL,
    md5 bytea NOT NULL,
    size bigint NOT NULL,
    content_type text NOT NULL,
    PRIMARY KEY (park_id, quarantine_id, part)
);
CREATE INDEX quarantine_images_by_key ON quarantine_images (sha256);

-- What is used of each park's bound; its row is locked by who adds or takes away.
CREATE TABLE quarantine_use (
    park_id bigint PRIMARY KEY,
    pushes bigint NOT NULL DEFAULT 0,
    bytes bigint NOT NULL DEFAULT 0
);
