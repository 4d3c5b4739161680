//! What becomes of a push, without HTTP: admission, recording, the quarantine and its replay, epochs, forwarding, and the
//! loops in the background.
//!
//! [`Gate::open`] puts the parts together for a server; [`replay`] and [`begin_epoch`] work on a store alone.

pub mod admit;
mod clock;
pub mod disk;
mod doctor;
mod epoch;
mod fault;
mod figures;
pub mod forward;
mod gate;
pub mod quarantine;
pub mod registry;
mod replay;
mod settings;
pub mod upkeep;

pub use epoch::{Begun, begin_epoch};
pub use fault::Fault;
pub use figures::{Figures, ForwardFigures};
pub use forward::{Forward, Reach, Schedule, reach};
pub use gate::{Gate, now_ms};
pub use replay::{Replayed, replay};
pub use settings::{Limits, Mode, Settings};
