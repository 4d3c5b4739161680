-- What goes from records after its time. 1: personal data; 2: all but what a repeat is known by.
ALTER TABLE records ADD COLUMN redacted smallint;
-- How long a park's data are kept, as `personal=30d,visits=1095d`; what is not named follows the settings.
ALTER TABLE parks ADD COLUMN keep text NOT NULL DEFAULT '';
-- Some of its records stand under digests of their keys: batches look there, too.
ALTER TABLE parks ADD COLUMN keeps_digests boolean NOT NULL DEFAULT false;
-- Up to which record everything that was due of a kind is gone; by the key that records carry.
CREATE TABLE retention_progress (
    park_id bigint NOT NULL,
    kind bigint NOT NULL,
    up_to bigint NOT NULL,
    PRIMARY KEY (kind, park_id)
);
