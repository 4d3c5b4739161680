//! The calls that push a record.

/// Which call: each has its own page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PushKind {
    /// `POST …/enter`
    Enter,
    /// `POST …/leave`
    Leave,
    /// `POST …/release`: the barrier was opened by hand.
    Release,
    /// `POST …/update`: a stay was corrected.
    Update,
}

impl PushKind {
    /// Each of them, in the order in which a stay's records are sent on.
    pub const ALL: [PushKind; 4] = [PushKind::Enter, PushKind::Leave, PushKind::Release, PushKind::Update];

    /// The parameter by which its sender knows it.
    #[must_use]
    pub fn key_name(self) -> &'static str {
        match self {
            PushKind::Enter | PushKind::Leave | PushKind::Release => "parking_serial",
            PushKind::Update => "flow_no",
        }
    }

    /// Is it one half of a visit? The others are about a visit.
    #[must_use]
    pub fn is_half(self) -> bool {
        matches!(self, PushKind::Enter | PushKind::Leave)
    }
}

/// Some kinds of pushes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KindSet(u8);

impl KindSet {
    /// These kinds.
    #[must_use]
    pub fn of(kinds: impl IntoIterator<Item = PushKind>) -> KindSet {
        KindSet(kinds.into_iter().fold(0, |set, kind| set | 1 << kind as u8))
    }

    /// Is it one of them?
    #[must_use]
    pub fn has(self, kind: PushKind) -> bool {
        self.0 >> kind as u8 & 1 == 1
    }

    /// Each of them, in the order of [`PushKind::ALL`].
    pub fn iter(self) -> impl Iterator<Item = PushKind> {
        PushKind::ALL.into_iter().filter(move |kind| self.has(*kind))
    }
}
