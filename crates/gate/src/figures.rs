//! What the gate counts. How figures are shown is the business of whoever holds them.
//!
//! Labels are bounded: whatever parks, subscribers and senders there are, a scrape stays small. Of parks only those are
//! named that somebody should look at.

mod forwarding;
mod parks;

use std::collections::HashSet;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use parkgate_ledger::ParkId;
use parkgate_ledger::paths::{OTHER_PATHS, counted_path};
use parkgate_ledger::quarantine::{DiskRoom, QuarantineBounds, QuarantineFull, Usage};
use parkgate_store::NO_PARK;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

pub use self::forwarding::{ForwardFigures, SUBSCRIBERS_SHOWN_MAX, SubscriberFigures};
pub use self::parks::{PARKS_SHOWN_MAX, ParkWatch};

/// Bounds of the buckets that durations fall into, in seconds: from a tenth of a millisecond to half a minute.
pub const DURATION_BUCKETS: [f64; 13] =
    [0.0001, 0.0003, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.3, 1.0, 5.0, 30.0];
/// Bounds of the buckets for pushes of one commit; the last is the most that is set unless somebody sets more.
const BATCH_BUCKETS: [f64; 8] = [1.0, 4.0, 16.0, 64.0, 128.0, 256.0, 512.0, 1024.0];

/// A figure with a fraction.
pub(crate) type Fraction = Gauge<f64, AtomicU64>;

/// Labels of advisories.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct AdvisoryLabels {
    code: &'static str,
}

/// Labels of what found no room in the quarantine.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct NoRoomLabels {
    bound: &'static str,
}

/// Commits of pushes.
#[derive(Debug, Clone)]
pub struct CommitFigures {
    /// How long each took, in seconds: loading, deciding, writing, syncing.
    pub seconds: Histogram,
    /// Pushes of each.
    pub pushes: Histogram,
}

impl Default for CommitFigures {
    fn default() -> Self {
        CommitFigures { seconds: Histogram::new(DURATION_BUCKETS), pushes: Histogram::new(BATCH_BUCKETS) }
    }
}

impl CommitFigures {
    /// So many pushes are on disk.
    pub(crate) fn committed(&self, pushes: usize, took: Duration) {
        self.seconds.observe(took.as_secs_f64());
        self.pushes.observe(pushes as f64);
    }
}

/// What the quarantine holds.
#[derive(Debug, Clone)]
pub struct QuarantineFigures {
    /// Refused pushes that were quarantined.
    pub kept: Counter,
    /// Refused pushes that found no room, by the bound that was reached.
    pub no_room: Family<NoRoomLabels, Counter>,
    /// Refused pushes in it.
    pub pushes: Gauge,
    /// Their bytes, pictures included.
    pub bytes: Gauge,
    /// How much of its own bounds the park uses that uses most of them: 1 is full.
    pub fullest_park: Fraction,
}

impl Default for QuarantineFigures {
    fn default() -> Self {
        let no_room = Family::<NoRoomLabels, Counter>::default();
        // There from the start: of a counter that appears with its first event nobody sees that it rose.
        let bounds =
            [QuarantineFull::Disk, QuarantineFull::AllBytes, QuarantineFull::ParkPushes, QuarantineFull::ParkBytes];
        bounds.into_iter().for_each(|why| drop(no_room.get_or_create(&NoRoomLabels::of(why))));
        QuarantineFigures {
            kept: Counter::default(),
            no_room,
            pushes: Gauge::default(),
            bytes: Gauge::default(),
            fullest_park: Fraction::default(),
        }
    }
}

impl NoRoomLabels {
    fn of(why: QuarantineFull) -> NoRoomLabels {
        let bound = match why {
            QuarantineFull::Disk => "disk",
            QuarantineFull::AllBytes => "all_bytes",
            QuarantineFull::ParkPushes => "park_pushes",
            QuarantineFull::ParkBytes => "park_bytes",
        };
        NoRoomLabels { bound }
    }
}

impl QuarantineFigures {
    pub(crate) fn found_no_room(&self, why: QuarantineFull) {
        self.no_room.get_or_create(&NoRoomLabels::of(why)).inc();
    }

    /// What each park holds, as the store has it.
    pub(crate) fn holds(&self, used: &[(ParkId, u64, u64)], bounds: &QuarantineBounds) {
        let share = |used: u64, bound: u64| if bound == 0 { 1.0 } else { used as f64 / bound as f64 };
        let mut fullest: f64 = 0.0;
        let mut all = Usage::default();
        for (park, pushes, bytes) in used {
            let bound = if *park == NO_PARK { bounds.unknown } else { bounds.park };
            fullest = fullest.max(share(*pushes, bound.pushes)).max(share(*bytes, bound.bytes));
            all = all.plus(Usage { pushes: *pushes, bytes: *bytes });
        }
        self.pushes.set(whole(all.pushes));
        self.bytes.set(whole(all.bytes));
        self.fullest_park.set(fullest);
    }
}

