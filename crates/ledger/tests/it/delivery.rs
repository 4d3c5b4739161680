//! The life of deliveries under random events, next to a plain list of what happened to each.

use parkgate_ledger::delivery::{
    AttemptOutcome, ClaimStep, DeliveryState, Turns, claim, freed, frees_dependents, is_due, replayed, resumed,
    retried, settle,
};
use parkgate_wire::UnixMillis;
use proptest::prelude::*;

fn pending(next_at: i64) -> DeliveryState {
    let at = UnixMillis(next_at);
    DeliveryState { is_dead: false, attempts: 0, next_at: at, since: at, last_answer: None }
}

#[derive(Debug, Clone)]
enum Event {
    /// Claim all that is due, for so long.
    Claim(i64),
    /// The oldest claim of this delivery is settled.
    Settle(usize, AttemptOutcome),
    Retry(usize),
    Replay(usize),
    Wait(i64),
}

fn event() -> impl Strategy<Value = Event> {
    let outcome = prop_oneof![
        3 => Just(AttemptOutcome::Delivered),
        3 => (0..50_i64).prop_map(|later| AttemptOutcome::Later { next_at: UnixMillis(later), answer: "500".into() }),
        1 => Just(AttemptOutcome::Dead { answer: "400".into() }),
        1 => (0..50_i64).prop_map(|later| AttemptOutcome::Unsent { next_at: UnixMillis(later), answer: None }),
    ];
    prop_oneof![
        4 => (1..30_i64).prop_map(Event::Claim),
        4 => (0..6_usize, outcome).prop_map(|(which, outcome)| Event::Settle(which, outcome)),
        1 => (0..6_usize).prop_map(Event::Retry),
        1 => (0..6_usize).prop_map(Event::Replay),
        3 => (1..40_i64).prop_map(Event::Wait),
    ]
}

/// Three visits: even indexes are enters, each followed by its leave.
#[derive(Default)]
struct Desk {
    states: Vec<Option<DeliveryState>>,
    claimed_until: Vec<Option<i64>>,
    sent: Vec<u32>,
    now: i64,
}

impl Desk {
    /// Is neither it nor the leave after it claimed?
    fn is_at_rest(&self, place: usize) -> bool {
        let leave = if place.is_multiple_of(2) { self.claimed_until[place + 1] } else { None };
        self.claimed_until[place].is_none() && leave.is_none()
    }

    fn claim(&mut self, time: i64) -> Result<(), TestCaseError> {
        let (now, until) = (UnixMillis(self.now), UnixMillis(self.now + time));
        for place in 0..self.states.len() {
            let Some(state) = self.states[place].clone().filter(|state| is_due(state, now)) else { continue };
            let enter =
                if place % 2 == 1 { self.states[place - 1].as_ref().filter(|enter| !enter.is_dead) } else { None };
            let enter_pending = enter.is_some();
            match claim(state.clone(), enter.map(|enter| enter.next_at), now, until) {
                ClaimStep::Claimed(after) => {
                    prop_assert!(!enter_pending, "a leave was claimed before its enter");
                    prop_assert!(self.claimed_until[place].is_none_or(|until| until <= self.now), "claimed twice");
                    prop_assert_eq!(after.attempts, state.attempts + 1);
                    prop_assert!(!is_due(&after, now));
                    self.claimed_until[place] = Some(until.0);
                    self.sent[place] += 1;
                    self.states[place] = Some(after);
                }
                ClaimStep::Postponed(after) => {
                    prop_assert!(enter_pending);
                    prop_assert!(!is_due(&after, now));
                    prop_assert_eq!(after.attempts, state.attempts);
                    self.states[place] = Some(after);
                }
            }
        }
        Ok(())
    }

