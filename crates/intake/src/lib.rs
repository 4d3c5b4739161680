//! A request's body as a form: decoded within limits, its files streamed to a sink while they are hashed.
//!
//! Gate and agent read requests with this crate, so that both take the same bytes for the same text. It knows HTTP and
//! the protocol, and neither a store nor a server: the body is any [`http_body::Body`], and files go to any [`FileSink`].

mod form;
mod limits;
mod meter;
mod sink;

pub use form::{Arrived, Intake, Unread, is_form, read, read_text};
pub use limits::IntakeLimits;
pub use sink::{FileSink, Written};
