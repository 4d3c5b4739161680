//! One statement for both databases.
//!
//! Statements are written as PostgreSQL reads them, with a few marks for what the two say differently:
//!
//! | mark | PostgreSQL | SQLite |
//! |---|---|---|
//! | `$1` | `$1` | `?1` |
//! | `x::bigint` | `x::bigint` | `x` |
//! | `{in $1}` | `= ANY($1)` | `IN (SELECT value FROM json_each(?1))` |
//! | `{in blobs $1}` | `= ANY($1)` | `IN (SELECT unhex(value) FROM json_each(?1))` |
//! | `{rows $1 bigint a, $2 text b}` | `UNNEST($1::bigint[], $2::text[])` with those names | one row of two values: a statement that changes rows runs once for each |
//! | `{keys $1 $2} AS k` | records' keys, of their parks and numbers: `park_id` and `record_id` | `record_id` alone |
//! | `{step records r: …}` | `CROSS JOIN LATERAL (SELECT * FROM records r WHERE … OFFSET 0) AS r` | `CROSS JOIN records r ON …` |
//! | `{lock d}`, `{lock skip}` | `FOR UPDATE OF d`, `FOR UPDATE SKIP LOCKED` | nothing: there is one writer |
//! | `{serial r}` | the whole serial of the stay of `r` | the same |
//! | `{postgres …}`, `{sqlite …}` | the text, for one of them | |
//!
//! A step looks up the rows of one table by the keys of the rows before it, in this order and no other: with the figures of
//! a table that was empty a moment ago, either planner would rather read an index that holds everything.
//!
//! A mark that is none of these fails the first statement that holds it, in every test.

use std::fmt::Write as _;

use crate::StoreError;

/// Which database reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
}

/// Does a statement have `{rows …}`: rows that are given as columns?
pub(crate) fn has_rows(sql: &str) -> bool {
    sql.contains("{rows ")
}

/// A statement in the words of one database.
///
/// # Errors
/// A mark that is none.
pub(crate) fn translate(sql: &str, dialect: Dialect) -> Result<String, StoreError> {
    let mut out = String::with_capacity(sql.len() + 64);
    let mut rest = sql;
    while let Some(at) = rest.find(['$', ':', '{']) {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        rest = if let Some(after) = from.strip_prefix('{') {
            let (mark, after) = closed(after).ok_or_else(|| unknown(from))?;
            self::mark(mark, dialect, &mut out)?;
            after
        } else if let Some(after) = from.strip_prefix("::") {
            let end = after.find(|c: char| !c.is_ascii_lowercase() && c != '[' && c != ']').unwrap_or(after.len());
            let (kind, after) = after.split_at(end);
            if dialect == Dialect::Postgres {
                out.push_str("::");
                out.push_str(kind);
            }
            after
        } else if let Some(after) = from.strip_prefix('$') {
            out.push(parameter(dialect));
            after
        } else {
            out.push(':');
            from.strip_prefix(':').unwrap_or_default()
        };
    }
    out.push_str(rest);
    Ok(out)
}

/// Up to the brace that closes a mark, and what comes after it; marks may stand in marks.
fn closed(text: &str) -> Option<(&str, &str)> {
    let mut open = 1;
    for (at, brace) in text.match_indices(['{', '}']) {
        open = if brace == "{" { open + 1 } else { open - 1 };
        if open == 0 {
            return Some((text.get(..at)?, text.get(at + 1..)?));
        }
    }
    None
}

fn parameter(dialect: Dialect) -> char {
    match dialect {
        Dialect::Sqlite => '?',
        Dialect::Postgres => '$',
    }
}

fn unknown(mark: &str) -> StoreError {
    StoreError::Broken(format!("no mark of a statement: {mark}"))
}

fn mark(mark: &str, dialect: Dialect, out: &mut String) -> Result<(), StoreError> {
    let (name, argument) = mark.split_once(' ').unwrap_or((mark, ""));
    match (name, dialect) {
        ("in", Dialect::Postgres) => {
            let number = argument.trim_start_matches("blobs ").trim_start_matches('$');
            push(out, format_args!("= ANY(${number})"))
        }
        ("in", Dialect::Sqlite) => {
            let value = if argument.starts_with("blobs ") { "unhex(value)" } else { "value" };
            let number = argument.trim_start_matches("blobs ").trim_start_matches('$');
            push(out, format_args!("IN (SELECT {value} FROM json_each(?{number}))"))
        }
        ("rows", _) => rows(argument, dialect, out),
        ("keys", _) => {
            let (parks, records) = argument.split_once(' ').ok_or_else(|| unknown(mark))?;
            let (parks, records) = (parks.trim_start_matches('$'), records.trim_start_matches('$'));
            match dialect {
                // A record's number is unique by itself there, and two arrays would be matched by nested loops.
                Dialect::Sqlite => push(out, format_args!("(SELECT value AS record_id FROM json_each(?{records}))")),
                Dialect::Postgres => rows(&format!("{parks} bigint park_id, {records} bigint record_id"), dialect, out),
            }
        }
        ("lock", Dialect::Postgres) => match argument {
            "skip" => push(out, format_args!("FOR UPDATE SKIP LOCKED")),
            "" => push(out, format_args!("FOR UPDATE")),
            table => push(out, format_args!("FOR UPDATE OF {table}")),
        },
        ("step", _) => step(argument, dialect, out),
        ("lock", Dialect::Sqlite) => Ok(()),
        ("postgres", Dialect::Postgres) | ("sqlite", Dialect::Sqlite) => {
            let text = translate(argument, dialect)?;
            push(out, format_args!("{text}"))
        }
        ("postgres" | "sqlite", _) => Ok(()),
        ("serial", Dialect::Postgres) => push(
            out,
            format_args!("coalesce({argument}.long_serial, {argument}.visit_serial, {argument}.parking_serial)"),
        ),
        ("serial", Dialect::Sqlite) => {
            push(out, format_args!("coalesce({argument}.visit_serial, {argument}.parking_serial)"))
        }
        _ => Err(unknown(mark)),
    }
}

