//! The client half of the push protocol: build, sign, send, classify the reply. And the loop that delivers what must arrive:
//! [`Dispatch`], over a [`Queue`], for agent and gate alike.
//!
//! ```no_run
//! # async fn example() -> Result<(), parkgate_client::ClientError> {
//! use parkgate_client::{CarType, Client, Credentials, Leave, Outcome, PayType, LeavePayment, PlateColor};
//! use parkgate_wire::{PushKind, Secret, UnixMillis};
//!
//! let park_uuid = "49f0cc52-e8c7-41e3-b54d-af666b8cc11a";
//! let client = Client::new("http://127.0.0.1:8080", Some(park_uuid), Credentials::of_park(Secret::new("123")))?;
//! let (entered, left) = (UnixMillis(1624874732253), UnixMillis(1624937505093));
//! let leave = Leave::new("202106028000000007", entered, left, CarType::Temporary, "临时车")
//!     .plate("粤B12345", PlateColor::Blue)
//!     .payment(LeavePayment::new("PO1624937505093", PayType::Online, 500, left).free(100))
//!     .total(600)
//!     .space(100, 10)
//!     .image("leave.jpg");
//! match client.push(PushKind::Leave, leave).await? {
//!     Outcome::Accepted(reply) => println!("recorded as {}", reply.seqno),
//!     Outcome::AcceptedWithHint(reply) => println!("taken, but: {:?}", reply.hint),
//!     Outcome::Refused(reply) => println!("correct it: {:?}", reply.hint),
//!     Outcome::Denied { reason, .. } => println!("keep it, and check the secret and the park: {reason}"),
//!     Outcome::TooLarge { reason } => println!("send it without its pictures: {reason}"),
//!     Outcome::TryLater { reason, .. } => println!("keep it and send it again: {reason}"),
//! }
//! # Ok(()) }
//! ```

mod backoff;
mod before;
mod circuit;
mod client;
mod clock;
mod dispatch;
mod draft;
mod duration;
mod error;
mod outcome;
mod rate;
mod record;

pub use backoff::{Backoff, http_date, retry_after};
pub use before::{EntryAnswer, EntryQuestion};
pub use circuit::{Circuit, CircuitChange, Contact};
pub use client::{Client, Credentials, host_of};
pub use clock::{chance, now};
pub use dispatch::{ClaimBatch, ClaimWish, Dispatch, DispatchLimits, Queue, ReleaseReason};
pub use draft::{Draft, Signing, text_part};
pub use duration::{InvalidDuration, parse_duration};
pub use error::ClientError;
pub use outcome::{Denial, Outcome, classify, classify_call, lacks_call};
pub use parkgate_wire::EntryAdvice;
pub use rate::Rate;
pub use record::{CarType, Enter, Leave, LeavePayment, PayType, PlateColor, Release, ReleaseType, Update};

#[cfg(test)]
mod tests;
