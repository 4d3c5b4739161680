//! What goes in and out of the outbox.

use std::path::PathBuf;

use parkgate_wire::{PushKind, UnixMillis};
use serde::Deserialize;

/// Bounds on the disk.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Disk {
    /// Pictures waiting take no more; then the oldest are given up, and their records go without.
    pub picture_bytes_max: u64,
    /// Records waiting; then new ones are refused.
    pub records_max: u64,
}

impl Default for Disk {
    fn default() -> Self {
        Disk { picture_bytes_max: 10 << 30, records_max: 10_000_000 }
    }
}

/// What became of a record given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// It waits to be sent.
    Queued(i64),
    /// It is there already.
    Known(i64),
    /// It was sent already.
    Sent,
}

/// A record on its way.
#[derive(Debug, Clone)]
pub struct Claimed {
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

/// What became of a record sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// The platform has it; with a hint perhaps.
    Sent {
        /// The hint.
        hint: Option<String>,
    },
    /// It will never be taken as it is: aside.
    Dead {
        /// The platform's hint.
        hint: String,
    },
    /// Taken with a hint that someone wants to see first: aside.
    Held {
        /// The platform's hint.
        hint: String,
    },
    /// Too large: once more, at once, without its pictures.
    WithoutPictures {
        /// What was said.
        reason: String,
    },
    /// A picture is not there any more: at once, without it.
    PictureGone {
        /// Where it was.
        path: PathBuf,
        /// What happened.
        reason: String,
    },
    /// Again, at this time.
    Later {
        /// When.
        due: UnixMillis,
        /// What happened.
        reason: String,
    },
}

/// A record aside.
#[derive(Debug, Clone)]
pub struct Aside {
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
    /// Taken with a hint, not refused.
    pub is_held: bool,
}

/// The state at a glance.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Waiting to be sent.
    pub queued: u64,
    /// When the oldest of them was given.
    pub oldest: Option<UnixMillis>,
    /// Refused, aside.
    pub dead: u64,
    /// Taken with a hint, aside.
    pub held: u64,
    /// Sent ever.
    pub sent: u64,
    /// Sent with a hint ever.
    pub hinted: u64,
    /// Pictures given up for want of room ever.
    pub pictures_dropped: u64,
    /// Pictures left out because the push was too large for the platform, ever.
    pub pictures_too_large: u64,
    /// Pictures that were gone from the disk, or never came to the spool folder, ever.
    pub pictures_missing: u64,
    /// Bytes of pictures waiting.
    pub picture_bytes: u64,
    /// The last hint.
    pub last_hint: Option<String>,
    /// The last failure to reach the platform, if nothing was sent since.
    pub last_error: Option<String>,
    /// What someone should mend, though the platform answers: a wrong secret, a clock that is off.
    pub problem: Option<String>,
    /// When a record was last sent.
    pub last_sent_at: Option<UnixMillis>,
    /// Sent in the last whole minute.
    pub sent_last_minute: u64,
    /// What was last told of free spaces: total, remaining, and when.
    pub space: Option<(u32, u32, UnixMillis)>,
}
