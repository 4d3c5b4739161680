//! Who gets a record: a table that names each reason, and a property over random subscriptions.

use std::collections::HashSet;

use parkgate_ledger::ParkId;
use parkgate_ledger::fanout::{Inline, Published, SubscriberId, Subscription, fan_out, wants};
use parkgate_wire::{KindSet, PushKind, UnixMillis};
use proptest::prelude::*;

const RECORD: Published = Published {
    park: ParkId(1),
    kind: PushKind::Enter,
    is_conflict: false,
    received_at: UnixMillis(1000),
    inline: None,
};

fn everything(subscriber: i64) -> Subscription {
    Subscription {
        subscriber: SubscriberId(subscriber),
        parks: None,
        kinds: KindSet::of([PushKind::Enter, PushKind::Leave]),
        conflicts: false,
    }
}

#[test]
fn a_subscriber_gets_what_it_asked_for_and_nothing_else() {
    let all = everything(1);
    let leave = Published { kind: PushKind::Leave, ..RECORD };
    let conflict = Published { is_conflict: true, ..RECORD };
    let parks = |keys: &[i64]| Some(keys.iter().map(|key| ParkId(*key)).collect::<HashSet<_>>());
    for (subscription, record, expected) in [
        (all.clone(), RECORD, true),
        (Subscription { kinds: KindSet::of([PushKind::Leave]), ..all.clone() }, RECORD, false),
        (Subscription { kinds: KindSet::of([PushKind::Leave]), ..all.clone() }, leave, true),
        (Subscription { kinds: KindSet::of([PushKind::Enter]), ..all.clone() }, leave, false),
        (Subscription { parks: parks(&[1, 2]), ..all.clone() }, RECORD, true),
        (Subscription { parks: parks(&[2]), ..all.clone() }, RECORD, false),
        (Subscription { parks: parks(&[]), ..all.clone() }, RECORD, false),
        (all.clone(), conflict, false),
        (Subscription { conflicts: true, ..all.clone() }, conflict, true),
        (Subscription { conflicts: true, kinds: KindSet::of([PushKind::Leave]), ..all }, conflict, false),
    ] {
        assert_eq!(wants(&subscription, &record), expected, "{subscription:?} {record:?}");
    }
}

#[test]
fn only_the_subscriber_that_is_asked_inline_has_the_delivery_to_itself_for_a_time() {
    let inline = Inline { subscriber: SubscriberId(2), until: UnixMillis(9000) };
    let record = Published { inline: Some(inline), ..RECORD };
    let due = |record| -> Vec<(i64, i64, i64)> {
        let subscriptions = [everything(1), everything(2)].map(|one| Subscription { conflicts: true, ..one });
        fan_out(&subscriptions, record).map(|one| (one.subscriber.0, one.next_at.0, one.since.0)).collect()
    };
    assert_eq!(due(record), [(1, 1000, 1000), (2, 9000, 1000)]);
    // An ignored push is answered without asking the compared subscriber: its delivery is due at once.
    assert_eq!(due(Published { is_conflict: true, ..record }), [(1, 1000, 1000), (2, 1000, 1000)]);
}

fn subscription() -> impl Strategy<Value = Subscription> {
    let parks = proptest::option::of(proptest::collection::hash_set((0..4_i64).prop_map(ParkId), 0..4));
    let asked = (any::<[bool; 4]>(), any::<bool>());
    (0..9_i64, parks, asked).prop_map(|(subscriber, parks, (kinds, conflicts))| Subscription {
        subscriber: SubscriberId(subscriber),
        parks,
        kinds: KindSet::of(PushKind::ALL.into_iter().zip(kinds).filter(|(_, is)| *is).map(|(kind, _)| kind)),
        conflicts,
    })
}

proptest! {
    /// Every subscription is decided alone: others neither add nor remove a delivery.
    #[test]
    fn each_subscription_is_asked_by_itself(
        subscriptions in proptest::collection::vec(subscription(), 0..8), park in 0..4_i64, kind in 0..4_usize,
        is_conflict in any::<bool>()
    ) {
        let kind = PushKind::ALL[kind];
        let record = Published { park: ParkId(park), kind, is_conflict, ..RECORD };
        let together: Vec<_> = fan_out(&subscriptions, record).collect();
        let alone: Vec<_> = subscriptions.iter().flat_map(|one| fan_out([one], record)).collect();
        prop_assert_eq!(&together, &alone);
        let refused = |one: &&Subscription| {
            one.kinds.iter().all(|wanted| wanted != kind) || (is_conflict && !one.conflicts)
                || matches!(&one.parks, Some(parks) if !parks.contains(&ParkId(park)))
        };
        prop_assert_eq!(together.len() + subscriptions.iter().filter(refused).count(), subscriptions.len());
    }
}
