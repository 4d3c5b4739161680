//! Epochs: which one a record belongs to, what a restart of serials looks like, and what moving records does.

use std::collections::HashMap;

use parkgate_ledger::epoch::{
    AboutStay, CONFLICTS_LOOKED_AT, ConflictPair, Epoch, EpochMove, FIRST_EPOCH_KEY, Misplaced, RelatedRecord,
    counted_key, detect_restart, key_before, merged_space, move_records, next_key, records_key, records_key_about,
};
use parkgate_ledger::{ParkId, RecordId, Snapshot, Space, SpaceEvent};
use parkgate_wire::{Digest, UnixMillis};
use proptest::prelude::*;

const DAY: i64 = 24 * 60 * 60 * 1000;

fn epoch(key: i64, entered_from: i64) -> Epoch {
    Epoch { records: ParkId(key), entered_from: UnixMillis(entered_from) }
}

#[test]
fn a_record_is_of_the_newest_epoch_that_began_before_its_vehicle_entered() {
    let epochs = [epoch(102, 5000), epoch(101, 3000)];
    let of = |enter_time| records_key(ParkId(7), &epochs, UnixMillis(enter_time)).0;
    assert_eq!([of(0), of(2999), of(3000), of(4999), of(5000), of(i64::MAX)], [7, 7, 101, 101, 102, 102]);
    assert_eq!(counted_key(ParkId(7), &epochs), ParkId(102));
    assert_eq!(counted_key(ParkId(7), &[]), ParkId(7));
    assert_eq!(key_before(ParkId(7), &epochs, ParkId(102)), ParkId(101));
    assert_eq!(key_before(ParkId(7), &epochs, ParkId(101)), ParkId(7));
    assert_eq!(next_key(None), FIRST_EPOCH_KEY);
    assert_eq!(next_key(Some(ParkId(FIRST_EPOCH_KEY.0 + 4))), ParkId(FIRST_EPOCH_KEY.0 + 5));
}

/// Where a release or an update goes that happened at `event_time`, in a park with epochs from 100 s and from 200.4 s on.
fn about(enter_time: i64, event_time: i64, related: &[(i64, RelatedRecord)]) -> i64 {
    let epochs = [epoch(102, 200_400), epoch(101, 100_000)];
    let related: Vec<_> = related.iter().map(|(key, record)| (ParkId(*key), *record)).collect();
    let about =
        AboutStay { enter_time: UnixMillis(enter_time), event_time: UnixMillis(event_time), digest: Digest([1; 16]) };
    records_key_about(ParkId(7), &epochs, about, &related).0
}

#[test]
fn a_release_and_an_update_go_with_their_stay() {
    let half = |entered| RelatedRecord::Half(UnixMillis(entered));
    let other_key = RelatedRecord::OwnKey(Digest([2; 16]));
    // Nothing is known: by its time.
    assert_eq!([about(99_999, 99_999, &[]), about(100_000, 100_000, &[]), about(300_000, 300_000, &[])], [7, 101, 102]);
    // It gives no enter time: the newest stay that had begun.
    let stays = [(7, half(50_000)), (101, half(120_500)), (102, half(250_000))];
    let of = |event_time| about(event_time, event_time, &stays);
    assert_eq!([of(60_000), of(110_000), of(120_000), of(240_000), of(250_000)], [7, 7, 101, 101, 102]);
    assert_eq!(about(300_000, 300_000, &stays[..1]), 7);
    // It gives one: the stay that began then, or one of that epoch, else the newest.
    assert_eq!([about(50_000, 300_000, &stays), about(120_000, 300_000, &stays)], [7, 101]);
    assert_eq!([about(60_000, 300_000, &stays), about(130_000, 300_000, &stays)], [7, 101]);
    assert_eq!(about(60_000, 300_000, &stays[1..]), 102);
    // As the vehicle with which the epoch begins, but in whole seconds.
    assert_eq!(about(200_000, 300_000, &[(7, half(50_000)), (102, half(200_400))]), 102);
    // Another push has its key there: by its time.
    assert_eq!(about(300_000, 300_000, &[stays[0], (7, other_key)]), 102);
    assert_eq!(about(300_000, 300_000, &[stays[0], stays[2], (102, other_key)]), 102);
    assert_eq!(about(300_000, 300_000, &[stays[0], (101, other_key)]), 7);
}

#[test]
fn a_repeat_of_a_release_and_an_update_goes_where_the_first_stands() {
    let same = RelatedRecord::OwnKey(Digest([1; 16]));
    assert_eq!(about(300_000, 300_000, &[(7, same)]), 7);
    let half = RelatedRecord::Half(UnixMillis(250_000));
    assert_eq!(about(300_000, 300_000, &[(102, half), (7, same)]), 7);
    assert_eq!(about(50_000, 50_000, &[(7, RelatedRecord::OwnKey(Digest([2; 16]))), (101, same)]), 101);
}

fn conflicts(reused: usize, corrections: usize) -> Vec<ConflictPair> {
    let pair = |index: usize, plate: &str, later: i64| ConflictPair {
        ignored_entered: UnixMillis(1000 + later + index as i64),
        ignored_plate: Some(plate.to_owned()),
        standing_entered: UnixMillis(1000),
        standing_plate: Some("粤B11111".to_owned()),
    };
    let reused = (0..reused).map(|index| pair(index, "粤B22222", 2 * DAY));
    reused.chain((0..corrections).map(|index| pair(index, "粤B11111", 2 * DAY))).collect()
}

