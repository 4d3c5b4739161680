//! A visit comes to the same whatever the order in which its pushes arrive, and however often: 10⁵ random histories.

use std::collections::BTreeMap;

use parkgate_ledger::visit::{
    CORRECTABLE, CorrectableValues, Correction, RecordFacts, SerialRecords, VisitRecords, correct, join,
};
use parkgate_ledger::{Arrival, ParkId, RecordId, Verdict};
use parkgate_wire::{PushKind, Seqno, SpaceReport, UnixMillis};

use crate::memory_store::MemoryStore;
use crate::model;

const HISTORIES: u64 = 100_000;
/// Times are written with 13 digits.
const BASE: i64 = 1_600_000_000_000;

/// SplitMix64: the same histories in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }

    fn shuffle<T>(&mut self, list: &mut [T]) {
        for last in (1..list.len()).rev() {
            list.swap(last, usize::try_from(self.below(last as u64 + 1)).unwrap());
        }
    }
}

/// What a car park's software writes about one vehicle.
#[derive(Debug, Clone, PartialEq)]
struct Written {
    kind: PushKind,
    /// Of an enter and a leave the time of entering; of the others when it was done.
    time: i64,
    key: Option<String>,
    values: CorrectableValues,
    /// Free spaces, if it reports them.
    remain: Option<u32>,
}

/// One vehicle: its enter, its leave, releases and updates, each or none of them.
fn history(random: &mut Random) -> Vec<Written> {
    let entered = BASE + 1000 + random.below(3) as i64;
    let mut history = Vec::new();
    let values = |plate: u64, enter: Option<i64>, leave: Option<i64>| -> CorrectableValues {
        CORRECTABLE.map(|name| match name {
            "plate" => Some(format!("P{plate}")),
            "enter_time" => enter.map(|time| time.to_string()),
            "leave_time" => leave.map(|time| time.to_string()),
            _ => None,
        })
    };
    let push = |kind, time, key, values| Written { kind, time, key, values, remain: None };
    if random.below(8) > 0 {
        history.push(push(PushKind::Enter, entered, None, values(0, Some(entered), None)));
    }
    if random.below(4) > 0 {
        // Rarely the car park forgot when it entered.
        let entered = if random.below(8) == 0 { entered + 5 } else { entered };
        let left = BASE + 4000 + random.below(5) as i64;
        let leave = push(PushKind::Leave, entered, None, values(random.below(2), Some(entered), Some(left)));
        let remain = (random.below(2) == 0).then(|| random.below(100) as u32);
        history.push(Written { remain, ..leave });
    }
    for number in 0..random.below(4) {
        let at = BASE + 2000 + number as i64;
        let enter = (random.below(2) == 0).then(|| BASE + 900 + random.below(5) as i64);
        let leave = (random.below(3) == 0).then(|| BASE + 4000 + random.below(5) as i64);
        let plate = random.below(3);
        history.push(push(PushKind::Update, at, Some(format!("U{number}")), values(plate, enter, leave)));
    }
    for number in 0..random.below(3) {
        let at = BASE + 3000 + number as i64;
        history.push(push(PushKind::Release, at, Some(format!("1/{at}/S")), values(9, None, None)));
    }
    history
}

fn arrival(written: &Written, seqno: u64) -> Arrival {
    let leave = written.values[5].as_ref().map(|time| time.parse().unwrap());
    Arrival {
        park: ParkId(1),
        kind: written.kind,
        parking_serial: "S".into(),
        own_key: written.key.clone(),
        gives_leave: written.kind == PushKind::Update && leave.is_some(),
        done_at: UnixMillis(written.time),
        enter_time: UnixMillis(written.time),
        event_time: UnixMillis(leave.unwrap_or(written.time)),
        received_at: UnixMillis(BASE + 9000 + seqno as i64),
        digest: model::digest(&format!("{written:?}")),
        seqno: Seqno(seqno),
        payments: Vec::new(),
        space: written.remain.map(|remain| SpaceReport { total: 100, remain }),
    }
}

/// A visit as people see it: which pushes it has, what it says in the end, and what each update changed.
#[derive(Debug, PartialEq)]
struct Seen {
    has_enter: bool,
    has_leave: bool,
    values: BTreeMap<&'static str, String>,
    releases: Vec<i64>,
    updates: Vec<(i64, Vec<Correction>)>,
}

fn named(values: &CorrectableValues) -> BTreeMap<&'static str, String> {
    CORRECTABLE.into_iter().zip(values).filter_map(|(name, value)| Some((name, value.clone()?))).collect()
}

/// What was reported last, and what was counted after it.
type Spaces = Option<(Option<u32>, i64)>;

