-- The master keys there were, once the first one is changed for another; none before. No key is here but sealed.
CREATE TABLE master_keys (
    number INTEGER PRIMARY KEY,           -- 1 is the first
    key_id BLOB NOT NULL UNIQUE,
    state TEXT NOT NULL,                  -- coming, active, old, retired
    made_at INTEGER NOT NULL,             -- ms since 1970; 0: unknown
    content_key BLOB NOT NULL,            -- what keys digests of content, sealed under it
    under_before BLOB,                    -- the key, sealed under the one before, until every node has it
    under_next BLOB,                      -- the key, sealed under the one after, while both are in use
    at_table INTEGER NOT NULL DEFAULT 0,  -- how far sealing anew under it is
    at_row INTEGER NOT NULL DEFAULT 0,
    resealed INTEGER NOT NULL DEFAULT 0,
    in_round INTEGER NOT NULL DEFAULT 0,
    driver TEXT,                          -- who does that
    driver_until INTEGER
) STRICT;

-- Nodes, and the keys that each has in its folder or environment.
CREATE TABLE key_nodes (
    node TEXT PRIMARY KEY,
    seen_at INTEGER NOT NULL,
    key_ids TEXT NOT NULL
) STRICT, WITHOUT ROWID;
