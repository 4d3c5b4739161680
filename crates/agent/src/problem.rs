//! Problems a person must fix although the platform answers: shown in the status until they are gone.

use std::fmt;

use parkgate_client::Denial;
use parkgate_text::texts;
use parkgate_wire::UnixMillis;

use crate::check;

/// One such problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Problem {
    /// Every record is denied.
    Denied(Denial),
    /// The clock is off; by how much, in words.
    Clock(String),
}

impl Problem {
    /// If this clock differs too much from the platform's.
    pub(crate) fn of_clock(platform: UnixMillis, here: UnixMillis) -> Option<Problem> {
        let clock = check::clock(platform, here);
        (!clock.is_ok).then_some(Problem::Clock(clock.message))
    }

    /// Is it the same problem as before? A clock that is off by one second more is no news.
    pub(crate) fn is_same(before: Option<&Problem>, after: Option<&Problem>) -> bool {
        match (before, after) {
            (Some(Problem::Clock(_)), Some(Problem::Clock(_))) => true,
            (before, after) => before == after,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Denied(Denial::Signature) => out.write_str(texts().agent_half.denied_signature),
            Problem::Denied(Denial::Access) => out.write_str(texts().agent_half.denied_access),
            Problem::Denied(Denial::Blocked) => out.write_str(texts().agent_half.denied_blocked),
            Problem::Clock(message) => out.write_str(message),
        }
    }
}
