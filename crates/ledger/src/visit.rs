//! An enter and a leave become one visit (`leave.md`, notes 8 and 9), with the releases that name it, read through its updates.
//!
//! Records are never changed: a visit is read from the records under one serial. So a late enter fills its half simply by being
//! recorded, an update corrects the visit whenever it comes, and a visit's advisories follow from its records.

use parkgate_wire::UnixMillis;

use crate::RecordId;

/// What the rules look at in a record of a stay.
#[derive(Debug, Clone, Copy)]
pub struct RecordFacts {
    /// Its row; later arrivals have higher ones.
    pub record: RecordId,
    /// `enter_time`, if the push gives one.
    pub enter_time: Option<UnixMillis>,
    /// `operate_time` or `release_time`; when it was received, if there is none or it is far in the future.
    pub done_at: UnixMillis,
    /// When it was received.
    pub received_at: UnixMillis,
    /// A release at the entrance.
    pub is_at_entrance: bool,
}

/// All records under one serial.
#[derive(Debug, Clone)]
pub struct SerialRecords<R> {
    /// The enter push.
    pub enter: Option<R>,
    /// The leave push.
    pub leave: Option<R>,
    /// The releases.
    pub releases: Vec<R>,
    /// The updates.
    pub updates: Vec<R>,
}

impl<R> Default for SerialRecords<R> {
    fn default() -> Self {
        SerialRecords { enter: None, leave: None, releases: Vec::new(), updates: Vec::new() }
    }
}

/// One visit: at least one record is there.
#[derive(Debug, Clone)]
pub struct VisitRecords<R> {
    /// Its records; updates in the order in which they apply, releases in the order in which they happened.
    pub records: SerialRecords<R>,
    /// What looks wrong about it.
    pub notes: Vec<VisitNote>,
}

/// What looks wrong about a visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VisitNote {
    /// The enter and the leave of this serial differ in their enter time: two visits.
    EnterTimeMismatch,
    /// The leave was recorded before any enter.
    LeaveWithoutEnter,
    /// As corrected, it left before it entered.
    LeaveBeforeEnter,
}

impl VisitNote {
    /// Stable, for programs.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            VisitNote::EnterTimeMismatch => "enter_time_mismatch",
            VisitNote::LeaveWithoutEnter => "leave_without_enter",
            VisitNote::LeaveBeforeEnter => "leave_before_enter",
        }
    }

    /// For people, in Chinese.
    #[must_use]
    pub fn zh(self) -> &'static str {
        match self {
            VisitNote::EnterTimeMismatch => "同一流水的入场与离场推送的`enter_time`不一致, 视为两条记录",
            VisitNote::LeaveWithoutEnter => "离场时没有入场记录",
            VisitNote::LeaveBeforeEnter => "离场时间早于入场时间",
        }
    }

    /// For people, in English.
    #[must_use]
    pub fn en(self) -> &'static str {
        match self {
            VisitNote::EnterTimeMismatch => "enter and leave differ in enter_time",
            VisitNote::LeaveWithoutEnter => "the leave was recorded before any enter",
            VisitNote::LeaveBeforeEnter => "leave_time is before enter_time",
        }
    }
}

/// The visits of one serial: one, if its leave has the enter time of its enter, or one that an update gives; else two, the
/// leave's first. Of a serial with two visits, an update that gives an enter time is of the
/// enter, any other of both. Releases and updates whose enter and leave never
/// came are a visit by themselves.
pub fn join<R: Clone>(records: SerialRecords<R>, facts: impl Fn(&R) -> RecordFacts) -> Vec<VisitRecords<R>> {
    let SerialRecords { enter, leave, mut releases, mut updates } = records;
    let order = |record: &R| {
        let facts = facts(record);
        (facts.done_at, facts.received_at, facts.record)
    };
    releases.sort_by_key(order);
    updates.sort_by_key(order);
    let given: Vec<UnixMillis> = updates.iter().filter_map(|update| facts(update).enter_time).collect();
    let visit = |enter, leave, releases, updates, notes| VisitRecords {
        records: SerialRecords { enter, leave, releases, updates },
        notes,
    };
    match (enter, leave) {
        (None, None) if releases.is_empty() && updates.is_empty() => Vec::new(),
        (enter, None) => vec![visit(enter, None, releases, updates, Vec::new())],
        (None, leave) => vec![visit(None, leave, releases, updates, vec![VisitNote::LeaveWithoutEnter])],
        (Some(enter), Some(leave)) => {
            let (entered, left) = (facts(&enter), facts(&leave));
            let is_of = |time: UnixMillis| left.enter_time.is_some_and(|left| is_same_time(time, left));
            if entered.enter_time == left.enter_time || given.into_iter().any(is_of) {
                let late = entered.record > left.record;
                let notes = if late { vec![VisitNote::LeaveWithoutEnter] } else { Vec::new() };
                return vec![visit(Some(enter), Some(leave), releases, updates, notes)];
            }
            let (at_entrance, at_exit) = releases.into_iter().partition(|release| facts(release).is_at_entrance);
            let notes = vec![VisitNote::EnterTimeMismatch];
            let of_either = updates.iter().filter(|update| facts(update).enter_time.is_none()).cloned().collect();
            vec![
                visit(None, Some(leave), at_exit, of_either, notes.clone()),
                visit(Some(enter), None, at_entrance, updates, notes),
            ]
        }
    }
}

/// Is it the same time? Updates may write theirs without milliseconds.
pub(crate) fn is_same_time(given: UnixMillis, known: UnixMillis) -> bool {
    given == known || given == whole_second(known)
}

/// The whole second that a time is in.
pub(crate) fn whole_second(time: UnixMillis) -> UnixMillis {
    UnixMillis(time.0 - time.0.rem_euclid(1000))
}

/// What an update can correct, by protocol name; times are compared as milliseconds.
pub const CORRECTABLE: [&str; 6] = ["plate", "plate_color", "car_type", "car_desc", "enter_time", "leave_time"];

/// The value of each of [`CORRECTABLE`], as far as it is given.
pub type CorrectableValues = [Option<String>; CORRECTABLE.len()];

/// One value that an update changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Correction {
    /// Its protocol name.
    pub name: &'static str,
    /// What it was before, if it was given.
    pub before: Option<String>,
    /// What the update says.
    pub after: String,
}

fn is_same(name: &str, given: &str, value: &str) -> bool {
    let times = || UnixMillis::parse(given).zip(UnixMillis::parse(value));
    given == value || name.ends_with("_time") && times().is_some_and(|(given, value)| is_same_time(given, value))
}

/// Reads values through updates, in the order of [`join`]: what they say in the end, and what each update changed.
#[must_use]
pub fn correct(
    mut values: CorrectableValues,
    updates: &[CorrectableValues],
) -> (CorrectableValues, Vec<Vec<Correction>>) {
    let mut apply = |update: &CorrectableValues| {
        let mut changed = Vec::new();
        for ((name, value), given) in CORRECTABLE.into_iter().zip(&mut values).zip(update) {
            let says_the_same = |given: &String| value.as_ref().is_some_and(|value| is_same(name, given, value));
            let Some(after) = given.clone().filter(|given| !says_the_same(given)) else { continue };
            changed.push(Correction { name, before: value.replace(after.clone()), after });
        }
        changed
    };
    let corrections = updates.iter().map(&mut apply).collect();
    (values, corrections)
}
