//! What goes into the outbox and comes out of it.

use std::path::PathBuf;

use parkgate_wire::{PushKind, UnixMillis};
use serde::Deserialize;

/// Limits on disk space.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DiskLimits {
    /// Bytes that waiting pictures may take. Beyond it the oldest are dropped, and their records are sent without.
    pub picture_bytes_max: u64,
    /// Records that may wait. Beyond it new ones are refused.
    pub records_max: u64,
}

impl Default for DiskLimits {
    fn default() -> Self {
        DiskLimits { picture_bytes_max: 10 << 30, records_max: 10_000_000 }
    }
}

/// What happened to a record that was handed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// It is waiting to be sent.
    Queued(i64),
    /// It is queued already.
    Known(i64),
    /// It was sent already.
    Sent,
}

/// A record that was claimed, to be sent.
#[derive(Debug, Clone)]
pub struct ClaimedRecord {
    /// Its number.
    pub id: i64,
    /// The call.
    pub kind: PushKind,
    /// `parking_serial`.
    pub parking_serial: String,
    /// What to send.
    pub params: Vec<(String, String)>,
    /// Its pictures.
    pub files: Vec<(String, PathBuf)>,
    /// Failures so far.
    pub attempts: u32,
}

/// What came of a record that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    /// The platform has it, perhaps with a hint.
    Sent {
        /// The hint.
        hint: Option<String>,
    },
    /// It will never be accepted as it is: a dead letter.
    Dead {
        /// The platform's hint.
        hint: String,
    },
    /// Accepted with a hint that a person wants to see first.
    Held {
        /// The platform's hint.
        hint: String,
    },
    /// Too large: it is sent once more, at once, without its pictures.
    WithoutPictures {
        /// What the platform said.
        reason: String,
    },
    /// A picture has gone: the record is sent once more, at once, without it.
    PictureGone {
        /// Where it was.
        path: PathBuf,
        /// What happened.
        reason: String,
    },
    /// It is sent again at this time.
    Later {
        /// When.
        due: UnixMillis,
        /// What happened.
        reason: String,
    },
}

/// A record that is not sent until a person acts.
#[derive(Debug, Clone)]
pub struct DeadLetter {
    /// Its number.
    pub id: i64,
    /// The call.
    pub kind: PushKind,
    /// `parking_serial`.
    pub parking_serial: String,
    /// What was to be sent.
    pub params: Vec<(String, String)>,
    /// The platform's hint.
    pub hint: String,
    /// Accepted with a hint and held, not refused.
    pub is_held: bool,
}

/// The state of an outbox in numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Waiting to be sent.
    pub queued: u64,
    /// When the oldest of them was handed in.
    pub oldest: Option<UnixMillis>,
    /// Dead letters.
    pub dead: u64,
    /// Held for their hint.
    pub held: u64,
    /// Sent since the outbox was made.
    pub sent: u64,
    /// Of these, accepted with a hint.
    pub hinted: u64,
    /// Pictures dropped for lack of space, since the outbox was made.
    pub pictures_dropped: u64,
    /// Pictures left out because the push was too large for the platform.
    pub pictures_too_large: u64,
    /// Pictures that had gone from the disk, or never reached the spool folder.
    pub pictures_missing: u64,
    /// Bytes of the waiting pictures.
    pub picture_bytes: u64,
    /// The last hint.
    pub last_hint: Option<String>,
    /// The last failure to reach the platform, if nothing was sent since.
    pub last_error: Option<String>,
    /// A problem a person must fix although the platform answers: a wrong secret, a clock that is off.
    pub problem: Option<String>,
    /// When a record was last sent.
    pub last_sent_at: Option<UnixMillis>,
    /// Records sent in the last whole minute.
    pub sent_last_minute: u64,
    /// The free spaces last reported: total, remaining, and when.
    pub space: Option<(u32, u32, UnixMillis)>,
}
