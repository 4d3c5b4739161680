//! Does a platform deny one record, or all? Pure.
//!
//! A wrong secret, a car park it does not know or a firewall in between meets every record: then nothing is given up, and
//! someone is told what to mend. One record may meet it alone, by a character the platform signs otherwise or a word
//! its firewall does not like: that one must not be tried for ever. What passes tells the two apart.

use std::collections::{HashMap, HashSet};

use parkgate_client::Denial;

/// Denied so often while others passed in between, a record is taken to be the only one. A platform that is just being given
/// another secret, node by node, must not make a record dead.
const DENIED_MAX: u32 = 3;
/// A firewall also blocks for a while whoever sends much.
const BLOCKED_MAX: u32 = 5;
/// Beyond so many it is about all of them, and none needs to be known by itself.
const KNOWN_MAX: usize = 4096;

/// What a denial means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The others pass: it is about this record.
    One,
    /// It may be about all.
    Undecided {
        /// No record was denied before it since something passed, or only others were.
        is_first: bool,
    },
}

/// Denials of the records that wait.
#[derive(Debug, Default)]
pub(crate) struct Denials {
    known: HashMap<i64, Known>,
    /// Denied since something passed.
    in_a_row: HashSet<i64>,
    /// One of them was denied again.
    again: bool,
    last: Option<Denial>,
    /// The latest push that passed, by its number.
    passed: Option<u64>,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    times: u32,
    /// The number of the latest push begun when it was denied: what passes after that was sent later.
    begun: u64,
}

impl Denials {
    /// The platform took a push, the `number`th that was begun.
    pub(crate) fn passed(&mut self, number: u64) {
        self.passed = self.passed.max(Some(number));
        self.in_a_row.clear();
        self.again = false;
        self.last = None;
    }

    /// The record is done with, in whichever way.
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
        let known = self.known.entry(record).or_insert(Known { times: 0, begun });
        // Its first time counts, and each one that comes when a later push has passed.
        if known.times == 0 || passed > Some(known.begun) {
            *known = Known { times: known.times + 1, begun };
        }
        if known.times < max {
            return Scope::Undecided { is_first };
        }
        self.known.remove(&record);
        self.in_a_row.remove(&record);
        Scope::One
    }

    /// Why nothing seems to pass.
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
            assert_eq!(denials.denied(7, denial, max * 10), FIRST, "given again it begins anew");
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
