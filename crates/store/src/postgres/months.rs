//! A partition for each month.
//!
//! Month n holds the records numbered from n·2⁴⁰ on: `record_blocks` is set to its first number once its partitions are
//! there, so no record waits for a partition and no clock says where one goes. Serials and orders are unique in a month by
//! its indexes, over all of them by the lock on the park's row, under which every batch looks for what it brings.

use std::time::Duration;

use parkgate_ledger::redact::STAYS;
use parkgate_wire::UnixMillis;

use super::fault::Fault;
use super::link::Link;
use super::table_lock::{LOCK, patiently};
use super::{PostgresBackend, Twice, attempt, moving};
use crate::StoreError;
use crate::months::{HeldMonth, Month, Months, Reduced};

/// The tables that are cut, and what by.
const CUT: [(&str, &str); 3] = [("records", "id"), ("payments", "record_id"), ("images", "record_id")];
/// Numbers of a month.
const STEP: i64 = 1 << 40;
/// A month is not over before, whatever the clock says.
const MONTH_MIN_MS: i64 = 20 * 24 * 60 * 60 * 1000;
/// Rows of a large month are written anew.
const WORK_MAX: Duration = Duration::from_secs(6 * 60 * 60);
const REDACTED: &str = "SELECT park_id, id, kind, parking_serial, long_serial, enter_time, event_time, counted, NULL, digest, \
    seqno, received_at, variant, conflict_with, refused_orders, visit_serial, redacted, coalesce((SELECT json_object_agg(key, value)::text \
    FROM json_each(params::json) WHERE key IN (";
const COLUMNS: &str = "park_id, id, kind, parking_serial, long_serial, enter_time, event_time, counted, plate, digest, \
    seqno, received_at, variant, conflict_with, refused_orders, visit_serial, redacted, params";
/// As the whole table is looked after.
const SETTINGS: &str = "autovacuum_analyze_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.05";

impl PostgresBackend {
    pub(super) fn long<T>(&self, work: impl AsyncFn(&Link) -> Result<T, Fault>) -> Result<T, StoreError> {
        attempt(&self.questions, Twice::Harmless, WORK_MAX, async |link, _| work(link).await)
    }

    /// Each month that is over and older than that, by itself.
    fn older(
        &self,
        before: UnixMillis,
        is_meant: impl Fn(&Month) -> bool,
        work: impl AsyncFn(&Link, &Span) -> Result<Gone, Fault>,
    ) -> Result<Reduced, StoreError> {
        let is_old = |month: &Month| !month.is_open && month.newest_at.is_none_or(|newest| newest < before.0);
        let months: Vec<Month> = self.list()?.into_iter().filter(|month| is_old(month) && is_meant(month)).collect();
        let mut reduced = Reduced::default();
        for month in months {
            match self.long(async |link| unless_pending(link, month.number, &work).await)? {
                Ok(dead_letters) => {
                    reduced.dead_letters += dead_letters;
                    reduced.done.push(month);
                }
                Err(pending) => reduced.held.push(HeldMonth { month, pending }),
            }
        }
        Ok(reduced)
    }
}

/// The numbers of a month's records.
struct Span {
    number: i64,
    /// The oldest month has no lower end.
    is_first: bool,
    low: i64,
    to: i64,
}

impl Span {
    async fn of(link: &Link, number: i64) -> Result<Span, Fault> {
        let sql =
            "SELECT pg_get_expr(relpartbound, oid) LIKE '%(MINVALUE)%' FROM pg_class WHERE oid = $1::text::regclass";
        let row = link.query_opt(sql, &[&format!("records_{number}")]).await?;
        let is_first = row.map_or(Ok(false), |row| row.try_get(0))?;
        Ok(Span { number, is_first, low: if is_first { 0 } else { number * STEP }, to: (number + 1) * STEP })
    }

    /// As a partition's lower bound.
    fn from(&self) -> String {
        if self.is_first { "MINVALUE".to_owned() } else { self.low.to_string() }
    }
}

