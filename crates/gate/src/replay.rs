//! Admits what is in the quarantine anew, oldest first, by today's parks and secrets.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use parkgate_ledger::Verdict;
use parkgate_store::{Entry, QuarantineFilter, Quarantined, Store, StoreError, StoredImage};
use parkgate_text::texts;
use parkgate_wire::UnixMillis;
use parkgate_wire::field::parameter_of_part;
use parkgate_wire::form::FormLimits;
use parkgate_wire::refusal::Reason;

use crate::admit::{EntryContext, admit, key_taken};
use crate::quarantine::restored;
use crate::registry::Registry;

/// Admitted and committed together.
const PAGE: usize = 256;

/// What became of one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replayed {
    /// Recorded now; it left the quarantine.
    Recorded,
    /// It had been recorded before; it left the quarantine.
    Repeated,
    /// Its key is taken by another push: kept as a conflict of that one; it left the quarantine.
    Conflict,
    /// Still not taken, and why; it stays.
    Stays {
        /// In a word.
        reason: String,
        /// As the reply would say it.
        hint: String,
    },
}

/// Replays what `filter` selects, and calls `report` with what became of each. One that the store cannot record stays, and takes
/// no other with it.
///
/// # Errors
/// The store failed; what was reported is done, and the rest is as it was.
pub fn replay(
    store: &Store,
    filter: &QuarantineFilter,
    limits: FormLimits,
    mut report: impl FnMut(&Quarantined, &Replayed),
) -> Result<(), StoreError> {
    let registry = Registry::load(store)?;
    let content_key = store.content_key();
    let (mut after, mut left) = (filter.after, filter.limit);
    while left > 0 {
        let page = store.quarantine(&QuarantineFilter { after, limit: PAGE.min(left), ..filter.clone() })?;
        let Some(last) = page.last() else { break };
        after = last.id;
        left -= page.len();
        let mut staying = Vec::with_capacity(page.len());
        let mut entries: Vec<Entry> = Vec::new();
        for quarantined in &page {
            staying.push(match anew(&registry, quarantined, limits, &content_key) {
                Ok(entry) => {
                    entries.push(entry);
                    None
                }
                Err(stays) => Some(stays),
            });
        }
        // Recorded first: what is then still in the quarantine is found a repeat the next time.
        let mut verdicts = store.record_apart(&entries)?.into_iter();
        let outcomes: Vec<Replayed> = staying
            .into_iter()
            .zip(&page)
            .map(|(stays, entry)| stays.unwrap_or_else(|| outcome(verdicts.next(), entry)))
            .collect();
        let done = page.iter().zip(&outcomes).filter(|(_, outcome)| !matches!(outcome, Replayed::Stays { .. }));
        store.release(&done.map(|(quarantined, _)| quarantined.id).collect::<Vec<_>>())?;
        page.iter().zip(&outcomes).for_each(|(quarantined, outcome)| report(quarantined, outcome));
    }
    Ok(())
}

fn anew(
    registry: &Registry,
    quarantined: &Quarantined,
    limits: FormLimits,
    content_key: &[u8; 32],
) -> Result<Entry, Replayed> {
    let form =
        restored(quarantined, limits).map_err(|hint| Replayed::Stays { reason: quarantined.reason.clone(), hint })?;
    let address = quarantined.address.parse().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let (kind, at) = (quarantined.kind, UnixMillis(quarantined.received_at));
    let admitted =
        admit(registry, form, kind, address, at, limits.payments_max).map_err(|rejected| Replayed::Stays {
            reason: rejected.rejection.reason().to_owned(),
            hint: rejected.rejection.hint(kind.call().replies),
        })?;
    let pictures = quarantined.pictures.iter().map(|picture| {
        let name = parameter_of_part(&picture.name).to_owned();
        (name, Arc::new(StoredImage::kept(picture)))
    });
    let context =
        EntryContext { seqno: quarantined.seqno, received_at: at, inline: None, pictures: pictures.collect() };
    Ok(admitted.into_entry(context, content_key).0)
}

fn outcome(verdict: Option<Result<Verdict, StoreError>>, quarantined: &Quarantined) -> Replayed {
    match verdict {
        Some(Ok(Verdict::Recorded { .. })) => Replayed::Recorded,
        Some(Ok(Verdict::Repeated { .. })) => Replayed::Repeated,
        Some(Ok(Verdict::Conflict { .. })) => Replayed::Conflict,
        Some(Ok(Verdict::Overflowing)) | None => {
            let hint = key_taken(quarantined.kind, quarantined.key());
            Replayed::Stays { reason: Reason::Conflict.name().to_owned(), hint }
        }
        Some(Err(error)) => {
            tracing::error!(seqno = %quarantined.seqno, quarantined = quarantined.id, %error, "not recorded: it stays in the quarantine");
            Replayed::Stays {
                reason: quarantined.reason.clone(),
                hint: (texts().answers.not_recorded)(&error.to_string()),
            }
        }
    }
}
