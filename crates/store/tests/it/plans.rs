//! No statement passes by a whole table that grows, but for those that are meant to.
//!
//! The statements are those that every promise of the store needs, as the databases were asked them; the plans are SQLite's
//! and PostgreSQL's own.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use parkgate_store::Store;
use parkgate_testbed::Postgres;
use serde_json::Value;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use crate::push::{on_sqlite, opened, store};
use crate::{
    audit, calls, conformance, epochs, exports, forwarding, imports, keys, listing, park_list, plates, registry,
    retention,
};

/// As large as an installation is, not as old.
const SMALL: [&str; 18] = [
    "CONSTANT",
    "app_parks",
    "apps",
    "json_each",
    "key_nodes",
    "master_key",
    "master_keys",
    "moving",
    "park_epochs",
    "parks",
    "pragma_user_version",
    "quarantine_use",
    "registry_version",
    "retention_progress",
    "spaces",
    "sqlite_sequence",
    "subscriber_parks",
    "subscribers",
];

/// What is meant to pass by more than it gives, by a part of its text, and why.
const MEANT_ON_SQLITE: &[(&str, &str)] = &[
    ("records_counted (<expr>>?)", "one step to the next run, of the few that are not summed up"),
    ("counted_runs_latest (latest>?)", "the runs since, each of 512 records"),
    ("INSERT INTO counted_runs", "a run that is full, once"),
    ("counted IS NOT NULL LIMIT 1", "one entry of an index that is mostly empty"),
    ("SELECT id FROM quarantine WHERE received_at < ?1", "by age: some of what it takes"),
    ("FROM records WHERE received_at >= ?1", "a replay from a time on, once for a person, beside the writer"),
    ("r.id > ?1 AND r.id <= ?2 AND", "a span of an export"),
    ("(SELECT min(id) FROM records WHERE id > ?1)", "where the next span of an export begins"),
    ("WHERE ?1 IS NOT NULL ORDER BY id DESC LIMIT 1", "the newest record"),
    ("quarantine INDEXED BY quarantine_by_age", "what was refused today, for a list of all parks"),
    ("WITH RECURSIVE k (id) AS (SELECT (SELECT min(park_id)", "one step to the next park that has conflicts"),
    ("AND r.id < ?3 AND r.id >= ?4", "a page of visits, which ends after so many records"),
    ("WHERE id >= ?1 ORDER BY id LIMIT 1", "one record: halving the way to a time"),
    ("AND r.id < ?4 AND r.id >= ?5", "the same since a time or of a park"),
    ("AND r.id < ?6 AND r.id >= ?7", "the same of a plate, beside what its index finds"),
    ("AND r.id < ?7 AND r.id >= ?8", "the same of a plate in a park"),
    ("(r.enter_time >= ?4 OR r.visit_serial IS NOT NULL)", "an epoch goes over what came since it began, once"),
    ("ORDER BY id DESC LIMIT 1 OFFSET ?2", "where the next page of a listing ends: as many steps as a page has rows"),
    ("ORDER BY id LIMIT 1 OFFSET ?2", "the same of a survey"),
    ("INDEXED BY records_conflicts_by_id", "a page of conflicts, from an index of nothing else"),
    ("AND r.id > ?3 AND r.id <= ?4", "a page of a survey"),
    ("ORDER BY q.id LIMIT ?", "a page of the quarantine"),
    (
        "counted, params FROM records WHERE park_id = ?1 AND id > ?2 AND id <= ?3",
        "a page of a count made anew, for a person",
    ),
    ("ORDER BY r.id LIMIT ?3", "a page of a replay"),
    ("r.received_at, r.event_time FROM records r", "a page of a walk along what is due, whosever records it passes by"),
    ("FROM audit WHERE id < ?1", "a page of the audit log, for a person"),
    ("AND id <= ?4 AND (substr(", "what may be sealed under the key before, a part at a time"),
    ("SELECT received_at, event_time FROM records ORDER BY id DESC LIMIT ?1", "the newest hundred"),
];

fn promises() -> impl Iterator<Item = &'static fn(&Store)> {
    [
        audit::PROMISES,
        conformance::PROMISES,
        calls::PROMISES,
        forwarding::PROMISES,
        listing::PROMISES,
        epochs::PROMISES,
        keys::PROMISES,
        exports::PROMISES,
        imports::PROMISES,
        park_list::PROMISES,
        plates::PROMISES,
        registry::PROMISES,
        retention::PROMISES,
    ]
    .into_iter()
    .flatten()
}