fn step(argument: &str, dialect: Dialect, out: &mut String) -> Result<(), StoreError> {
    let (table, condition) = argument.split_once(':').ok_or_else(|| unknown(argument))?;
    let alias = table.split(' ').next_back().unwrap_or(table);
    let condition = translate(condition.trim(), dialect)?;
    match dialect {
        Dialect::Sqlite => push(out, format_args!("CROSS JOIN {table} ON {condition}")),
        Dialect::Postgres => {
            push(out, format_args!("CROSS JOIN LATERAL (SELECT * FROM {table} WHERE {condition} OFFSET 0) AS {alias}"))
        }
    }
}

/// Columns given as arrays, one value a row.
fn rows(columns: &str, dialect: Dialect, out: &mut String) -> Result<(), StoreError> {
    let mut arrays = Vec::new();
    for column in columns.split(',') {
        match *column.split_whitespace().collect::<Vec<_>>().as_slice() {
            [number, kind, name] => arrays.push((number.trim_start_matches('$'), kind, name)),
            _ => return Err(unknown(column)),
        }
    }
    let names = arrays.iter().map(|(.., name)| *name).collect::<Vec<_>>().join(", ");
    match dialect {
        Dialect::Postgres => {
            let unnested: Vec<String> = arrays.iter().map(|(number, kind, _)| format!("${number}::{kind}[]")).collect();
            push(out, format_args!("(SELECT {names} FROM UNNEST({}) AS arrays ({names}))", unnested.join(", ")))
        }
        Dialect::Sqlite => {
            let values: Vec<String> = arrays.iter().map(|(number, _, name)| format!("?{number} AS {name}")).collect();
            push(out, format_args!("(SELECT {})", values.join(", ")))
        }
    }
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) -> Result<(), StoreError> {
    out.write_fmt(text).map_err(|error| StoreError::Broken(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_said_in_the_words_of_each_database() {
        for (sql, sqlite, postgres) in [
            ("SELECT 1", "SELECT 1", "SELECT 1"),
            ("a = $1 AND b > $12", "a = ?1 AND b > ?12", "a = $1 AND b > $12"),
            ("sum(x)::bigint, $1::text[]", "sum(x), ?1", "sum(x)::bigint, $1::text[]"),
            ("id {in $2}", "id IN (SELECT value FROM json_each(?2))", "id = ANY($2)"),
            ("k {in blobs $1}", "k IN (SELECT unhex(value) FROM json_each(?1))", "k = ANY($1)"),
            ("x {lock}", "x ", "x FOR UPDATE"),
            ("x {lock skip}", "x ", "x FOR UPDATE SKIP LOCKED"),
            ("x {lock d}", "x ", "x FOR UPDATE OF d"),
            (
                "FROM a {step records r: r.id = a.id AND r.kind = $2} WHERE true",
                "FROM a CROSS JOIN records r ON r.id = a.id AND r.kind = ?2 WHERE true",
                "FROM a CROSS JOIN LATERAL (SELECT * FROM records r WHERE r.id = a.id AND r.kind = $2 OFFSET 0) AS r WHERE true",
            ),
            ("a{postgres  x = $1}{sqlite  y = $2}", "a y = ?2", "a x = $1"),
            (
                "a {step images i: {postgres i.park_id = a.park_id AND} i.id = a.id}",
                "a CROSS JOIN images i ON  i.id = a.id",
                "a CROSS JOIN LATERAL (SELECT * FROM images i WHERE i.park_id = a.park_id AND i.id = a.id OFFSET 0) AS i",
            ),
            (
                "FROM {keys $2 $3} AS k",
                "FROM (SELECT value AS record_id FROM json_each(?3)) AS k",
                "FROM (SELECT park_id, record_id FROM UNNEST($2::bigint[], $3::bigint[]) AS arrays (park_id, record_id)) AS k",
            ),
            (
                "{serial r} AS s",
                "coalesce(r.visit_serial, r.parking_serial) AS s",
                "coalesce(r.long_serial, r.visit_serial, r.parking_serial) AS s",
            ),
            (
                "FROM {rows $1 bigint a, $3 text b} AS k",
                "FROM (SELECT ?1 AS a, ?3 AS b) AS k",
                "FROM (SELECT a, b FROM UNNEST($1::bigint[], $3::text[]) AS arrays (a, b)) AS k",
            ),
        ] {
            assert_eq!(translate(sql, Dialect::Sqlite).unwrap(), sqlite);
            assert_eq!(translate(sql, Dialect::Postgres).unwrap(), postgres);
        }
        assert!(translate("{locked}", Dialect::Sqlite).is_err());
        assert!(translate("{rows $1 a}", Dialect::Postgres).is_err());
        assert!(translate("{in $1", Dialect::Postgres).is_err());
    }
}