/// Records of later months that go with this one.
type Gone = Vec<i64>;
/// By subscriber.
type Pending = Vec<(String, u64)>;

/// Does the work and takes away the dead letters of what goes (how many), unless anything of it is still to be delivered.
async fn unless_pending(
    link: &Link,
    number: i64,
    work: &impl AsyncFn(&Link, &Span) -> Result<Gone, Fault>,
) -> Result<Result<u64, Pending>, Fault> {
    begin_change(link).await?;
    let span = Span::of(link, number).await?;
    let mut waiting = pending(link, &span, &Vec::new()).await?;
    if waiting.is_empty() {
        let gone = work(link, &span).await?;
        let dead = "DELETE FROM deliveries WHERE dead AND (record_id >= $1 AND record_id < $2 OR record_id = ANY($3))";
        let dead_letters = link.execute(dead, &[&span.low, &span.to, &gone]).await?;
        // Again, now that nobody reads the records meanwhile: a replay may have been first.
        waiting = pending(link, &span, &gone).await?;
        if waiting.is_empty() {
            link.commit().await?;
            return Ok(Ok(dead_letters));
        }
    }
    link.plain("ROLLBACK").await?;
    Ok(Err(waiting))
}

async fn pending(link: &Link, span: &Span, gone: &Gone) -> Result<Pending, Fault> {
    let sql = "SELECT s.name, count(*) FROM deliveries d JOIN subscribers s ON s.id = d.subscriber_id WHERE NOT d.dead \
        AND (d.record_id >= $1 AND d.record_id < $2 OR d.record_id = ANY($3)) GROUP BY s.name ORDER BY s.name";
    let rows = link.query(sql, &[&span.low, &span.to, gone]).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get::<_, i64>(1)?.unsigned_abs()))).collect()
}

impl Months for PostgresBackend {
    fn list(&self) -> Result<Vec<Month>, StoreError> {
        self.long(list)
    }

    fn begin(&self) -> Result<bool, StoreError> {
        self.long(async |link| {
            let began = cut(link).await?;
            let is_empty = link.query_opt("SELECT 1 FROM records LIMIT 1", &[]).await?.is_none();
            if began && !is_empty {
                next(link, |_| true).await?;
            }
            Ok(began)
        })
    }

    fn turn(&self) -> Result<Option<i64>, StoreError> {
        self.ask_long(async |link| {
            // Mostly there is nothing to do, and nobody to wait for.
            let Some(newest) = newest(link).await? else { return Ok(None) };
            let is_behind = number(link, "SELECT last_value FROM record_blocks").await? < newest.0 * STEP;
            if is_over(newest) || is_behind { next(link, is_over).await } else { Ok(None) }
        })
    }

    fn redact(&self, before: UnixMillis) -> Result<Reduced, StoreError> {
        self.older(before, |month| month.redacted_at.is_none(), redact)
    }

    fn drop(&self, before: UnixMillis) -> Result<Reduced, StoreError> {
        self.older(before, |_| true, drop_month)
    }
}

async fn list(link: &Link) -> Result<Vec<Month>, Fault> {
    let mut months: Vec<Month> = Vec::new();
    for row in link.query("SELECT number, begun_at, stripped_at FROM months ORDER BY number", &[]).await? {
        let number: i64 = row.try_get(0)?;
        let sizes: Vec<String> =
            CUT.iter().map(|(table, _)| format!("pg_total_relation_size('{table}_{number}')")).collect();
        let sql = format!("SELECT count(*), max(received_at), {} FROM records_{number}", sizes.join(" + "));
        let Some(totals) = link.query_opt(&sql, &[]).await? else { continue };
        months.push(Month {
            number,
            begun_at: row.try_get(1)?,
            is_open: false,
            redacted_at: row.try_get(2)?,
            records: totals.try_get::<_, i64>(0)?.unsigned_abs(),
            newest_at: totals.try_get(1)?,
            bytes: totals.try_get::<_, i64>(2)?.unsigned_abs(),
        });
    }
    if let Some(newest) = months.last_mut() {
        newest.is_open = true;
    }
    Ok(months)
}