/// Statements as they are logged.
#[derive(Clone, Default)]
struct Statements(Arc<Mutex<BTreeSet<String>>>);

impl<S: tracing::Subscriber> Layer<S> for Statements {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        struct Sql<'a>(&'a Statements);
        impl tracing::field::Visit for Sql<'_> {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                if field.name() == "sql" {
                    self.0.0.lock().unwrap().insert(format!("{value:?}"));
                }
            }
        }
        if event.metadata().target() == "parkgate_store::sql" {
            event.record(&mut Sql(self));
        }
    }
}

#[test]
fn no_statement_on_sqlite_passes_by_a_table_that_grows() {
    let statements = Statements::default();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(statements.clone()), || {
        promises().for_each(on_sqlite);
    });
    let statements = std::mem::take(&mut *statements.0.lock().unwrap());
    assert!(statements.len() > 60, "{}", statements.len());
    let (folder, _store) = store();
    let connection = rusqlite::Connection::open(folder.path().join("parkgate.db")).unwrap();
    let mut faults = Vec::new();
    for sql in &statements {
        let Ok(mut plan) = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")) else { continue };
        let steps = plan.raw_query();
        let steps: Vec<(i64, String)> =
            steps.mapped(|row| Ok((row.get(1)?, row.get(3)?))).collect::<Result<_, _>>().unwrap();
        let is_fault = |(place, (parent, step)): &(usize, &(i64, String))| {
            passes_by(step, sql) || is_read_for_each_row(step, steps[..*place].iter().filter(|(of, _)| of == parent))
        };
        let found = steps.iter().enumerate().filter(is_fault);
        faults.extend(found.map(|(_, (_, step))| format!("{step}\n    {sql}")));
    }
    assert_only(faults, MEANT_ON_SQLITE);
}

/// What is not meant is a fault, and so is what is meant and never asked.
fn assert_only(mut faults: Vec<String>, meant: &[(&str, &str)]) {
    for (part, why) in meant {
        let before = faults.len();
        faults.retain(|fault| !fault.contains(part));
        assert!(faults.len() < before, "never asked: {part} ({why})");
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// Is it an array that is read from its beginning for each row of a step before it? A backlog times a batch are too many.
fn is_read_for_each_row<'a>(step: &str, mut before: impl Iterator<Item = &'a (i64, String)>) -> bool {
    let is_loop = |step: &str| step.starts_with("SCAN") || step.starts_with("SEARCH");
    step.contains("VIRTUAL TABLE") && before.any(|(_, step)| is_loop(step))
}

/// Does this step of a plan read a growing table from one end, or by nothing but a range?
fn passes_by(step: &str, sql: &str) -> bool {
    let mut words = step.split_whitespace();
    let (how, name) = (words.next(), words.next().unwrap_or_default());
    let reads_all = match how {
        Some("SCAN") => true,
        // Without an index it is one end of the table: the newest number.
        Some("SEARCH") => step.contains("AUTOMATIC") || step.contains("USING") && !step.contains("=?"),
        _ => false,
    };
    reads_all && !is_small(name, sql)
}

/// Is it one of the small tables, another name of one, or what the statement itself makes?
fn is_small(name: &str, sql: &str) -> bool {
    let words: Vec<&str> =
        sql.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty()).collect();
    let is_made = |table: &str| {
        // Names are written small, words of the language are not.
        table.chars().all(|c| !c.is_uppercase())
            && (sql
                .split(") AS (")
                .any(|before| before.rsplit_once(" (").is_some_and(|(name, _)| name.rsplit(' ').next() == Some(table)))
                || words.windows(2).any(|pair| matches!(pair[0], "WITH" | "RECURSIVE") && pair[1] == table)
                // A column's name is followed by a comma.
                || sql.contains(&format!(") AS {table}")) && !sql.contains(&format!(") AS {table},"))
                || sql.contains(&format!(") {table}")))
    };
    let is_alias = words.iter().enumerate().any(|(at, word)| {
        (SMALL.contains(word) || is_made(word)) && words[at + 1..].iter().find(|next| **next != "AS") == Some(&name)
    });
    // SQLite calls a part that has no name by its number.
    name.parse::<u32>().is_ok() || name.starts_with('(') || SMALL.contains(&name) || is_made(name) || is_alias
}

