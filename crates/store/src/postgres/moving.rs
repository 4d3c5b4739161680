//! PostgreSQL as one end of a move.

use std::borrow::Cow;
use std::path::Path;

use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::address::Address;
use super::fault::Fault;
use super::link::{Link, Pool, PoolRole};
use super::table_lock::LOCK;
use super::{QUESTION_MAX, Twice, attempt, proved, text};
use crate::moving::movable::{
    CHANGING_KEYS, FROM, FROZEN, ID, MOVED, MovableStore, MovedRow, MovedValue, PAGE_BYTES_MAX, TO, UNFINISHED, kind,
    names, new_id, not_empty, overtaken,
};
use crate::moving::tables::{Kind, NUMBERED, TABLES, Table};
use crate::{ImageKey, StoreError};

/// Beyond this many bytes a key is kept shortened.
const SHORTENED_BYTES: usize = 512;

pub(crate) struct MovablePostgres {
    pool: Pool,
    name: String,
}

impl MovablePostgres {
    pub(crate) fn open(data: &Path, url: &str) -> Result<MovablePostgres, StoreError> {
        let (address, name) = Address::read(url)?;
        let pool = Pool::new(address, PoolRole::Questions);
        proved(&pool, data, &name)?;
        Ok(MovablePostgres { pool, name })
    }

    /// Begins a transaction that no other move, and nobody who starts or migrates, is beside.
    async fn begin_alone(link: &Link) -> Result<(), Fault> {
        link.begin().await?;
        link.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
        Ok(link.plain("SET LOCAL client_min_messages = warning").await?)
    }

    fn ask<T>(&self, work: impl AsyncFn(&Link) -> Result<T, Fault>) -> Result<T, StoreError> {
        attempt(&self.pool, Twice::Harmless, QUESTION_MAX * 10, async |link, _| work(link).await)
    }
}

/// Is the move to this database unfinished?
pub(super) async fn refuse_unfinished(link: &Link) -> Result<(), Fault> {
    match mark(link, FROM).await? {
        Some(from) => {
            let text = format!("a move from {from} is unfinished: run `parkgate move` again");
            Err(Fault::Final(StoreError::Broken(text)))
        }
        None => Ok(()),
    }
}

/// Does this database move, has it moved, or does another move here?
pub(super) async fn refuse_moved(link: &Link) -> Result<(), Fault> {
    if mark(link, FROM).await?.is_some() {
        return Err(Fault::Final(StoreError::Busy(UNFINISHED.into())));
    }
    mark(link, TO).await?.map_or(Ok(()), |to| Err(Fault::Final(StoreError::Busy(format!("{FROZEN}{to}")))))
}