/// The newest month, when it was begun, and what time it is for the database; in months of China's time, too.
type Newest = (i64, i64, i64, i64);

async fn newest(link: &Link) -> Result<Option<Newest>, Fault> {
    let month = |time: &str| {
        let local = format!("{time} AT TIME ZONE 'Asia/Shanghai'");
        format!("(extract(year FROM {local}) * 12 + extract(month FROM {local}))")
    };
    let sql = format!(
        "SELECT number, begun_at, (extract(epoch FROM now()) * 1000)::bigint, ({} - {})::bigint FROM months \
         ORDER BY number DESC LIMIT 1",
        month("now()"),
        month("to_timestamp(begun_at / 1000.0)")
    );
    let Some(row) = link.query_opt(&sql, &[]).await? else { return Ok(None) };
    Ok(Some((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?)))
}

fn is_over((_, begun_at, now, months): Newest) -> bool {
    months != 0 && (now - begun_at).abs() >= MONTH_MIN_MS
}

/// One node changes the tables at a time.
async fn begin_change(link: &Link) -> Result<(), Fault> {
    link.begin().await?;
    link.plain("SET LOCAL lock_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0").await?;
    link.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
    link.plain("SET LOCAL lock_timeout = '2s'; SET LOCAL client_min_messages = warning").await?;
    moving::refuse_moved(link).await
}

/// Makes the tables of records the first month of themselves.
async fn cut(link: &Link) -> Result<bool, Fault> {
    begin_change(link).await?;
    if newest(link).await?.is_some() {
        link.commit().await?;
        return Ok(false);
    }
    // A store that came from one with months begins where that one was.
    let number = number(link, "SELECT last_value FROM record_blocks").await? / STEP;
    let end = (number + 1) * STEP;
    for (table, key) in CUT {
        // First, and looked at without keeping anybody waiting: else the attaching would read the whole table alone.
        patiently(link, &format!("ALTER TABLE {table} DROP CONSTRAINT IF EXISTS in_month")).await?;
        let check = format!("ALTER TABLE {table} ADD CONSTRAINT in_month CHECK ({key} < {end}) NOT VALID");
        patiently(link, &check).await?;
    }
    link.commit().await?;
    for (table, _) in CUT {
        link.plain(&format!("ALTER TABLE {table} VALIDATE CONSTRAINT in_month")).await?;
    }
    begin_change(link).await?;
    let mut sql = String::new();
    for (table, key) in CUT {
        sql.push_str(&format!(
            "ALTER TABLE {table} RENAME TO {table}_{number}; \
             CREATE TABLE {table} (LIKE {table}_{number} INCLUDING DEFAULTS INCLUDING STORAGE) PARTITION BY RANGE ({key}); \
             ALTER TABLE {table} ATTACH PARTITION {table}_{number} FOR VALUES FROM (MINVALUE) TO ({end}); \
             ALTER TABLE {table}_{number} DROP CONSTRAINT in_month;"
        ));
    }
    patiently(link, &sql).await?;
    let first = "INSERT INTO months (number, begun_at) SELECT $1, coalesce((SELECT min(received_at) FROM records), \
        (extract(epoch FROM now()) * 1000)::bigint)";
    link.execute(first, &[&number]).await?;
    link.commit().await?;
    Ok(true)
}

