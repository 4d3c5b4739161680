//! A car park's database was reset and its serials start anew: a new epoch begins, and pushes that were ignored for serials
//! of the old one are recorded in it.

use std::sync::Arc;

use parkgate_ledger::Verdict;
use parkgate_store::{ConflictFilter, Conflicting, Entry, Park, Store, StoreError, StoredImage};
use parkgate_wire::field::PERSONAL;
use parkgate_wire::signature::accept_unsigned;
use parkgate_wire::{Form, Push, UnixMillis, Variant, Verified};
use serde_json::{Map, Value};

use crate::admit::{Admitted, EntryContext};
use crate::registry::KnownPark;

/// Ignored pushes that are recorded in one transaction.
const AT_ONCE: usize = 200;

/// A new epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochBegun {
    /// For vehicles that entered since.
    pub entered_from: UnixMillis,
    /// Ignored pushes that were recorded now.
    pub taken: usize,
    /// Those that conflict in the new epoch, too.
    pub still_in_conflict: usize,
}

/// Begins a new epoch at `entered_from`, or at the time that the conflicts suggest; `None` if they suggest none.
///
/// # Errors
/// The store failed, or there is no such park. Calling again goes on.
pub fn begin_epoch(
    store: &Store,
    park_uuid: &str,
    entered_from: Option<UnixMillis>,
) -> Result<Option<EpochBegun>, StoreError> {
    let found = store.serial_reuse(park_uuid)?.map(|reuse| reuse.entered_from);
    let Some(entered_from) = entered_from.or(found) else { return Ok(None) };
    let known = |store: &Store| -> Result<Park, StoreError> {
        let parks = store.parks()?;
        let park = parks.into_iter().find(|park| park.park_uuid == park_uuid);
        park.ok_or_else(|| StoreError::Broken(format!("there is no park {park_uuid}")))
    };
    let park = known(store)?;
    let own = park.id;
    // One that was interrupted goes on.
    let begun = park.epochs.iter().find(|epoch| epoch.entered_from == entered_from);
    let epoch = begun.map_or_else(|| store.begin_epoch(own, entered_from), |epoch| Ok(*epoch))?;
    // From here on pushes are recorded in the new epoch, whatever a gate has in memory: the store decides.
    store.settle_epoch(own, &epoch)?;
    let park = known(store)?;
    store.recount(&park)?;
    let park = Arc::new(KnownPark::of(park));
    let filter = ConflictFilter { park_uuid: Some(park_uuid.to_owned()), limit: usize::MAX };
    // Oldest first, as they came.
    let conflicts: Vec<Conflicting> = store.conflicts(&filter)?.into_iter().rev().collect();
    let mut begun = EpochBegun { entered_from, taken: 0, still_in_conflict: 0 };
    for some in conflicts.chunks(AT_ONCE) {
        let entry_of = |conflict| Some((conflict, entry(&park, conflict, entered_from, &store.content_key())?));
        let (moved, entries): (Vec<&Conflicting>, Vec<Entry>) = some.iter().filter_map(entry_of).unzip();
        let mut done = Vec::with_capacity(moved.len());
        for (conflict, verdict) in moved.iter().zip(store.record_apart(&entries)?) {
            match &verdict {
                Ok(Verdict::Recorded { .. } | Verdict::Repeated { .. }) => begun.taken += 1,
                Ok(Verdict::Conflict { .. } | Verdict::Overflowing) => begun.still_in_conflict += 1,
                Err(error) => {
                    let seqno = conflict.ignored.seqno;
                    tracing::error!(%seqno, conflict = conflict.id, %error, "not recorded: it stays a conflict");
                    begun.still_in_conflict += 1;
                }
            }
            // What is kept nowhere else stays where it is.
            if verdict.is_ok_and(|verdict| verdict != Verdict::Overflowing) {
                done.push(conflict.id);
            }
        }
        store.forget_conflicts(&done)?;
    }
    Ok(Some(begun))
}

/// An ignored push as it would come now, if it is of the new epoch.
fn entry(
    park: &Arc<KnownPark>,
    conflict: &Conflicting,
    entered_from: UnixMillis,
    content_key: &[u8; 32],
) -> Option<Entry> {
    let record = &conflict.ignored;
    // Of one that was redacted not enough is left.
    if record.is_redacted {
        return None;
    }
    let params = record.params.iter().flat_map(|(name, value)| match value {
        Value::Array(values) => values.iter().filter_map(Value::as_str).map(|value| (name.as_str(), value)).collect(),
        value => vec![(name.as_str(), value.as_str().unwrap_or_default())],
    });
    // As it is meant: an `encoding` that was undone is not to be undone again, nor are files looked for.
    let params = params.filter(|(name, _)| *name != "encoding" && !name.ends_with("_hash"));
    let form = Form::restored(params.map(|(name, value)| (name, value, None)), Vec::new());
    let Verified::Matched(verified) = accept_unsigned(form, record.kind.call()) else { return None };
    let push = Push::read(verified, record.kind, usize::MAX).ok()?;
    let entered = push.entered_by(UnixMillis(record.received_at));
    if entered < entered_from {
        return None;
    }
    // It went over with the record that has its serial: it would be found its own repeat, and then be forgotten.
    if park.park.records_of(entered) == conflict.epoch {
        return None;
    }
    let pictures = record.pictures.iter().map(|picture| (picture.name.clone(), Arc::new(StoredImage::kept(picture))));
    let context = EntryContext {
        seqno: record.seqno,
        received_at: UnixMillis(record.received_at),
        inline: None,
        pictures: pictures.collect(),
    };
    let admitted =
        Admitted { park: Arc::clone(park), push, variant: Variant::UNSIGNED, by_old_secret: false, original: None };
    let (personal, open): (Vec<_>, Vec<_>) =
        record.params.iter().partition(|(name, _)| PERSONAL.contains(&name.as_str()));
    let json = |params: Vec<(&String, &Value)>| {
        let object: Map<String, Value> =
            params.into_iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        Value::Object(object).to_string()
    };
    let (mut entry, _) = admitted.into_entry(context, content_key);
    // Everything as it was sent: the same push again must be known as such.
    entry.personal = if personal.is_empty() { None } else { Some(json(personal)) };
    entry.params = json(open);
    entry.original = conflict.original.as_ref().and_then(|values| serde_json::to_string(values).ok());
    entry.variant = record.variant;
    entry.arrival.digest = conflict.digest;
    Some(entry)
}
