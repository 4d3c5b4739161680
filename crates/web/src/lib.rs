//! The HTTP faces of the gate: they take requests and give replies, and decide nothing. Start reading at [`push`], the way
//! of a push.
//!
//! [`serve`] runs the accept loop until it is stopped and then drains: no new connections, what is in flight is
//! finished, the store is closed.

mod accept;
mod admin;
mod before;
mod client_address;
mod compare;
mod descriptors;
mod health;
mod host;
mod metrics;
mod outcome;
mod passed;
mod pictures;
mod push;
mod push_log;
mod query_reply;
mod readiness;
mod refusal_log;
mod reply;
mod router;
mod server;
mod space;
mod tls;
mod transport;

pub use accept::{Listeners, ServeError, serve};
pub use client_address::TrustedProxies;
pub use server::Server;
pub use tls::{Tls, TlsError, TlsFiles};
