//! The HTTP faces of the gate: they take requests and give replies, and decide nothing. Start reading at [`push`], the way
//! of a push.
//!
//! [`serve`] runs the accept loop until it is told to stop and then drains: no new connections, what is in flight is
//! finished, the store is closed.

mod accept;
mod admin;
mod health;
mod metrics;
mod push;
mod refusal_log;
mod reply;
mod router;
mod server;
mod space;

pub use accept::{Listeners, ServeError, TrustedProxies, serve};