/// What is meant on PostgreSQL to pass by more than it gives.
const MEANT_ON_POSTGRES: &[(&str, &str)] = &[
    ("AS serial, r.id FROM records r", "a page of visits, which ends after so many records"),
    ("records_conflicts_by_id", "a page of conflicts, from an index of nothing else"),
    (
        "SELECT min(id + 0), max(id + 0) FROM records",
        "a replay from a time on: by ranges of blocks, which are not asked for here",
    ),
    ("FROM records r LEFT JOIN park_epochs e ON e.id = r.park_id WHERE r.id >= $1", "a page of a replay"),
    ("r.id > $1 AND r.id <= $2 AND", "a span of an export"),
    ("SELECT max(v.id) FROM (SELECT r.id FROM", "where a span of an export ends"),
    ("received_at < $1 ORDER BY id DESC LIMIT 1", "the newest record before the last minute"),
    ("sum(times)::bigint FROM quarantine", "what was refused today, for a list of all parks"),
    ("count(*)::bigint FROM records WHERE received_at >= $1", "the records of a day, where it is not China's"),
    ("WITH RECURSIVE k (id) AS (SELECT (SELECT min(park_id)", "one step to the next park that has conflicts"),
    ("SELECT coalesce(max(id), 0) FROM records", "one end of an index"),
    ("SELECT coalesce((SELECT min(id) FROM records), 0)", "both ends of an index"),
    ("SELECT received_at FROM records WHERE id >= $1 ORDER BY id LIMIT 1", "one record: halving the way to a time"),
    ("SELECT id FROM quarantine WHERE received_at < $1", "by age: some of what it takes"),
    ("ORDER BY q.id LIMIT $2", "a page of the quarantine"),
    ("ORDER BY id LIMIT 1 OFFSET $2", "where a part of a table ends, for a change of the key"),
    ("AND id <= $4 AND (substr(", "what may be sealed under the key before, a part at a time"),
    ("SELECT received_at, event_time FROM records ORDER BY id DESC LIMIT $1", "the newest hundred, by their index"),
];

/// Growing tables on PostgreSQL.
const GROWING: [&str; 8] =
    ["conflicts", "deliveries", "differences", "images", "payments", "quarantine", "quarantine_images", "records"];

#[test]
fn no_statement_on_postgres_passes_by_a_table_that_grows() {
    // Tables are small here, and would be read whole; this way only where no index helps.
    let cluster = Postgres::start(&[
        "fsync=off",
        "enable_seqscan=off",
        "enable_hashjoin=off",
        "enable_mergejoin=off",
        "enable_bitmapscan=off",
        "session_preload_libraries=auto_explain",
        "auto_explain.log_min_duration=0",
        "auto_explain.log_format=json",
        "log_min_messages=log",
    ]);
    for promise in promises() {
        let folder = tempfile::tempdir().unwrap();
        let store = opened(folder.path(), Some(&cluster.database()));
        promise(store.as_ref());
        store.close().unwrap();
    }
    let plans = plans(&cluster.log());
    assert!(plans.len() > 60, "{}", plans.len());
    let mut faults = BTreeSet::new();
    for (sql, plan) in &plans {
        let mut steps = Vec::new();
        all_steps(plan, &mut steps);
        faults.extend(steps.iter().map(|step| format!("{step}\n    {sql}")));
    }
    assert_only(faults.into_iter().collect(), MEANT_ON_POSTGRES);
}

/// Statements and their plans, as the server logged them.
fn plans(log: &str) -> Vec<(String, Value)> {
    let mut plans = std::collections::BTreeMap::new();
    for logged in log.split("plan:\n").skip(1) {
        let json: String = logged.lines().take_while(|line| line.starts_with('\t')).collect();
        let entry: Value = serde_json::from_str(&json).unwrap();
        plans.insert(entry["Query Text"].as_str().unwrap().to_owned(), entry["Plan"].clone());
    }
    plans.into_iter().collect()
}

/// Steps that read a growing table from one end, or by nothing but a range.
fn all_steps(plan: &Value, steps: &mut Vec<String>) {
    let text = |name: &str| plan[name].as_str().unwrap_or_default();
    let is_scan = text("Node Type").contains("Scan") && !text("Node Type").starts_with("Bitmap Heap");
    let (of, by) = (text("Relation Name"), text("Index Cond"));
    if is_scan && GROWING.contains(&of) && !by.contains(" = ") {
        steps.push(format!("{} on {of} {} {}", text("Node Type"), text("Index Name"), by));
    }
    for step in plan["Plans"].as_array().into_iter().flatten() {
        all_steps(step, steps);
    }
}
