//! Does a platform deny one record, or all of them? Pure.
//!
//! A wrong secret, an unknown car park or a firewall in between affects every record: then nothing is given up, and a person
//! is shown what to fix. One record may be affected alone, by a character that the platform signs differently or a word that
//! its firewall dislikes: that one must not be tried for ever. Whether other records pass distinguishes the two.

use std::collections::{HashMap, HashSet};

use parkgate_client::Denial;

/// A record denied this often, while others passed in between, is taken to be the only one affected. A platform whose nodes
/// get a new secret one by one must not turn a record into a dead letter.
const DENIED_MAX: u32 = 3;
/// A firewall also blocks a busy sender for a while.
const BLOCKED_MAX: u32 = 5;
/// Beyond this many, all records are affected, and none needs to be remembered by itself.
const KNOWN_MAX: usize = 4096;

/// What a denial means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Others pass: only this record is affected.
    One,
    /// All records may be affected.
    Undecided {
        /// This record was not denied before since something last passed.
        is_first: bool,
    },
}

/// The denials of records that are still waiting.
#[derive(Debug, Default)]
pub(crate) struct Denials {
    known: HashMap<i64, DenialCount>,
    /// Denied since something last passed.
    in_a_row: HashSet<i64>,
    /// One of them was denied again.
    again: bool,
    last: Option<Denial>,
    /// The latest push that passed, by its number.
    passed: Option<u64>,
}

#[derive(Debug, Clone, Copy)]
struct DenialCount {
    times: u32,
    /// How many pushes had been begun when it was denied: a push with a higher number was sent later.
    begun: u64,
}

impl Denials {
    /// The platform accepted the `number`th push that was begun.
    pub(crate) fn passed(&mut self, number: u64) {
        self.passed = self.passed.max(Some(number));
        self.in_a_row.clear();
        self.again = false;
        self.last = None;
    }

    /// The record is settled, in whichever way.
    pub(crate) fn forget(&mut self, record: i64) {
        self.known.remove(&record);
    }

    /// The platform denied a record; `begun` pushes had been begun by then.
    pub(crate) fn denied(&mut self, record: i64, denial: Denial, begun: u64) -> Scope {
        let max = if denial == Denial::Blocked { BLOCKED_MAX } else { DENIED_MAX };
        let passed = self.passed;
        let is_first = self.in_a_row.len() >= KNOWN_MAX || self.in_a_row.insert(record);
        self.again |= !is_first;
        self.last = Some(denial);
        if self.known.len() >= KNOWN_MAX && !self.known.contains_key(&record) {
            self.known.clear();
        }
        let known = self.known.entry(record).or_insert(DenialCount { times: 0, begun });
        // The first denial counts, and each further one if a push sent after the last counted denial has passed.
        if known.times == 0 || passed > Some(known.begun) {
            *known = DenialCount { times: known.times + 1, begun };
        }
        if known.times < max {
            return Scope::Undecided { is_first };
        }
        self.known.remove(&record);
        self.in_a_row.remove(&record);
        Scope::One
    }

    /// Why every record seems to be denied, if so.
    pub(crate) fn of_all(&self) -> Option<Denial> {
        let is_of_all = self.in_a_row.len() > 1 || self.again || self.passed.is_none();
        self.last.filter(|_| is_of_all && !self.in_a_row.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Scope = Scope::Undecided { is_first: true };
    const AGAIN: Scope = Scope::Undecided { is_first: false };

    #[test]
    fn what_meets_all_records_is_never_about_one() {
        let mut denials = Denials::default();
        for round in 0..100 {
            for record in 0..10 {
                let scope = denials.denied(record, Denial::Signature, round * 10 + 10);
                assert_eq!(scope, if round == 0 { FIRST } else { AGAIN });
                assert_eq!(denials.of_all(), Some(Denial::Signature));
            }
        }
    }

    #[test]
    fn what_meets_one_record_while_later_ones_pass_is_about_that_one() {
        for (denial, max) in [(Denial::Signature, 3), (Denial::Access, 3), (Denial::Blocked, 5)] {
            let mut denials = Denials::default();
            denials.passed(0);
            for time in 1..max {
                assert_eq!(denials.denied(7, denial, time * 10), FIRST, "{time}");
                assert_eq!(denials.of_all(), None, "one alone proves nothing");
                denials.passed(time * 10 + 1);
            }
            assert_eq!(denials.denied(7, denial, max * 10), Scope::One);
            assert_eq!(denials.denied(7, denial, max * 10), FIRST, "retried, it is counted from the start");
        }
    }

    #[test]
    fn what_was_sent_before_the_denial_and_passes_after_it_proves_nothing() {
        let mut denials = Denials::default();
        denials.passed(1);
        for _ in 0..10 {
            denials.denied(7, Denial::Signature, 32);
            // All of them were on their way when the secret was changed.
            denials.passed(20);
        }
        assert_eq!(denials.denied(7, Denial::Signature, 32), FIRST);
    }

    #[test]
    fn as_many_as_are_known_and_one_more() {
        let mut denials = Denials::default();
        for record in 0..i64::try_from(KNOWN_MAX).unwrap() + 1 {
            assert_eq!(denials.denied(record, Denial::Blocked, 1), FIRST);
        }
        assert!(denials.known.len() <= KNOWN_MAX && denials.in_a_row.len() <= KNOWN_MAX);
    }

    /// Whatever passes and is denied: a record is given up only when it was denied as often as its bound with a push between
    /// two of these times that was begun after the first of them and passed.
    #[test]
    fn no_record_is_given_up_without_a_later_one_that_passed() {
        let mut random = 12345_u64;
        let mut next = |below: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % below
        };
        for _ in 0..200 {
            let (mut denials, mut begun, mut passes) = (Denials::default(), 0_u64, Vec::new());
            let mut denied: HashMap<i64, Vec<u64>> = HashMap::new();
            for _ in 0..60 {
                begun += 1;
                if next(3) == 0 {
                    let number = begun - next(begun.min(4));
                    passes.push(number);
                    denials.passed(number);
                    continue;
                }
                let record = i64::try_from(next(4)).unwrap();
                let times = denied.entry(record).or_default();
                times.push(begun);
                if denials.denied(record, Denial::Signature, begun) == Scope::One {
                    let first = *times.first().unwrap();
                    assert!(passes.iter().any(|pass| *pass > first), "{times:?} {passes:?}");
                    assert!(times.len() >= usize::try_from(DENIED_MAX).unwrap());
                    times.clear();
                }
            }
        }
    }
}