/// Begins another month if the newest one is over, and lets numbers go on in the newest one.
async fn next(link: &Link, is_over: impl Fn(Newest) -> bool) -> Result<Option<i64>, Fault> {
    begin_change(link).await?;
    let Some(newest) = newest(link).await? else {
        // Not cut after all: the connection goes back as it came.
        link.plain("ROLLBACK").await?;
        return Ok(None);
    };
    let mut begun = None;
    let mut number = newest.0;
    if is_over(newest) {
        number += 1;
        let mut sql = String::new();
        for (table, _) in CUT {
            sql.push_str(&format!(
                "CREATE TABLE {table}_{number} (LIKE {table}_{last} INCLUDING ALL); \
                 ALTER TABLE {table} ATTACH PARTITION {table}_{number} FOR VALUES FROM ({from}) TO ({to});",
                last = newest.0,
                from = number * STEP,
                to = (number + 1) * STEP
            ));
        }
        patiently(link, &format!("{sql} ALTER TABLE records_{number} SET ({SETTINGS})")).await?;
        link.execute("INSERT INTO months (number, begun_at) VALUES ($1, $2)", &[&number, &newest.2]).await?;
        begun = Some(number);
    }
    link.commit().await?;
    // Only now, so that no number is given out which has no place; one node at a time, so that none is given out twice.
    begin_change(link).await?;
    let first = number * STEP;
    let set = "SELECT setval('record_blocks', $1, false) FROM record_blocks WHERE last_value < $1";
    link.query(set, &[&first]).await?;
    link.commit().await?;
    Ok(begun)
}

/// Writes the month's records anew without what goes, and puts them in its place.
async fn redact(link: &Link, span: &Span) -> Result<Gone, Fault> {
    let (number, from, to) = (span.number, span.from(), span.to);
    let stays = STAYS.map(|name| format!("'{name}'")).join(", ");
    let sql = format!(
        "LOCK TABLE records_{number} IN SHARE MODE; \
         CREATE TABLE redacted (LIKE records_{number} INCLUDING ALL); \
         ALTER TABLE redacted SET ({SETTINGS}), ADD CONSTRAINT in_month CHECK ({check}); \
         INSERT INTO redacted ({COLUMNS}) {REDACTED}{stays})), '{{}}') FROM records_{number} WHERE conflict_with IS NULL",
        check = if span.is_first { format!("id < {to}") } else { format!("id >= {from} AND id < {to}") },
    );
    patiently(link, &sql).await?;
    let sql = format!(
        "ALTER TABLE records DETACH PARTITION records_{number}; DROP TABLE records_{number}; \
         ALTER TABLE redacted RENAME TO records_{number}; \
         ALTER TABLE records ATTACH PARTITION records_{number} FOR VALUES FROM ({from}) TO ({to}); \
         ALTER TABLE records_{number} DROP CONSTRAINT in_month; TRUNCATE images_{number}; \
         UPDATE months SET stripped_at = (extract(epoch FROM now()) * 1000)::bigint WHERE number = {number}",
    );
    patiently(link, &sql).await?;
    Ok(Gone::new())
}

/// Later ones that were ignored for one of these go, too, with the names of their pictures.
async fn drop_month(link: &Link, span: &Span) -> Result<Gone, Fault> {
    let number = span.number;
    let ignored =
        "DELETE FROM records WHERE conflict_with >= $1 AND conflict_with < $2 AND id >= $2 RETURNING park_id, id";
    let (mut parks, mut gone) = (Vec::new(), Gone::new());
    for row in link.query(ignored, &[&span.low, &span.to]).await? {
        parks.push(row.try_get::<_, i64>(0)?);
        gone.push(row.try_get(1)?);
    }
    let pictures = "DELETE FROM images i USING UNNEST($1::bigint[], $2::bigint[]) AS gone (park_id, id) \
        WHERE i.park_id = gone.park_id AND i.record_id = gone.id";
    link.execute(pictures, &[&parks, &gone]).await?;
    let mut sql = String::new();
    for (table, _) in CUT {
        sql.push_str(&format!("ALTER TABLE {table} DETACH PARTITION {table}_{number}; DROP TABLE {table}_{number};"));
    }
    patiently(link, &format!("{sql} DELETE FROM months WHERE number = {number}")).await?;
    Ok(gone)
}

async fn number(link: &Link, sql: &str) -> Result<i64, Fault> {
    let row = link.query_opt(sql, &[]).await?;
    Ok(row.map_or(Ok(0), |row| row.try_get(0))?)
}
