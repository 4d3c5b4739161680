//! May a vehicle enter (入场前查询)? What a park's lists and its free spaces say, before the barrier opens.

use parkgate_wire::EntryAdvice;

use crate::plate_list::PlateList;

/// What is known of a vehicle at the entrance, and of its park.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryFacts {
    /// The list that its plate is on.
    pub listed: Option<PlateList>,
    /// The park refuses vehicles while no space is free.
    pub refuse_when_full: bool,
    /// Free spaces, if they are known.
    pub remain: Option<u32>,
}

/// What is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryDecision {
    /// It is on the deny list.
    Denied,
    /// It is on the allow list.
    Allowed,
    /// No space is free.
    Full,
    /// Nothing is known of it here: the car park decides.
    Undecided,
}

impl EntryFacts {
    /// Would free spaces make a difference? Nobody is asked for them otherwise.
    #[must_use]
    pub fn depends_on_spaces(&self) -> bool {
        self.listed.is_none() && self.refuse_when_full
    }

    /// Deny goes before allow, and whoever is allowed enters a full park. While free spaces are not known, nobody is
    /// refused for want of them.
    #[must_use]
    pub fn decide(&self) -> EntryDecision {
        match self.listed {
            Some(PlateList::Deny) => EntryDecision::Denied,
            Some(PlateList::Allow) => EntryDecision::Allowed,
            None if self.refuse_when_full && self.remain == Some(0) => EntryDecision::Full,
            None => EntryDecision::Undecided,
        }
    }
}

impl EntryDecision {
    /// As the protocol has it.
    #[must_use]
    pub fn advice(self) -> EntryAdvice {
        match self {
            EntryDecision::Allowed => EntryAdvice::Allow,
            EntryDecision::Undecided => EntryAdvice::DecideLocally,
            EntryDecision::Denied | EntryDecision::Full => EntryAdvice::Refuse,
        }
    }

    /// `status_desc`, for the display at the entrance: four to six characters, as such displays show.
    #[must_use]
    pub fn display(self) -> &'static str {
        match self {
            EntryDecision::Allowed => "欢迎光临",
            EntryDecision::Denied => "禁止入场",
            EntryDecision::Full => "车位已满",
            EntryDecision::Undecided => "请等待确认",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DECISIONS: [EntryDecision; 4] =
        [EntryDecision::Denied, EntryDecision::Allowed, EntryDecision::Full, EntryDecision::Undecided];

    fn decide(listed: Option<PlateList>, refuse_when_full: bool, remain: Option<u32>) -> EntryDecision {
        EntryFacts { listed, refuse_when_full, remain }.decide()
    }

    #[test]
    fn deny_goes_before_allow_and_allow_before_full() {
        let (allow, deny) = (Some(PlateList::Allow), Some(PlateList::Deny));
        assert_eq!(decide(deny, true, Some(0)), EntryDecision::Denied);
        assert_eq!(decide(deny, false, Some(9)), EntryDecision::Denied);
        assert_eq!(decide(allow, true, Some(0)), EntryDecision::Allowed);
        assert_eq!(decide(None, true, Some(0)), EntryDecision::Full);
        assert_eq!(decide(None, true, Some(1)), EntryDecision::Undecided);
        assert_eq!(decide(None, true, None), EntryDecision::Undecided);
        assert_eq!(decide(None, false, Some(0)), EntryDecision::Undecided);
    }

    #[test]
    fn what_is_displayed_is_short() {
        assert!(DECISIONS.iter().all(|decision| (1..=16).contains(&decision.display().chars().count())));
        assert_eq!(DECISIONS.map(|decision| decision.advice().code()), ["-1", "1", "-1", "0"]);
    }

    proptest! {
        #[test]
        fn spaces_make_a_difference_only_where_it_says_so(
            listed in prop::sample::select(vec![None, Some(PlateList::Allow), Some(PlateList::Deny)]),
            refuse_when_full in any::<bool>(),
            remain in prop::option::of(0_u32..3),
        ) {
            let facts = EntryFacts { listed, refuse_when_full, remain };
            let without = EntryFacts { remain: None, ..facts };
            if !facts.depends_on_spaces() {
                prop_assert_eq!(facts.decide(), without.decide());
            }
            // Nobody is refused who is allowed, and nobody who is not listed by a park that does not refuse.
            if facts.decide().advice() == EntryAdvice::Refuse {
                prop_assert!(listed == Some(PlateList::Deny) || (listed.is_none() && refuse_when_full && remain == Some(0)));
            }
        }
    }
}
