//! The life of a delivery: due, claimed, settled, or a dead letter until a person acts.
//!
//! A delivery is claimed for a time and is due again after it, whatever happens to its claimer. A leave, a release and an
//! update are not claimed while their enter is still waiting. Every function here turns what is stored into what to store; nothing reads a
//! clock.

use parkgate_wire::UnixMillis;

/// A delivery as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryState {
    /// A dead letter: given up until a person acts.
    pub is_dead: bool,
    /// Attempts so far, the one under way included.
    pub attempts: u32,
    /// When it is due; while it is claimed, when the claim ends.
    pub next_at: UnixMillis,
    /// Since when it has been tried: the time to give it up counts from here.
    pub since: UnixMillis,
    /// How the last attempt ended.
    pub last_answer: Option<String>,
}

/// What becomes of a due delivery that somebody wants to claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimStep {
    /// It is the claimer's until [`DeliveryState::next_at`].
    Claimed(DeliveryState),
    /// Its enter is still waiting: it is tried again after that one.
    Postponed(DeliveryState),
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// It arrived.
    Delivered,
    /// It is tried again.
    Later {
        /// When.
        next_at: UnixMillis,
        /// What happened.
        answer: String,
    },
    /// It will never arrive by itself.
    Dead {
        /// Why.
        answer: String,
    },
    /// It was claimed but not sent: as if it had never been claimed, but not due before `next_at`.
    Unsent {
        /// When it is due.
        next_at: UnixMillis,
        /// Why, where no attempt before it left a reason.
        answer: Option<String>,
    },
}

/// Is it due at `now`?
#[must_use]
pub fn is_due(state: &DeliveryState, now: UnixMillis) -> bool {
    !state.is_dead && state.next_at <= now
}

/// Claims a due delivery until `until`, unless its enter's delivery, which is tried next at `enter_next_at`, is still
/// pending.
///
/// The time to give it up starts with the first attempt: the wait for a paused subscriber or in the quarantine is not
/// the subscriber's fault.
#[must_use]
pub fn claim(state: DeliveryState, enter_next_at: Option<UnixMillis>, now: UnixMillis, until: UnixMillis) -> ClaimStep {
    if let Some(enter) = enter_next_at {
        return ClaimStep::Postponed(DeliveryState {
            next_at: UnixMillis(enter.max(now).0.saturating_add(1)),
            ..state
        });
    }
    let is_first = state.attempts == 0 && state.last_answer.is_none();
    let since = if is_first { state.since.max(now) } else { state.since };
    ClaimStep::Claimed(DeliveryState { attempts: state.attempts.saturating_add(1), next_at: until, since, ..state })
}

/// The delivery after an attempt; `None`: it arrived, and its row is deleted.
#[must_use]
pub fn settle(state: DeliveryState, outcome: AttemptOutcome, now: UnixMillis) -> Option<DeliveryState> {
    match outcome {
        AttemptOutcome::Delivered => None,
        AttemptOutcome::Later { next_at, answer } => {
            Some(DeliveryState { is_dead: false, next_at, last_answer: Some(answer), ..state })
        }
        AttemptOutcome::Dead { answer } => {
            Some(DeliveryState { is_dead: true, next_at: now, last_answer: Some(answer), ..state })
        }
        AttemptOutcome::Unsent { next_at, answer } => Some(DeliveryState {
            attempts: state.attempts.saturating_sub(1),
            next_at,
            last_answer: state.last_answer.or(answer),
            ..state
        }),
    }
}

/// Does this outcome of an enter's delivery let its leave, releases and updates go out?
#[must_use]
pub fn frees_dependents(outcome: &AttemptOutcome) -> bool {
    match outcome {
        AttemptOutcome::Delivered | AttemptOutcome::Dead { .. } => true,
        AttemptOutcome::Later { .. } | AttemptOutcome::Unsent { .. } => false,
    }
}

/// The delivery of a leave, a release or an update once that of its enter has arrived or was given up.
#[must_use]
pub fn freed(dependent: DeliveryState, now: UnixMillis) -> DeliveryState {
    if dependent.is_dead { dependent } else { DeliveryState { next_at: dependent.next_at.min(now), ..dependent } }
}

/// A person retries it: due now, with all its time ahead of it.
#[must_use]
pub fn retried(state: DeliveryState, now: UnixMillis) -> DeliveryState {
    DeliveryState { is_dead: false, attempts: 0, next_at: now, since: now, ..state }
}

/// It is replayed while still stored: a dead letter is due now, a pending one keeps its time; both have all their time
/// again.
#[must_use]
pub fn replayed(state: DeliveryState, now: UnixMillis) -> DeliveryState {
    let next_at = if state.is_dead { now } else { state.next_at };
    DeliveryState { is_dead: false, attempts: 0, next_at, since: now, ..state }
}

/// Its subscriber was paused and is resumed: if it failed before, it has all its time ahead of it again.
#[must_use]
pub fn resumed(state: DeliveryState, now: UnixMillis) -> DeliveryState {
    let tried = !state.is_dead && state.last_answer.is_some();
    DeliveryState { since: if tried { now } else { state.since }, ..state }
}

/// A node takes turns at a rate that all nodes share no further ahead than this.
pub const TURNS_AHEAD_MS: i64 = 1000;
/// Nobody takes so many turns at once that they last longer than this: later ones were given out by a clock that has
/// been set back since.
const TURNS_LONGEST_MS: i64 = 60 * 1000;

/// Turns to send at a rate that all nodes together keep to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turns {
    /// When the first of them may be sent; turns before that belong to other nodes.
    pub send_from: UnixMillis,
}

impl Turns {
    /// The next turns, given when all earlier ones end; `None` while other nodes have enough of them.
    #[must_use]
    pub fn next(free_at: Option<UnixMillis>, now: UnixMillis) -> Option<Turns> {
        let free_at = free_at.filter(|free_at| free_at.0 <= now.0.saturating_add(TURNS_LONGEST_MS));
        let send_from = free_at.map_or(now, |free_at| free_at.max(now));
        (send_from.0.saturating_sub(now.0) <= TURNS_AHEAD_MS).then_some(Turns { send_from })
    }

    /// When the turns end, after `count` of them at `per_second`.
    #[must_use]
    pub fn taken(self, count: usize, per_second: u32) -> UnixMillis {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        UnixMillis(self.send_from.0.saturating_add(count.saturating_mul(1000) / i64::from(per_second.max(1))))
    }
}