#[test]
fn a_run_of_other_vehicles_far_later_is_a_restart_and_corrections_are_none() {
    assert_eq!(detect_restart(&conflicts(4, 0)), None);
    let found = detect_restart(&conflicts(5, 5)).unwrap();
    assert_eq!((found.conflicts, found.entered_from), (5, UnixMillis(1000 + 2 * DAY)));
    assert_eq!(detect_restart(&conflicts(5, 6)), None);
    assert_eq!(detect_restart(&conflicts(0, 50)), None);
    let mut soon = conflicts(9, 0);
    soon.iter_mut().for_each(|pair| pair.ignored_entered = UnixMillis(1000 + DAY));
    assert_eq!(detect_restart(&soon), None);
    soon.iter_mut().for_each(|pair| pair.ignored_entered = UnixMillis(1001 + DAY));
    // From the second on in which the first of them entered.
    let found = detect_restart(&soon).unwrap();
    assert_eq!((found.conflicts, found.entered_from), (9, UnixMillis(1000 + DAY)));
    // Only the newest are looked at.
    let mut old = conflicts(0, CONFLICTS_LOOKED_AT);
    old.extend(conflicts(50, 0));
    assert_eq!(detect_restart(&old), None);
}

fn space(snapshot: Option<(i64, u32)>, latest: Option<i64>) -> Space {
    let snapshot = snapshot.map(|(as_of, remain)| Snapshot { as_of: UnixMillis(as_of), total: 100, remain });
    Space { snapshot, later: 0, latest_counted: latest.map(UnixMillis) }
}

proptest! {
    /// The merged count is the count of a single epoch that saw the snapshots and events of both.
    #[test]
    fn a_merged_count_is_the_newest_snapshot_and_all_that_came_after_it(
        before in proptest::option::of((0..40_i64, 0..100_u32)), epoch in proptest::option::of((40..80_i64, 0..100_u32)),
        events in proptest::collection::vec((0..100_i64, any::<bool>()), 0..30)
    ) {
        let counted: Vec<SpaceEvent> = events
            .iter()
            .map(|(at, leaves)| SpaceEvent { as_of: UnixMillis(*at), delta: if *leaves { 1 } else { -1 } })
            .collect();
        let merged = merged_space(space(before, None), space(epoch, None), &counted);
        let newest = epoch.or(before);
        let from = newest.map_or(-1, |(as_of, _)| as_of);
        let later: i64 = events.iter().filter(|(at, _)| *at > from).map(|(_, leaves)| if *leaves { 1 } else { -1 }).sum();
        prop_assert_eq!(merged.later, later);
        prop_assert_eq!(merged.snapshot.map(|snapshot| snapshot.remain), newest.map(|(_, remain)| remain));
        prop_assert_eq!(merged.latest_counted, events.iter().map(|(at, _)| UnixMillis(*at)).max());
    }

    /// After a move every serial of the new epoch has one standing record, the first that arrived; every other content
    /// is a conflict of it, and nothing is there twice.
    #[test]
    fn moved_records_stand_once_under_each_serial(
        rows in proptest::collection::vec((0..4_u8, 0..3_u8), 0..24), there in proptest::collection::hash_map(0..4_u8, 0..3_u8, 0..4)
    ) {
        let digest = |content: u8| Digest([content; 16]);
        let standing_there = |serial: u8| there.get(&serial).map(|content| (RecordId(1000 + i64::from(serial)), digest(*content)));
        // The earlier epoch as the ledger would have made it: the first of a serial stands, other contents conflict.
        let mut standing: HashMap<u8, (i64, u8)> = HashMap::new();
        let mut seen: Vec<(u8, u8)> = Vec::new();
        let mut misplaced = Vec::new();
        let mut contents = Vec::new();
        for (id, (serial, content)) in rows.iter().enumerate() {
            if seen.contains(&(*serial, *content)) {
                continue;
            }
            seen.push((*serial, *content));
            let first = standing.get(serial).copied();
            let record = id as i64;
            if first.is_none() {
                standing.insert(*serial, (record, *content));
            }
            misplaced.push(Misplaced {
                record: RecordId(record),
                digest: digest(*content),
                conflict_with: first.map(|(id, _)| RecordId(id)),
                taken_by: standing_there(*serial),
            });
            contents.push((*serial, *content));
        }
        let moves = move_records(&misplaced);
        prop_assert_eq!(moves.len(), misplaced.len());
        for serial in 0..4_u8 {
            let of_serial: Vec<(RecordId, u8, EpochMove)> = contents
                .iter()
                .zip(&misplaced)
                .zip(&moves)
                .filter(|(((other, _), _), _)| *other == serial)
                .map(|(((_, content), one), moved)| (one.record, *content, *moved))
                .collect();
            let stands: Vec<RecordId> = of_serial.iter().filter(|row| row.2 == EpochMove::Stands).map(|row| row.0).collect();
            match standing_there(serial) {
                Some((other, _)) => {
                    prop_assert!(stands.is_empty());
                    for (_, content, moved) in of_serial {
                        let same = there.get(&serial) == Some(&content);
                        prop_assert_eq!(moved, if same { EpochMove::Repeated } else { EpochMove::Conflict(other) });
                    }
                }
                None => {
                    prop_assert!(stands.len() <= 1);
                    for (record, _, moved) in of_serial {
                        let first = stands[0];
                        prop_assert_eq!(moved, if record == first { EpochMove::Stands } else { EpochMove::Conflict(first) });
                    }
                }
            }
        }
    }
}
