-- The master keys there were, once the first one is changed for another; none before. No key is here but sealed.
CREATE TABLE master_keys (
    number bigint PRIMARY KEY,            -- 1 is the first
    key_id bytea NOT NULL UNIQUE,
    state text COLLATE "C" NOT NULL,                  -- coming, active, old, retired
    made_at bigint NOT NULL,             -- ms since 1970; 0: unknown
    content_key bytea NOT NULL,            -- what keys digests of content, sealed under it
    under_before bytea,                    -- the key, sealed under the one before, until every node has it
    under_next bytea,                      -- the key, sealed under the one after, while both are in use
    at_table bigint NOT NULL DEFAULT 0,  -- how far sealing anew under it is
    at_row bigint NOT NULL DEFAULT 0,
    resealed bigint NOT NULL DEFAULT 0,
    in_round bigint NOT NULL DEFAULT 0,
    driver text COLLATE "C",                          -- who does that
    driver_until bigint
);

-- Nodes, and the keys that each has in its folder or environment.
CREATE TABLE key_nodes (
    node text COLLATE "C" PRIMARY KEY,
    seen_at bigint NOT NULL,
    key_ids text COLLATE "C" NOT NULL
);
