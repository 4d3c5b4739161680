//! The time that the store confirms, and what a clock that was set back left behind.

use parkgate_ledger::clock::{Evidence, confirmed, confirms};
use parkgate_wire::UnixMillis;

use crate::StoreError;
use crate::backend::{Access, Backend};

/// Of `moving`, which holds what the store knows of itself.
const CLOCK: &str = "clock";
/// Written anew when it is so much further, or less far: each is a write of its own.
const WRITTEN_EVERY_MS: u64 = 30_000;
/// Of these newest records one must confirm the time: some come late, and some clocks are wrong.
const NEWEST: i64 = 100;

/// The confirmed time, noted for the next start. It is no less true where it cannot be noted.
pub(crate) fn confirm(backend: &dyn Backend, ran: Option<i64>, now: i64) -> Result<i64, StoreError> {
    let evidence = backend.transaction(Access::Read, |transaction| {
        let row = transaction.query_opt("SELECT told FROM moving WHERE what = $1", &[CLOCK.into()])?;
        let stored = row.map(|row| row.text(0)).transpose()?.and_then(|text| text.parse().ok()).map(UnixMillis);
        let newest = "SELECT received_at, event_time FROM records ORDER BY id DESC LIMIT $1";
        let mut pushed = None;
        for row in transaction.query(newest, &[NEWEST.into()])? {
            pushed = pushed.max(confirms(UnixMillis(row.int(0)?), UnixMillis(row.int(1)?)));
        }
        Ok(Evidence { stored, ran: ran.map(UnixMillis), pushed })
    })?;
    let time = confirmed(evidence, UnixMillis(now));
    if evidence.stored.is_none_or(|stored| stored.0.abs_diff(time.0) >= WRITTEN_EVERY_MS)
        && let Err(error) = note(backend, time)
    {
        tracing::debug!(%error, "the time was not noted");
    }
    Ok(time.0)
}

fn note(backend: &dyn Backend, time: UnixMillis) -> Result<(), StoreError> {
    let put = "INSERT INTO moving (what, told) VALUES ($1, $2) ON CONFLICT (what) DO UPDATE SET told = excluded.told";
    backend.transaction(Access::Write, |transaction| {
        transaction.execute(put, &[CLOCK.into(), time.0.to_string().as_str().into()]).map(drop)
    })
}

/// Deliveries that are due later than that become due then, and their time begins no later than now. How many.
pub(crate) fn clamp_due(backend: &dyn Backend, latest: i64, now: i64) -> Result<u64, StoreError> {
    let all = backend.transaction(Access::Read, |transaction| transaction.query("SELECT id FROM subscribers", &[]))?;
    let mut clamped = 0;
    for row in all {
        let (subscriber, latest) = (row.int(0)?, latest);
        let any = "SELECT 1 FROM deliveries WHERE subscriber_id = $1 AND NOT dead AND next_at > $2 LIMIT 1";
        let values = [subscriber.into(), latest.into()];
        if backend.transaction(Access::ReadKeys, |transaction| transaction.query_opt(any, &values))?.is_none() {
            continue;
        }
        let put = "UPDATE deliveries SET next_at = $2, since = CASE WHEN since > $3 THEN $3 ELSE since END \
            WHERE subscriber_id = $1 AND NOT dead AND next_at > $2";
        let values = [subscriber.into(), latest.into(), now.into()];
        clamped += backend.transaction(Access::Write, |transaction| transaction.execute(put, &values))?;
    }
    Ok(clamped)
}
