//! Every picture that something names, read and compared with its address; and those that nothing names.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use parkgate_ledger::ParkId;

use super::{CheckPart, CheckReport, CheckRequest, Flaw, FlawKind, ReportCheck};
use crate::backend::{Access, Value};
use crate::backup::names::{NamedPictures, TABLES};
use crate::images::{ImageError, PictureFault};
use crate::registry::Park;
use crate::workers::at_once;
use crate::{ImageKey, StoreError};

/// Read at once: a gate beside needs the disk, too.
const THREADS: usize = 2;
const THREADS_OF_BUCKET: usize = 8;
/// Handed to a thread at once.
const GIVEN: usize = 32;
/// Asked of the store at once.
const ASKED: usize = 1000;
/// As a gate's own sweep has it: a push whose pictures are older is recorded or never will be.
const STRAY_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) fn check(
    request: &CheckRequest<'_>,
    parks: &[Park],
    found: &mut CheckReport,
    report: ReportCheck<'_>,
) -> Result<(), StoreError> {
    let faults = read_all(request, parks, found, &mut |done, all| report(CheckPart::Pictures, done, all))?;
    confirm(request, faults, found)?;
    if request.park.is_some() {
        return Ok(());
    }
    report(CheckPart::Strays, 0, 0);
    strays(request, found)
}

type FoundFaults = Vec<(ImageKey, PictureFault)>;

fn read_all(
    request: &CheckRequest<'_>,
    parks: &[Park],
    found: &mut CheckReport,
    report: &mut dyn FnMut(u64, u64),
) -> Result<FoundFaults, StoreError> {
    let backend = request.store.backend();
    let all = backend.transaction(Access::ReadLong, |transaction| {
        let count = |table| format!("SELECT count(*) FROM {table}");
        TABLES.iter().try_fold(0, |all, table| {
            Ok(all + transaction.query_opt(&count(table), &[])?.map_or(Ok(0), |row| row.count(0))?)
        })
    })?;
    let keys: Vec<i64> =
        request.park.map_or(Vec::new(), |_| parks.iter().flat_map(Park::record_keys).map(|ParkId(key)| key).collect());
    let mut named = NamedPictures::new(|table: &str, after: &[u8], limit| page(request, &keys, table, after, limit));
    let (count, bytes, faults) = (AtomicU64::new(0), AtomicU64::new(0), Mutex::new(FoundFaults::new()));
    let mut seen = 0;
    let next = || {
        let mut given = Vec::with_capacity(GIVEN);
        while given.len() < GIVEN
            && let Some(picture) = named.next()?
        {
            given.push(picture);
        }
        seen += given.len() as u64;
        report(seen, all);
        Ok::<_, StoreError>(Some(given).filter(|given| !given.is_empty()))
    };
    let threads = if request.images.folder().is_some() { THREADS } else { THREADS_OF_BUCKET };
    at_once(threads, next, |given: Vec<(ImageKey, u64)>| {
        let mut buffer = Vec::new();
        for (key, size) in given {
            request.throttle.take(size);
            let read = request.images.read_now(request.handle, &key, &mut buffer);
            if let Some(fault) = read.map_err(|error| away(&error))? {
                faults.lock().unwrap_or_else(PoisonError::into_inner).push((key, fault));
            }
            count.fetch_add(1, Ordering::Relaxed);
            bytes.fetch_add(buffer.len() as u64, Ordering::Relaxed);
        }
        Ok(())
    })?;
    (found.pictures, found.picture_bytes) = (count.into_inner(), bytes.into_inner());
    Ok(faults.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// The pictures of all, or of the records and pushes of these keys.
fn page(
    request: &CheckRequest<'_>,
    keys: &[i64],
    table: &str,
    after: &[u8],
    limit: usize,
) -> Result<Vec<(ImageKey, u64)>, StoreError> {
    let of_park = match (table, keys.is_empty()) {
        (_, true) => "",
        ("images", false) => {
            "{sqlite AND (SELECT r.park_id FROM records r WHERE r.id = i.record_id) {in $3}}\
            {postgres AND i.park_id {in $3}}"
        }
        (_, false) => {
            "{sqlite AND (SELECT q.park_id FROM quarantine q WHERE q.id = i.quarantine_id) {in $3}}\
            {postgres AND i.park_id {in $3}}"
        }
    };
    let sql = format!(
        "SELECT i.sha256, max(i.size) FROM {table} i WHERE i.sha256 > $1 {of_park} GROUP BY i.sha256 ORDER BY i.sha256 LIMIT $2"
    );
    let mut values = vec![after.into(), Value::limit(limit)];
    if !keys.is_empty() {
        values.push(keys.iter().copied().collect());
    }
    let rows = request.store.backend().transaction(Access::ReadLong, |transaction| transaction.query(&sql, &values))?;
    rows.iter().map(|row| Ok((ImageKey(row.bytes(0)?), row.count(1)?))).collect()
}

/// What is let go meanwhile is not missing.
fn confirm(request: &CheckRequest<'_>, faults: FoundFaults, found: &mut CheckReport) -> Result<(), StoreError> {
    for asked in faults.chunks(ASKED) {
        let keys: Vec<ImageKey> = asked.iter().map(|(key, _)| *key).collect();
        let kept = request.store.names_images(&keys)?;
        for (key, fault) in asked.iter().filter(|(key, _)| kept.contains(key)) {
            match fault {
                PictureFault::Missing => found.add(FlawKind::MissingPicture, key.to_string(), ""),
                PictureFault::Damaged => found.add(FlawKind::DamagedPicture, key.to_string(), ""),
                PictureFault::Unreadable(why) => found.add(FlawKind::DamagedPicture, key.to_string(), why.clone()),
            }
        }
    }
    Ok(())
}

fn strays(request: &CheckRequest<'_>, found: &mut CheckReport) -> Result<(), StoreError> {
    let before = SystemTime::now().checked_sub(STRAY_AFTER).unwrap_or(SystemTime::UNIX_EPOCH);
    let id = request.store.id()?;
    let asked = request.store.clone();
    let keeps = move |keys: &[ImageKey]| asked.keeps_images(keys);
    let strays = match request.handle.block_on(request.images.strays(&id, before, keeps.clone())) {
        Ok(Some(strays)) => strays,
        Ok(None) => {
            found.strays_unknown = true;
            return Ok(());
        }
        Err(error) => return Err(away(&error)),
    };
    let is_swept = request.is_mending() && !strays.is_empty();
    if is_swept {
        request.handle.block_on(request.images.sweep(before, keeps)).map_err(|error| away(&error))?;
    }
    for key in strays {
        let (about, detail) = (key.to_string(), String::new());
        found.add_flaw(Flaw { kind: FlawKind::StrayPicture, about, detail, mended: is_swept });
    }
    Ok(())
}

fn away(error: &ImageError) -> StoreError {
    StoreError::Away(format!("pictures: {error}"))
}