/// Labels of what is counted by kind of what is kept.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct KeptLabels {
    kind: &'static str,
}

/// What was kept for as long as it may be.
#[derive(Debug, Clone, Default)]
pub struct RetentionFigures {
    /// When everything that was due was last taken out.
    pub last_round: KnownTime,
    /// What was redacted or deleted, by kind.
    pub taken_out: Family<KeptLabels, Counter>,
    /// What is kept beyond its time, since it is still to be delivered, by kind.
    pub held: Family<KeptLabels, Gauge>,
}

impl RetentionFigures {
    /// What came of a walk through everything of one kind.
    pub(crate) fn walked(&self, kind: &'static str, taken_out: u64, held: u64) {
        self.taken_out.get_or_create(&KeptLabels { kind }).inc_by(taken_out);
        self.held.get_or_create(&KeptLabels { kind }).set(whole(held));
    }
}

/// Times of which some are not known: ms since 1970, or 0.
#[derive(Debug, Clone, Default)]
pub struct KnownTime(Arc<AtomicI64>);

impl KnownTime {
    /// From now on it is this, ms since 1970.
    pub fn set(&self, at_ms: i64) {
        self.0.store(at_ms, Ordering::Relaxed);
    }

    /// It, ms since 1970, if it is known.
    #[must_use]
    pub fn get(&self) -> Option<i64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|at| *at != 0)
    }
}

/// All figures of the gate.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    /// Bytes of pictures stored.
    pub image_bytes: Counter,
    /// The quarantine.
    pub quarantine: QuarantineFigures,
    /// Free bytes of the fullest disk.
    pub disk_free_bytes: Gauge,
    /// All bytes of it.
    pub disk_size_bytes: Gauge,
    /// Bytes of it that are left to good pushes.
    pub disk_reserved_bytes: Gauge,
    /// Advisories of recorded pushes, by code.
    pub advisories: Family<AdvisoryLabels, Counter>,
    /// Commits of pushes.
    pub commits: CommitFigures,
    /// Deliveries.
    pub forwarding: ForwardFigures,
    /// Calls that nobody answers.
    pub unknown_calls: UnknownCalls,
    /// Parks that somebody should look at.
    pub parks: Arc<ParkWatch>,
    /// By how much the system's clock is ahead of the time that is confirmed.
    pub clock_ahead_seconds: Fraction,
    /// When the last whole backup of the store began.
    pub last_backup: KnownTime,
    /// What is kept no longer.
    pub retention: RetentionFigures,
    /// When a gate on this data folder last ended for a fault, such as a failed sync.
    pub last_alarm: KnownTime,
}

/// Labels of what is counted by path.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct PathLabels {
    path: String,
}

/// Calls that nobody answers, by path: what a car park asks for beyond what is here.
#[derive(Debug, Clone, Default)]
pub struct UnknownCalls {
    /// How many.
    pub calls: Family<PathLabels, Counter>,
    counted: Arc<Mutex<HashSet<String>>>,
}

impl UnknownCalls {
    /// One more, under the path as it is shown.
    pub fn count(&self, path: &str) {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let path = counted_path(path, counted.contains(path), counted.len()).to_owned();
        if path != OTHER_PATHS {
            counted.insert(path.clone());
        }
        self.calls.get_or_create(&PathLabels { path }).inc();
    }
}

impl Figures {
    pub(crate) fn disk(&self, room: Option<DiskRoom>, free_min: Option<u64>) {
        if let Some(room) = room {
            self.disk_free_bytes.set(whole(room.free_bytes));
            self.disk_size_bytes.set(whole(room.total_bytes));
            self.disk_reserved_bytes.set(whole(room.floor(free_min)));
        }
    }

    /// A recorded push looks wrong in this way.
    pub fn advise(&self, code: &'static str) {
        self.advisories.get_or_create(&AdvisoryLabels { code }).inc();
    }
}

fn whole(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fullest_park_is_the_one_nearest_to_one_of_its_own_bounds() {
        let figures = QuarantineFigures::default();
        let bounds = QuarantineBounds {
            park: Usage { pushes: 100, bytes: 1000 },
            unknown: Usage { pushes: 10, bytes: 1000 },
            all_bytes: 5000,
            disk_free_min: None,
        };
        figures.holds(&[(ParkId(1), 10, 500), (NO_PARK, 4, 10)], &bounds);
        assert_eq!((figures.pushes.get(), figures.bytes.get()), (14, 510));
        assert!((figures.fullest_park.get() - 0.5).abs() < 1e-9);
        figures.holds(&[(NO_PARK, 9, 10)], &bounds);
        assert!((figures.fullest_park.get() - 0.9).abs() < 1e-9);
        figures.holds(&[], &bounds);
        assert_eq!((figures.pushes.get(), figures.bytes.get(), figures.fullest_park.get()), (0, 0, 0.0));
    }
}