async fn mark(link: &Link, what: &str) -> Result<Option<String>, Fault> {
    let row = link.query_opt("SELECT told FROM moving WHERE what = $1", &[&what]).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

async fn set_mark(link: &Link, what: &str, value: &str) -> Result<(), Fault> {
    let sql = "INSERT INTO moving VALUES ($1, $2) ON CONFLICT (what) DO UPDATE SET told = excluded.told";
    link.execute(sql, &[&what, &value]).await?;
    Ok(())
}

impl MovableStore for MovablePostgres {
    fn name(&self) -> Result<String, StoreError> {
        let new = new_id()?;
        let id = self.ask(async |link| {
            link.execute("INSERT INTO moving VALUES ($1, $2) ON CONFLICT DO NOTHING", &[&ID, &new]).await?;
            Ok(mark(link, ID).await?.unwrap_or_default())
        })?;
        Ok(format!("{} ({id})", self.name))
    }

    fn mark(&self, what: &str) -> Result<Option<String>, StoreError> {
        self.ask(async |link| mark(link, what).await)
    }

    fn changes_key(&self) -> Result<bool, StoreError> {
        self.ask(async |link| Ok(number(link, CHANGING_KEYS).await? > 0))
    }

    fn set_mark(&self, what: &str, value: &str) -> Result<(), StoreError> {
        self.ask(async |link| set_mark(link, what, value).await)
    }

    fn freeze(&self, to: &str) -> Result<(), StoreError> {
        let target = to.replace('\'', "''");
        // PM001: a code of ours, see `link`.
        let mut sql = format!(
            "CREATE OR REPLACE FUNCTION parkgate_frozen() RETURNS trigger LANGUAGE plpgsql AS $frozen$ BEGIN \
             RAISE EXCEPTION '{FROZEN}%', '{target}' USING ERRCODE = 'PM001'; END $frozen$;"
        );
        for Table { name, .. } in TABLES {
            sql.push_str(&format!(
                "CREATE OR REPLACE TRIGGER frozen BEFORE INSERT OR UPDATE OR DELETE ON {name} \
                 FOR EACH STATEMENT EXECUTE FUNCTION parkgate_frozen();"
            ));
        }
        self.ask(async |link| {
            Self::begin_alone(link).await?;
            link.plain(&sql).await?;
            set_mark(link, TO, to).await?;
            link.commit().await
        })
    }

    fn thaw(&self) -> Result<(), StoreError> {
        let drop = |Table { name, .. }: &Table| format!("DROP TRIGGER IF EXISTS frozen ON {name};");
        let sql: String = TABLES.iter().map(drop).collect();
        self.ask(async |link| {
            Self::begin_alone(link).await?;
            if mark(link, MOVED).await?.is_some() {
                return Err(overtaken(&self.name).into());
            }
            link.plain(&sql).await?;
            link.execute("DELETE FROM moving WHERE what = $1", &[&TO]).await?;
            link.commit().await
        })
    }

    fn settle(&self, to: &str) -> Result<(), StoreError> {
        self.ask(async |link| {
            Self::begin_alone(link).await?;
            if mark(link, TO).await?.is_none() {
                return Err(overtaken(&self.name).into());
            }
            set_mark(link, MOVED, to).await?;
            link.commit().await
        })
    }

    fn claim(&self, from: &str) -> Result<(), StoreError> {
        let sql = closing_sql();
        self.ask(async |link| {
            Self::begin_alone(link).await?;
            // The triggers first: making them waits for whoever is writing, whose rows are then seen.
            link.plain(&sql).await?;
            if mark(link, FROM).await?.is_none() {
                for table in TABLES {
                    if number(link, &format!("SELECT count(*) FROM (SELECT FROM {} LIMIT 1) AS one", table.name))
                        .await?
                        > 0
                    {
                        return Err(not_empty(&self.name, table).into());
                    }
                }
                set_mark(link, FROM, from).await?;
            }
            link.commit().await
        })
    }

    fn count(&self, table: &Table) -> Result<u64, StoreError> {
        let sql = format!("SELECT count(*) FROM {}", table.name);
        self.ask(async |link| Ok(number(link, &sql).await?.unsigned_abs()))
    }

    fn page(
        &self,
        table: &'static Table,
        after: Option<&[MovedValue]>,
        limit: usize,
    ) -> Result<Vec<MovedRow>, StoreError> {
        let sql = page_sql(table, after.is_some(), limit);
        let after: Vec<_> = after.unwrap_or_default().iter().map(one).collect();
        let after: Vec<&(dyn ToSql + Sync)> = after.iter().map(AsRef::as_ref).collect();
        self.ask(async |link| {
            let rows = link.query(&sql, &after).await?;
            let mut found = rows.iter().map(|row| found(table, row)).collect::<Result<Vec<_>, _>>()?;
            if table.name == "payments" {
                for payment in &mut found {
                    lengthen(link, payment).await?;
                }
            }
            Ok(found)
        })
    }

    fn put(&self, table: &'static Table, rows: &[MovedRow], what: &str, value: &str) -> Result<(), StoreError> {
        let (mut columns, mut kinds, mut arrays) = (names(table), Vec::new(), Vec::new());
        for (index, column) in table.columns.iter().enumerate() {
            kinds.push(sql_name(column.kind));
            arrays.push(array(column.kind, rows, index));
        }
        if table.name == "records" {
            let place = |wanted| columns.iter().position(|name| *name == wanted).unwrap_or(usize::MAX);
            let long_of = |column| texts(rows, place(column), |serial| text::long(serial).map(Cow::into_owned));
            // Of a release or an update the serial of its stay: a key of its own is never long.
            let longs = long_of("visit_serial").into_iter().zip(long_of("parking_serial"));
            let longs: Vec<Option<String>> = longs.map(|(visit, own)| visit.or(own)).collect();
            columns.push("long_serial");
            kinds.push("text");
            arrays.push(Box::new(longs));
        }
        let marks: Vec<_> = (1..).zip(&kinds).map(|(number, kind)| format!("${number}::{kind}[]")).collect();
        let sql = format!(
            "INSERT INTO {} ({}) SELECT * FROM UNNEST({}) ON CONFLICT DO NOTHING",
            table.name,
            columns.join(", "),
            marks.join(", ")
        );
        let arrays: Vec<&(dyn ToSql + Sync)> = arrays.iter().map(AsRef::as_ref).collect();
        self.ask(async |link| {
            link.begin().await?;
            link.plain(&format!("SET LOCAL {IS_THE_MOVE} = 'on'")).await?;
            link.execute(&sql, &arrays).await?;
            set_mark(link, what, value).await?;
            link.commit().await
        })
    }

    fn pictures(&self, table: &str, after: &[u8], limit: usize) -> Result<Vec<(ImageKey, u64)>, StoreError> {
        let sql = format!(
            "SELECT sha256, max(size) FROM {table} WHERE sha256 > $1 GROUP BY sha256 ORDER BY sha256 LIMIT {limit}"
        );
        self.ask(async |link| {
            let mut found = Vec::new();
            for row in link.query(&sql, &[&after]).await? {
                let key = <[u8; 32]>::try_from(row.try_get::<_, &[u8]>(0)?);
                let key = key.map_err(|_| StoreError::Broken("the address of a picture".into()))?;
                found.push((ImageKey(key), row.try_get::<_, i64>(1)?.unsigned_abs()));
            }
            Ok(found)
        })
    }

    fn clear(&self) -> Result<(), StoreError> {
        let names: Vec<_> = TABLES.iter().map(|table| table.name).collect();
        let sql = format!("TRUNCATE {}", names.join(", "));
        self.ask(async |link| {
            Self::begin_alone(link).await?;
            link.plain(&sql).await?;
            link.execute("DELETE FROM moving WHERE what <> $1", &[&ID]).await?;
            link.commit().await
        })
    }

    fn numbers(&self) -> Result<Vec<i64>, StoreError> {
        self.ask(async |link| {
            let mut numbers = Vec::new();
            for (_, sequence) in NUMBERED {
                let sql = format!("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {sequence}");
                numbers.push(number(link, &sql).await?);
            }
            Ok(numbers)
        })
    }

    fn finish(&self, numbers: &[i64]) -> Result<(), StoreError> {
        self.ask(async |link| {
            Self::begin_alone(link).await?;
            for ((_, sequence), number) in NUMBERED.iter().zip(numbers) {
                let sql = format!("SELECT setval('{sequence}', greatest($1::bigint, 1), $1::bigint > 0)");
                link.query(&sql, &[number]).await?;
            }
            for (table, sequence) in [("parks", "parks_id_seq"), ("records", "record_blocks")] {
                let sql = format!("SELECT setval('{sequence}', (SELECT coalesce(max(id), 0) + 1 FROM {table}), false)");
                link.query(&sql, &[]).await?;
            }
            for Table { name, .. } in TABLES {
                link.plain(&format!("DROP TRIGGER IF EXISTS unfinished ON {name}")).await?;
            }
            link.execute("DELETE FROM moving WHERE what <> $1", &[&ID]).await?;
            link.plain("UPDATE registry_version SET version = version + 1").await?;
            link.commit().await
        })?;
        // The planner has not seen any of it. The move is finished all the same: the server does this by itself in time.
        if let Err(error) = self.ask(async |link| Ok(link.plain("ANALYZE").await?)) {
            tracing::warn!(%error, "the new database was not analysed and may be slow at first: run ANALYZE on it");
        }
        Ok(())
    }
}

/// Set in a transaction of the move itself, which the triggers let through.
const IS_THE_MOVE: &str = "parkgate.moving";

/// Refuses every write but the move's.
fn closing_sql() -> String {
    // PM001: a code of ours, see `link`.
    let mut sql = format!(
        "CREATE OR REPLACE FUNCTION parkgate_unfinished() RETURNS trigger LANGUAGE plpgsql AS $unfinished$ BEGIN \
         RAISE EXCEPTION '{UNFINISHED}' USING ERRCODE = 'PM001'; END $unfinished$;"
    );
    for Table { name, .. } in TABLES {
        sql.push_str(&format!(
            "CREATE OR REPLACE TRIGGER unfinished BEFORE INSERT OR UPDATE OR DELETE ON {name} FOR EACH STATEMENT \
             WHEN (current_setting('{IS_THE_MOVE}', true) IS DISTINCT FROM 'on') EXECUTE FUNCTION parkgate_unfinished();"
        ));
    }
    sql
}

async fn number(link: &Link, sql: &str) -> Result<i64, Fault> {
    let row = link.query_opt(sql, &[]).await?;
    Ok(row.map_or(Ok(0), |row| row.try_get(0))?)
}

/// Rows whose predecessors fill no page yet. Sizes are those on disk, found without reading values that are stored apart.
fn page_sql(table: &Table, is_later: bool, limit: usize) -> String {
    let whole = |name: &str| match (table.name, name) {
        ("records", "parking_serial") => {
            "CASE WHEN visit_serial IS NULL THEN coalesce(long_serial, parking_serial) ELSE parking_serial END"
                .to_owned()
        }
        ("records", "visit_serial") => {
            "CASE WHEN visit_serial IS NOT NULL THEN coalesce(long_serial, visit_serial) END".to_owned()
        }
        (_, name) => name.to_owned(),
    };
    let keys = table.postgres_key.join(", ");
    let kept = table.postgres_key.iter().map(|name| (*name).to_owned()).chain(names(table).into_iter().map(whole));
    let kept: Vec<_> = (0..).zip(kept).map(|(index, column)| format!("{column} AS c{index}")).collect();
    let (outer, outer_keys) = (columns(kept.len()), columns(table.postgres_key.len()));
    let sizes: Vec<_> = names(table).into_iter().map(|name| format!("coalesce(pg_column_size({name}), 0)")).collect();
    let marks =
        (1..).zip(table.postgres_key).map(|(number, name)| format!("${number}::{}", sql_name(kind(table, name))));
    let marks: Vec<_> = marks.collect();
    let from = if is_later { format!("WHERE ({keys}) > ({})", marks.join(", ")) } else { String::new() };
    format!(
        "SELECT {outer} FROM (SELECT *, sum(size) OVER (ORDER BY {outer_keys} ROWS UNBOUNDED PRECEDING) - size AS before \
         FROM (SELECT {}, {} AS size FROM {} {from} ORDER BY {keys} LIMIT {limit}) AS page) AS page \
         WHERE before < {PAGE_BYTES_MAX} ORDER BY {outer_keys}",
        kept.join(", "),
        sizes.join(" + "),
        table.name
    )
}

fn columns(count: usize) -> String {
    (0..count).map(|index| format!("c{index}")).collect::<Vec<_>>().join(", ")
}

fn sql_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Big => "bigint",
        Kind::Int => "integer",
        Kind::Small => "smallint",
        Kind::Bool => "boolean",
        Kind::Text | Kind::Key => "text",
        Kind::Bytes => "bytea",
    }
}