    fn settle(&mut self, place: usize, outcome: AttemptOutcome) {
        let Some(state) = self.states[place].clone() else { return };
        if self.claimed_until[place].take().is_none() {
            return;
        }
        let outcome = match outcome {
            AttemptOutcome::Later { next_at, answer } => {
                AttemptOutcome::Later { next_at: UnixMillis(self.now + next_at.0), answer }
            }
            AttemptOutcome::Unsent { next_at, answer } => {
                self.sent[place] = self.sent[place].saturating_sub(1);
                AttemptOutcome::Unsent { next_at: UnixMillis(self.now + next_at.0), answer }
            }
            outcome => outcome,
        };
        if place.is_multiple_of(2)
            && frees_dependents(&outcome)
            && let Some(leave) = self.states[place + 1].take()
        {
            self.states[place + 1] = Some(freed(leave, UnixMillis(self.now)));
        }
        self.states[place] = settle(state, outcome, UnixMillis(self.now));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Whatever happens: no leave goes out before its enter, no delivery is claimed by two at once, attempts are
    /// counted exactly, and once the subscriber accepts everything nothing is left.
    #[test]
    fn a_delivery_is_tried_until_it_arrives(events in proptest::collection::vec(event(), 0..60)) {
        let mut desk = Desk {
            states: (0..6).map(|place| Some(pending(place))).collect(),
            claimed_until: vec![None; 6],
            sent: vec![0; 6],
            now: 10,
        };
        for event in events {
            match event {
                Event::Claim(time) => desk.claim(time)?,
                Event::Settle(place, outcome) => desk.settle(place, outcome),
                Event::Retry(place) => {
                    let now = UnixMillis(desk.now);
                    // A claimed delivery is left alone here. A dead enter that is retried while its leave is on its way
                    // may send that leave a second time, which every subscriber must tolerate.
                    if desk.is_at_rest(place)
                        && let Some(state) = desk.states[place].take()
                    {
                        desk.states[place] = Some(retried(state, now));
                        desk.sent[place] = 0;
                    }
                }
                Event::Replay(place) => {
                    let now = UnixMillis(desk.now);
                    if desk.is_at_rest(place)
                        && let Some(state) = desk.states[place].take()
                    {
                        desk.states[place] = Some(replayed(state, now));
                        desk.sent[place] = 0;
                    }
                }
                Event::Wait(time) => {
                    desk.now += time;
                    let now = desk.now;
                    desk.claimed_until.iter_mut().for_each(|until| *until = until.filter(|until| *until > now));
                }
            }
            for (state, sent) in desk.states.iter().zip(&desk.sent) {
                if let Some(state) = state {
                    prop_assert_eq!(state.attempts, *sent);
                }
            }
        }
        // From here on everything arrives, dead letters after somebody retried them.
        for _ in 0..12 {
            desk.now += 1000;
            desk.claimed_until = vec![None; 6];
            for state in desk.states.iter_mut().flatten() {
                if state.is_dead {
                    *state = retried(state.clone(), UnixMillis(desk.now));
                }
            }
            desk.claim(10)?;
            (0..6).for_each(|place| desk.settle(place, AttemptOutcome::Delivered));
        }
        prop_assert!(desk.states.iter().all(Option::is_none), "{:?}", desk.states);
    }
}

#[test]
fn the_time_to_give_up_begins_with_the_first_attempt_and_again_when_a_person_acts() {
    let (now, until) = (UnixMillis(5000), UnixMillis(6000));
    let claimed = |state: DeliveryState| match claim(state, None, now, until) {
        ClaimStep::Claimed(state) => state,
        ClaimStep::Postponed(state) => panic!("{state:?}"),
    };
    assert_eq!(claimed(pending(100)).since, now);
    let tried = DeliveryState { attempts: 2, last_answer: Some("500".into()), ..pending(100) };
    assert_eq!(claimed(tried.clone()).since, UnixMillis(100));
    assert_eq!(retried(tried.clone(), now), DeliveryState { attempts: 0, since: now, next_at: now, ..tried.clone() });
    assert_eq!(resumed(tried.clone(), now).since, now);
    assert_eq!(resumed(pending(100), now).since, UnixMillis(100));
    let dead = DeliveryState { is_dead: true, ..tried.clone() };
    assert_eq!(resumed(dead.clone(), now), dead);
    assert_eq!(replayed(dead, now), DeliveryState { attempts: 0, since: now, next_at: now, ..tried.clone() });
    assert_eq!(replayed(tried, now).next_at, UnixMillis(100));
}

#[test]
fn what_was_not_sent_keeps_the_reason_of_the_attempt_before() {
    let now = UnixMillis(5000);
    let unsent = |answer: Option<&str>| AttemptOutcome::Unsent { next_at: now, answer: answer.map(str::to_owned) };
    let claimed = DeliveryState { attempts: 1, ..pending(0) };
    let after = settle(claimed.clone(), unsent(Some("away")), now).unwrap();
    assert_eq!((after.attempts, after.last_answer.as_deref()), (0, Some("away")));
    let tried = DeliveryState { last_answer: Some("500".into()), ..claimed };
    assert_eq!(settle(tried, unsent(Some("away")), now).unwrap().last_answer.as_deref(), Some("500"));
    let never_claimed = settle(pending(0), unsent(None), now).unwrap();
    assert_eq!(never_claimed.attempts, 0);
}

#[test]
fn nodes_share_a_rate_and_none_takes_turns_far_ahead() {
    let now = UnixMillis(10_000);
    assert_eq!(Turns::next(None, now), Some(Turns { send_from: now }));
    assert_eq!(Turns::next(Some(UnixMillis(9)), now), Some(Turns { send_from: now }));
    assert_eq!(Turns::next(Some(UnixMillis(11_000)), now), Some(Turns { send_from: UnixMillis(11_000) }));
    assert_eq!(Turns::next(Some(UnixMillis(11_001)), now), None);
    assert_eq!(Turns { send_from: now }.taken(50, 25), UnixMillis(12_000));
    assert_eq!(Turns { send_from: now }.taken(usize::MAX, 0).0, i64::MAX);
}
