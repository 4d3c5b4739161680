//! The two calls that push a record.

/// Which call: each has its own page in the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PushKind {
    /// `POST …/enter`
    Enter,
    /// `POST …/leave`
    Leave,
}

impl PushKind {
    /// The path of the call, as replies name it.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            PushKind::Enter => "/gate/1.0/parking/internal/enter",
            PushKind::Leave => "/gate/1.0/parking/internal/leave",
        }
    }

    /// `enter` or `leave`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            PushKind::Enter => "enter",
            PushKind::Leave => "leave",
        }
    }
}
