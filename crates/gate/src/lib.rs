//! What becomes of a push, without HTTP: admission, recording, the quarantine and its replay, epochs, forwarding, and the
//! loops in the background.
//!
//! [`Gate::open`] puts the parts together for a server; [`replay`] and [`begin_epoch`] work on a store alone.

pub mod admit;
mod clock;
mod disk;
mod doctor;
mod entry_decision;
mod epoch;
mod fault;
mod figures;
mod forward;
mod free_spaces;
mod gate;
mod hourly;
mod keys;
mod notes;
mod pictures;
mod quarantine;
mod record;
mod registry;
mod replay;
mod retention;
mod settings;
mod supervised;
mod upkeep;

pub use disk::Disk;
pub use entry_decision::entry_decision;
pub use epoch::{EpochBegun, begin_epoch};
pub use fault::GateFault;
pub use figures::{
    CommitFigures, DURATION_BUCKETS, Figures, ForwardFigures, KnownTime, PARKS_SHOWN_MAX, ParkWatch, QuarantineFigures,
    RetentionFigures, SUBSCRIBERS_SHOWN_MAX, SubscriberFigures, UnknownCalls,
};
pub use forward::{
    Compared, CutOff, Forward, Forwarder, NotPassed, PassedAnswer, PassedCall, PassedQuestion, Passing, Reach,
    Schedule, Upstream, reach, summary,
};
pub use free_spaces::FreeSpaces;
pub use gate::Gate;
pub use pictures::{ArrivedFiles, StoredPictures};
pub use quarantine::{Quarantine, Quarantining, RefusalCause, RefusedContent, RefusedFiles, RefusedPush};
pub use record::{PushRecorder, RecordedUnder, Recording};
pub use registry::{KnownPark, Registry};
pub use replay::{Replayed, replay};
pub use settings::{BeforeSettings, Limits, Mode, Settings};
pub use supervised::Supervised;
