//! The question before the barrier opens (入场前查询), answered from memory: the park's lists by plate stand in the registry,
//! its free spaces in [`FreeSpaces`](crate::FreeSpaces). Nothing of it is recorded.

use std::time::Duration;

use parkgate_ledger::entry_policy::{EntryDecision, EntryFacts};

use crate::admit::Asked;
use crate::free_spaces::FreeSpaces;

/// What is answered, within `deadline`.
pub async fn entry_decision(asked: &Asked, spaces: &FreeSpaces, deadline: Duration) -> EntryDecision {
    let park = &asked.park;
    let listed = park.plates.list_of(asked.params.get("plate").unwrap_or_default());
    let facts = EntryFacts { listed, refuse_when_full: park.park.refuse_when_full, remain: None };
    if !facts.depends_on_spaces() {
        return facts.decide();
    }
    let space = spaces.of(park.park.counted(), deadline).await;
    let remain = space.and_then(|space| space.shown(park.park.total_parking_space).remain);
    EntryFacts { remain, ..facts }.decide()
}