/// The visits and the free spaces once the pushes arrived in this order.
fn seen(arrived: &[Written], batch: usize) -> (Vec<Seen>, Spaces) {
    let mut store = MemoryStore::default();
    let mut kept: Vec<&Written> = Vec::new();
    for (start, some) in arrived.chunks(batch).enumerate() {
        let arrivals: Vec<Arrival> = (1..).zip(some).map(|(n, one)| arrival(one, (start * batch + n) as u64)).collect();
        for (verdict, written) in store.record(&arrivals).into_iter().zip(some) {
            match verdict {
                Verdict::Recorded { .. } => kept.push(written),
                Verdict::Repeated { .. } => {}
                Verdict::Conflict { .. } | Verdict::Overflowing => panic!("{verdict:?}"),
            }
        }
    }
    let mut records = SerialRecords::default();
    for (index, written) in kept.into_iter().enumerate() {
        match written.kind {
            PushKind::Enter => records.enter = Some((index, written)),
            PushKind::Leave => records.leave = Some((index, written)),
            PushKind::Release => records.releases.push((index, written)),
            PushKind::Update => records.updates.push((index, written)),
        }
    }
    let time = |text: &Option<String>| text.as_ref().map(|text| UnixMillis(text.parse().unwrap()));
    let visits = join(records, |(index, written): &(usize, &Written)| RecordFacts {
        record: RecordId(*index as i64),
        enter_time: time(&written.values[4]),
        done_at: UnixMillis(written.time),
        received_at: UnixMillis(BASE + 9000),
        is_at_entrance: true,
    });
    let spaces = store.spaces.get(&1).map(|space| (space.snapshot.map(|snapshot| snapshot.remain), space.later));
    // A park that nothing counted of has no count.
    let spaces = spaces.or_else(|| (!arrived.is_empty()).then_some((None, 0)));
    (visits.into_iter().map(as_seen).collect(), spaces)
}

fn as_seen(visit: VisitRecords<(usize, &Written)>) -> Seen {
    let records = visit.records;
    let mut values = records.enter.as_ref().map(|(_, enter)| enter.values.clone()).unwrap_or_default();
    for (value, given) in values.iter_mut().zip(records.leave.iter().flat_map(|(_, leave)| leave.values.clone())) {
        *value = given.or(value.take());
    }
    let updates: Vec<CorrectableValues> = records.updates.iter().map(|(_, update)| update.values.clone()).collect();
    let (values, corrections) = correct(values, &updates);
    Seen {
        has_enter: records.enter.is_some(),
        has_leave: records.leave.is_some(),
        values: named(&values),
        releases: records.releases.iter().map(|(_, release)| release.time).collect(),
        updates: records.updates.iter().map(|(_, update)| update.time).zip(corrections).collect(),
    }
}

/// A whole second stands for all of it.
fn same(given: &str, known: i64) -> bool {
    let given: i64 = given.parse().unwrap();
    given == known || (given % 1000 == 0 && given / 1000 == known / 1000)
}

/// The same by going through what was written, from the first to the last.
fn naive(history: &[Written]) -> (Vec<Seen>, Spaces) {
    let of = |kind: PushKind| history.iter().filter(move |written| written.kind == kind);
    let (enter, leave) = (of(PushKind::Enter).next(), of(PushKind::Leave).next());
    let mut updates: Vec<&Written> = of(PushKind::Update).collect();
    updates.sort_by_key(|update| update.time);
    // One, if the leave has the time of the enter, or one that an update gives.
    let gives =
        |time: i64| updates.iter().filter_map(|update| update.values[4].as_ref()).any(|given| same(given, time));
    let are_two = enter.zip(leave).is_some_and(|(enter, leave)| enter.time != leave.time && !gives(leave.time));
    let visit = |enter: Option<&Written>, leave: Option<&Written>, releases: bool| {
        let mut values = BTreeMap::new();
        for half in enter.into_iter().chain(leave) {
            values.extend(named(&half.values));
        }
        let mut applied = Vec::new();
        for update in updates.iter().filter(|update| enter.is_some() || !are_two || update.values[4].is_none()) {
            let mut changed = Vec::new();
            for name in CORRECTABLE {
                let Some(after) = named(&update.values).remove(name) else { continue };
                let before = values.get(name).cloned();
                let is_time = name.ends_with("_time");
                let says_the_same =
                    |before: &String| *before == after || is_time && same(&after, before.parse().unwrap());
                if before.as_ref().is_some_and(says_the_same) {
                    continue;
                }
                values.insert(name, after.clone());
                changed.push(Correction { name, before, after });
            }
            applied.push((update.time, changed));
        }
        let mut times: Vec<i64> = of(PushKind::Release).filter(|_| releases).map(|release| release.time).collect();
        times.sort_unstable();
        Seen { has_enter: enter.is_some(), has_leave: leave.is_some(), values, releases: times, updates: applied }
    };
    let visits = match (enter, leave) {
        _ if history.is_empty() => Vec::new(),
        // Releases at the entrance are with the visit that entered.
        (Some(_), Some(_)) if are_two => vec![visit(None, leave, false), visit(enter, None, true)],
        _ => vec![visit(enter, leave, true)],
    };
    let arrivals: Vec<Arrival> = (1..).zip(history).map(|(number, one)| arrival(one, number)).collect();
    (visits, model::spaces(&arrivals).remove(&1))
}

#[test]
fn a_visit_is_the_same_in_any_order_and_however_often_its_pushes_come() {
    let mut random = Random(2026);
    let mut corrected = 0_u64;
    for number in 0..HISTORIES {
        let history = history(&mut random);
        let mut arrived = history.clone();
        for _ in 0..random.below(4) {
            if let Some(again) = history.get(usize::try_from(random.below(8)).unwrap()) {
                arrived.push(again.clone());
            }
        }
        random.shuffle(&mut arrived);
        let batch = usize::try_from(1 + random.below(5)).unwrap();
        let expected = naive(&history);
        corrected += u64::from(expected.0.iter().any(|visit| visit.updates.iter().any(|(_, some)| !some.is_empty())));
        assert_eq!(seen(&arrived, batch), expected, "history {number}: {history:#?}\narrived: {arrived:#?}");
    }
    assert!(corrected > HISTORIES / 2, "only {corrected} histories had anything corrected");
}
