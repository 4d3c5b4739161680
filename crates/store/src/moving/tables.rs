//! What there is to move: every table and column of both stores, but for what each keeps for itself alone.

/// How a column is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Big,
    Int,
    Small,
    Bool,
    Text,
    /// A text that PostgreSQL may keep shortened.
    Key,
    Bytes,
}

#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// How SQLite finds the value, where it has no such column.
    pub(crate) sqlite: Option<&'static str>,
}

#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) columns: &'static [Column],
    /// What its rows are ordered and told apart by.
    pub(crate) sqlite_key: &'static [&'static str],
    pub(crate) postgres_key: &'static [&'static str],
}

const fn column(name: &'static str, kind: Kind) -> Column {
    Column { name, kind, sqlite: None }
}

const fn looked_up(name: &'static str, sqlite: &'static str) -> Column {
    Column { name, kind: Kind::Big, sqlite: Some(sqlite) }
}

const fn table(name: &'static str, columns: &'static [Column], key: &'static [&'static str]) -> Table {
    Table { name, columns, sqlite_key: key, postgres_key: key }
}

use Kind::{Big, Bool, Bytes, Int, Key, Small, Text};

/// In this order: what is named comes before what names it.
pub(crate) const TABLES: &[Table] = &[
    table(
        "parks",
        &[
            column("id", Big),
            column("park_uuid", Text),
            column("merchant", Text),
            column("name", Text),
            column("secret", Bytes),
            column("old_secret", Bytes),
            column("old_secret_until", Big),
            column("old_secret_used_at", Big),
            column("enabled", Bool),
            column("strict", Bool),
            column("require_sign", Bool),
            column("http_200_always", Bool),
            column("total_parking_space", Big),
            column("allow", Text),
            column("created_at", Big),
            column("location", Text),
            column("refuse_when_full", Bool),
            column("plates_version", Big),
            column("keep", Text),
            column("keeps_digests", Bool),
        ],
        &["id"],
    ),
    table(
        "apps",
        &[column("app_id", Text), column("secret", Bytes), column("api_type", Text), column("enabled", Bool)],
        &["app_id"],
    ),
    table("app_parks", &[column("app_id", Text), column("park_id", Big)], &["app_id", "park_id"]),
    table(
        "park_plates",
        &[
            column("park_id", Big),
            column("normal_form", Text),
            column("plate", Text),
            column("allowed", Bool),
            column("note", Text),
        ],
        &["park_id", "normal_form"],
    ),
    table("park_epochs", &[column("id", Big), column("park_id", Big), column("entered_from", Big)], &["id"]),
    table(
        "subscribers",
        &[
            column("id", Big),
            column("name", Text),
            column("settings", Text),
            column("secret", Bytes),
            column("all_parks", Bool),
            column("enters", Bool),
            column("leaves", Bool),
            column("relays", Bool),
            column("paused", Bool),
            column("delivered", Big),
            column("delivered_at", Big),
            column("releases", Bool),
            column("updates", Bool),
        ],
        &["id"],
    ),
    table("subscriber_parks", &[column("subscriber_id", Big), column("park_id", Big)], &["subscriber_id", "park_id"]),
    table(
        "records",
        &[
            column("park_id", Big),
            column("id", Big),
            column("kind", Small),
            column("parking_serial", Key),
            column("enter_time", Big),
            column("event_time", Big),
            column("counted", Small),
            column("plate", Text),
            column("digest", Bytes),
            column("seqno", Big),
            column("received_at", Big),
            column("variant", Small),
            column("conflict_with", Big),
            column("refused_orders", Text),
            column("params", Text),
            column("personal", Bytes),
            column("original", Bytes),
            column("visit_serial", Key),
            column("redacted", Small),
        ],
        &["id"],
    ),
    Table {
        name: "payments",
        columns: &[
            column("park_id", Big),
            column("parking_order", Key),
            column("pay_type", Key),
            column("record_id", Big),
            column("position", Int),
            column("value", Big),
            column("free_value", Big),
            column("change_value", Big),
            column("pay_time", Big),
        ],
        sqlite_key: &["parking_order", "park_id", "pay_type"],
        postgres_key: &["park_id", "parking_order", "pay_type"],
    },
    Table {
        name: "spaces",
        columns: &[
            column("park_id", Big),
            column("total", Big),
            column("remain", Big),
            column("as_of", Big),
            column("later", Big),
            column("latest_counted", Big),
            column("last_push_at", Big),
            column("day", Big),
            column("day_pushes", Big),
        ],
        sqlite_key: &["park_id"],
        postgres_key: &["park_id"],
    },
    Table {
        name: "images",
        columns: &[
            looked_up("park_id", "(SELECT r.park_id FROM records r WHERE r.id = record_id)"),
            column("record_id", Big),
            column("name", Text),
            column("sha256", Bytes),
            column("md5", Bytes),
            column("size", Big),
            column("content_type", Text),
        ],
        sqlite_key: &["record_id", "name"],
        postgres_key: &["park_id", "record_id", "name"],
    },
    table(
        "quarantine",
        &[
            column("park_id", Big),
            column("id", Big),
            column("kind", Small),
            column("seqno", Big),
            column("received_at", Big),
            column("address", Text),
            column("reason", Text),
            column("digest", Bytes),
            column("times", Big),
            column("finding", Text),
            column("sealed", Bytes),
            column("bytes", Big),
        ],
        &["id"],
    ),
    Table {
        name: "quarantine_images",
        columns: &[
            looked_up("park_id", "(SELECT q.park_id FROM quarantine q WHERE q.id = quarantine_id)"),
            column("quarantine_id", Big),
            column("part", Text),
            column("sha256", Bytes),
            column("md5", Bytes),
            column("size", Big),
            column("content_type", Text),
        ],
        sqlite_key: &["quarantine_id", "part"],
        postgres_key: &["park_id", "quarantine_id", "part"],
    },
    Table {
        name: "quarantine_use",
        columns: &[column("park_id", Big), column("pushes", Big), column("bytes", Big)],
        sqlite_key: &["park_id"],
        postgres_key: &["park_id"],
    },
    Table {
        name: "deliveries",
        columns: &[
            column("park_id", Big),
            column("subscriber_id", Big),
            column("record_id", Big),
            column("dead", Bool),
            column("attempts", Int),
            column("next_at", Big),
            column("since", Big),
            column("told", Text),
        ],
        sqlite_key: &["subscriber_id", "record_id"],
        postgres_key: &["park_id", "subscriber_id", "record_id"],
    },
    table(
        "differences",
        &[
            column("id", Big),
            column("subscriber_id", Big),
            column("park_uuid", Text),
            column("kind", Small),
            column("parking_serial", Text),
            column("at", Big),
            column("ours", Text),
            column("theirs", Text),
        ],
        &["id"],
    ),
    table(
        "retention_progress",
        &[column("park_id", Big), column("kind", Big), column("up_to", Big)],
        &["kind", "park_id"],
    ),
    table(
        "passed_calls",
        &[
            column("subscriber_id", Big),
            column("path", Text),
            column("count", Big),
            column("last_status", Int),
            column("last_at", Big),
        ],
        &["subscriber_id", "path"],
    ),
    table(
        "master_keys",
        &[
            column("number", Big),
            column("key_id", Bytes),
            column("state", Text),
            column("made_at", Big),
            column("content_key", Bytes),
            column("under_before", Bytes),
            column("under_next", Bytes),
            column("at_table", Big),
            column("at_row", Big),
            column("resealed", Big),
            column("in_round", Big),
        ],
        &["number"],
    ),
    table(
        "audit",
        &[
            column("id", Big),
            column("at", Big),
            column("who", Text),
            column("what", Text),
            column("about", Text),
            column("detail", Text),
        ],
        &["id"],
    ),
];

/// Tables whose numbers are never used twice, and how PostgreSQL keeps the highest one.
pub(crate) const NUMBERED: &[(&str, &str)] = &[
    ("quarantine", "quarantine_ids"),
    ("subscribers", "subscribers_id_seq"),
    ("differences", "differences_id_seq"),
    ("audit", "audit_id_seq"),
];

/// Tables that grow with records: a backup of a PostgreSQL database leaves these to `pg_dump`.
pub(crate) const PER_RECORD: &[&str] = &[
    "records",
    "payments",
    "spaces",
    "images",
    "quarantine",
    "quarantine_images",
    "quarantine_use",
    "deliveries",
    "differences",
    "passed_calls",
    "retention_progress",
];
