//! Forwarding: who receives what, and what is still to be delivered. A delivery is written in its record's own transaction,
//! claimed by one node for a time, and deleted once it arrived. If it is not settled in that time, another node may claim it.

use std::fmt;
use std::str::FromStr;

use parkgate_ledger::{ParkId, Space};
use parkgate_wire::{KindSet, PushKind, Secret, UnixMillis};
use serde::{Deserialize, Serialize};

use crate::query::RecordView;

/// In what form a subscriber receives its deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// The push as it came: parameters, files and sign unchanged.
    Relay,
    /// The open platform's sync-enter and sync-leave.
    OpenApi,
    /// Standard Webhooks: JSON under an HMAC.
    Webhook,
}

/// What is kept of a subscriber as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriberSettings {
    /// Where it listens; `{event}` in it becomes `enter` or `leave`.
    pub url: String,
    /// In what form it receives its deliveries.
    pub format: Format,
    /// Sent and signed with `openapi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_id: Option<String>,
    /// May it know ID data (`idcard_*`)? A relay always does: the signature covers it.
    #[serde(default)]
    pub personal: bool,
    /// Are the middles of plates masked?
    #[serde(default)]
    pub mask_plates: bool,
    /// Requests a second at most, of all nodes together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_second: Option<u32>,
    /// The car park gets this platform's answer (`relay` only).
    #[serde(default)]
    pub compare: bool,
}

/// A subscriber to add.
#[derive(Debug, Clone)]
pub struct NewSubscriber {
    /// For people; unique.
    pub name: String,
    /// Where, and in what form, it receives its deliveries.
    pub settings: SubscriberSettings,
    /// Signs what it gets. Empty for a relay.
    pub secret: Secret,
    /// Of which parks, by `park_uuid`; `None` for all, also those to come.
    pub parks: Option<Vec<String>>,
    /// Which pushes.
    pub kinds: KindSet,
}

/// Who receives what.
#[derive(Debug, Clone)]
pub struct Subscriber {
    /// Its key.
    pub id: i64,
    /// What it was added with.
    pub registered: NewSubscriber,
    /// Nothing is sent; what comes is kept for it.
    pub paused: bool,
    /// How much arrived.
    pub delivered: u64,
    /// When the last arrived, ms since 1970.
    pub delivered_at: Option<i64>,
}

/// A delivery's name: subscriber and record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeliveryId {
    /// To whom.
    pub subscriber: i64,
    /// What.
    pub record: i64,
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.subscriber, self.record)
    }
}

impl FromStr for DeliveryId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = text.split_once('-').and_then(|(subscriber, record)| {
            Some(DeliveryId { subscriber: subscriber.parse().ok()?, record: record.parse().ok()? })
        });
        read.ok_or_else(|| format!("`{text}` is no delivery: see `parkgate delivery list`"))
    }
}

/// A delivery that this node has taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// Its name.
    pub id: DeliveryId,
    /// The key its record stands under.
    pub park: ParkId,
    /// This attempt counted.
    pub attempts: u32,
    /// Since when it is tried, ms since 1970: how long it waited before that, for a subscriber that was paused or out of the
    /// quarantine, is not the subscriber's fault.
    pub since: i64,
}

/// A claimed delivery, with everything needed to send it.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// Which delivery.
    pub due: Due,
    /// Whose record.
    pub park_uuid: String,
    /// For people.
    pub park_name: String,
    /// All its spaces, as the operator says.
    pub park_total: Option<u32>,
    /// Address, area code and position, as JSON.
    pub location: Option<String>,
    /// The car park's serial.
    pub parking_serial: String,
    /// `plate`, if sent.
    pub plate: Option<String>,
    /// When the vehicle entered.
    pub enter_time: UnixMillis,
    /// When it entered or left.
    pub event_time: UnixMillis,
    /// The push, its personal fields included.
    pub record: RecordView,
    /// What was signed, where the parameters say something else.
    pub original: Option<Vec<(String, String)>>,
    /// The park's count now.
    pub space: Space,
}

/// What is asked of [`Store::claim`](crate::Store::claim).
#[derive(Debug, Clone, Copy)]
pub struct Claim {
    /// Of which subscriber.
    pub subscriber: i64,
    /// ms since 1970.
    pub now: i64,
    /// For this caller alone until then, ms since 1970.
    pub until: i64,
    /// At most so many.
    pub max: usize,
    /// The rate that all nodes together keep to.
    pub per_second: Option<u32>,
}

