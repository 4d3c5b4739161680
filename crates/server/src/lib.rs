//! The HTTP face of the gate. Start reading at [`push`], the way of a push.
//!
//! [`Gate::open`] puts the parts together, [`serve`] runs the accept loop until it is told to stop and then drains:
//! no new connections, what is in flight is finished, the store is closed.

mod accept;
mod admin;
mod aside;
mod clock;
mod disk;
mod epoch;
mod fault;
mod forward;
mod gate;
mod health;
mod judge;
mod metrics;
mod push;
mod refusal_log;
mod registry;
mod replay;
mod router;
mod settings;
mod space;
mod upkeep;

pub use accept::{Listeners, ServeError, TrustedProxies, serve};
pub use epoch::{Begun, begin_epoch};
pub use fault::Fault;
pub use forward::{Forward, Reach, Schedule, reach};
pub use gate::Gate;
pub use replay::{Replayed, replay};
pub use settings::{Limits, Mode, Settings};