fn found(table: &Table, row: &Row) -> Result<MovedRow, Fault> {
    let keys = table.postgres_key.len();
    // Keys as they are kept, so that the next page begins after them.
    let key = (0..).zip(table.postgres_key).map(|(index, name)| value(row, index, kind(table, name), false));
    let row = (keys..).zip(table.columns).map(|(index, column)| value(row, index, column.kind, true));
    Ok(MovedRow { key: key.collect::<Result<_, _>>()?, row: row.collect::<Result<_, _>>()? })
}

fn value(row: &Row, index: usize, kind: Kind, as_sent: bool) -> Result<MovedValue, Fault> {
    let int = |number: Option<i64>| number.map_or(MovedValue::Null, MovedValue::Int);
    Ok(match kind {
        Kind::Big => int(row.try_get(index)?),
        Kind::Int => int(row.try_get::<_, Option<i32>>(index)?.map(i64::from)),
        Kind::Small => int(row.try_get::<_, Option<i16>>(index)?.map(i64::from)),
        Kind::Bool => int(row.try_get::<_, Option<bool>>(index)?.map(i64::from)),
        Kind::Text | Kind::Key => match row.try_get::<_, Option<String>>(index)? {
            Some(kept) => MovedValue::Text(if as_sent { text::read(kept) } else { kept }),
            None => MovedValue::Null,
        },
        Kind::Bytes => row.try_get::<_, Option<Vec<u8>>>(index)?.map_or(MovedValue::Null, MovedValue::Bytes),
    })
}