/// What a call to [`Store::claim`](crate::Store::claim) took.
#[derive(Debug, Default)]
pub struct Claimed {
    /// To be delivered now.
    pub outgoing: Vec<Outgoing>,
    /// Taken, but their records cannot be read, and why.
    pub unreadable: Vec<(Due, String)>,
    /// How many were looked at: as many as asked for means that more may be due.
    pub looked_at: usize,
    /// Where a rate is kept to: when the first of them may be sent, ms since 1970. Before it the turn is another node's.
    pub send_from: i64,
}

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// It arrived.
    Delivered(Due),
    /// Again at `next_at`, ms since 1970.
    Later {
        /// Which.
        due: Due,
        /// When.
        next_at: i64,
        /// What happened.
        answer: String,
    },
    /// It will never arrive by itself.
    Dead {
        /// Which.
        due: Due,
        /// Why.
        answer: String,
    },
    /// It was taken and not sent: as if it had not been taken, but not before `next_at`.
    Unsent {
        /// Which.
        due: Due,
        /// When.
        next_at: i64,
        /// Why, where no attempt before it left a reason.
        answer: Option<String>,
    },
}

impl Settled {
    /// Which delivery.
    #[must_use]
    pub fn due(&self) -> &Due {
        match self {
            Settled::Delivered(due)
            | Settled::Later { due, .. }
            | Settled::Dead { due, .. }
            | Settled::Unsent { due, .. } => due,
        }
    }
}

/// Which deliveries, and how many.
#[derive(Debug, Clone, Default)]
pub struct DeliveryFilter {
    /// Only dead ones, or only pending ones.
    pub dead: Option<bool>,
    /// Only this subscriber's.
    pub subscriber: Option<String>,
    /// Only these, unless it is empty.
    pub ids: Vec<DeliveryId>,
    /// At most so many.
    pub limit: usize,
}

/// A delivery, for people.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Its name.
    pub id: DeliveryId,
    /// To whom.
    pub subscriber: String,
    /// Of which park.
    pub park_uuid: String,
    /// Of which stay.
    pub parking_serial: String,
    /// Which call.
    pub kind: PushKind,
    /// Given up, until somebody retries it.
    pub dead: bool,
    /// How often it was tried.
    pub attempts: u32,
    /// When it is tried next, ms since 1970.
    pub next_at: i64,
    /// When it was first due, ms since 1970.
    pub since: i64,
    /// What the last attempt came to.
    pub answer: Option<String>,
}

/// Where a compared platform answered otherwise than this one would have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Whose answer.
    pub subscriber: i64,
    /// Of which park.
    pub park_uuid: String,
    /// Which call.
    pub kind: PushKind,
    /// Of which stay, as sent.
    pub parking_serial: String,
    /// When, ms since 1970.
    pub at: i64,
    /// What this platform would have answered: code, message and the beginning of the hint.
    pub ours: String,
    /// What the other one answered.
    pub theirs: String,
}

/// Calls that were passed on to a compared platform under one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedCalls {
    /// To whom.
    pub subscriber: i64,
    /// Without its query; [`parkgate_ledger::paths::OTHER_PATHS`] for all that are not counted by themselves.
    pub path: String,
    /// How many.
    pub count: u64,
    /// HTTP status of the last answer; 0 if there was none.
    pub last_status: u16,
    /// When the last one was answered, ms since 1970.
    pub last_at: i64,
}

/// Kept of each subscriber; older ones go.
pub(crate) const DIFFERENCES_MAX: i64 = 10_000;
/// Deliveries that go in one transaction when their subscriber is removed.
pub(crate) const REMOVED_AT_ONCE: i64 = 10_000;
/// Records of a replay that are looked at in one transaction.
pub(crate) const REPLAYED_AT_ONCE: i64 = 5000;

/// What is waiting for a subscriber.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    /// For whom.
    pub subscriber: i64,
    /// On their way or to be.
    pub pending: u64,
    /// Given up.
    pub dead: u64,
    /// Since when the oldest that is on its way has been tried, ms since 1970. Of more than are counted, of those that are
    /// due first.
    pub oldest: Option<i64>,
}
