//! Reads a request's body as a form: decoded within limits, its files streamed to a sink while they are hashed.
//!
//! Gate and agent both read requests with this crate, so that the same bytes always give the same text. It knows HTTP
//! and the protocol, but neither a store nor a server: the body is any [`http_body::Body`], and files go to any
//! [`FileSink`].

mod arrived;
mod budget;
mod form;
mod head;
mod held;
mod host;
mod limits;
mod meter;
mod multipart;
mod named_park;
mod parts;
mod passed;
mod raw;
mod sink;
mod transfer;
mod url_or_file;

pub use arrived::{Arrived, FormWithFiles, Unread};
pub use budget::{BodyBudget, BodyShare};
pub use form::{form_of, read, read_text};
pub use head::is_form;
pub use host::{hosts_named, is_own_host};
pub use limits::IntakeLimits;
pub use named_park::ParkName;
pub use parts::RAW_PART;
pub use passed::PassedBody;
pub use sink::{FileSink, WrittenFile};