/// An order or way of payment that is kept shortened stands whole in its leave.
async fn lengthen(link: &Link, payment: &mut MovedRow) -> Result<(), Fault> {
    let is_long = |value: &MovedValue| matches!(value, MovedValue::Text(text) if text.len() > SHORTENED_BYTES);
    let [MovedValue::Int(park), order, pay_type, MovedValue::Int(record), MovedValue::Int(position), ..] =
        payment.row.as_mut_slice()
    else {
        return Ok(());
    };
    if !is_long(order) && !is_long(pay_type) {
        return Ok(());
    }
    let sql = "SELECT params FROM records WHERE park_id = $1 AND id = $2";
    let Some(row) = link.query_opt(sql, &[park, record]).await? else { return Ok(()) };
    let params = text::read(row.try_get(0)?);
    let entry = crate::stored::listed_in(&crate::stored::object(params.as_bytes())?)?
        .into_iter()
        .find(|entry| i64::try_from(entry.position) == Ok(*position));
    if let Some(entry) = entry {
        *order = MovedValue::Text(entry.order);
        *pay_type = MovedValue::Text(entry.pay_type);
    }
    Ok(())
}

/// One value of a key.
fn one(value: &MovedValue) -> Box<dyn ToSql + Sync> {
    match value {
        MovedValue::Null => Box::new(None::<i64>),
        MovedValue::Int(number) => Box::new(*number),
        MovedValue::Text(text) => Box::new(text.clone()),
        MovedValue::Bytes(bytes) => Box::new(bytes.clone()),
    }
}

