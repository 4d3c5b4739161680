-- Spreads what has a park over 16 partitions by park, on an empty database that a gate has made (start it once, stop it).
-- Plain PostgreSQL keeps them in one place; with postgres_fdw they may lie on other servers. It takes this only because every
-- unique key contains the park: the test `on_postgres_by_parks` runs the whole conformance suite on it.
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['records', 'payments', 'spaces', 'images', 'deliveries', 'quarantine', 'quarantine_images',
        'quarantine_use']
    LOOP
        EXECUTE format('ALTER TABLE %I RENAME TO %I', name, name || '_whole');
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL) PARTITION BY HASH (park_id)', name, name || '_whole');
        FOR part IN 0..15 LOOP
            EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES WITH (MODULUS 16, REMAINDER %s)',
                name || '_' || part, name, part);
        END LOOP;
        EXECUTE format('DROP TABLE %I', name || '_whole');
    END LOOP;
END $$;