/// One column of many rows.
fn array(kind: Kind, rows: &[MovedRow], index: usize) -> Box<dyn ToSql + Sync> {
    let ints = || {
        rows.iter().map(move |found| match found.row.get(index) {
            Some(MovedValue::Int(number)) => Some(*number),
            _ => None,
        })
    };
    match kind {
        Kind::Big => Box::new(ints().collect::<Vec<_>>()),
        Kind::Int => Box::new(ints().map(|n| n.and_then(|n| i32::try_from(n).ok())).collect::<Vec<_>>()),
        Kind::Small => Box::new(ints().map(|n| n.and_then(|n| i16::try_from(n).ok())).collect::<Vec<_>>()),
        Kind::Bool => Box::new(ints().map(|n| n.map(|n| n != 0)).collect::<Vec<_>>()),
        Kind::Text => Box::new(texts(rows, index, |sent| Some(text::kept(sent).into_owned()))),
        Kind::Key => Box::new(texts(rows, index, |sent| Some(text::key(sent).into_owned()))),
        Kind::Bytes => {
            let bytes = rows.iter().map(|found| match found.row.get(index) {
                Some(MovedValue::Bytes(bytes)) => Some(bytes.clone()),
                _ => None,
            });
            Box::new(bytes.collect::<Vec<_>>())
        }
    }
}

fn texts(rows: &[MovedRow], index: usize, kept: impl Fn(&str) -> Option<String>) -> Vec<Option<String>> {
    let one = |found: &MovedRow| match found.row.get(index) {
        Some(MovedValue::Text(sent)) => kept(sent),
        _ => None,
    };
    rows.iter().map(one).collect()
}
