//! For tests only: a real gate on a free port, stopped with the test; a car park that signs what it pushes; PostgreSQL
//! and S3.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "for tests only")]

mod agent;
mod authority;
mod bucket;
mod gate;
mod postgres;
mod push;
mod scripted;
mod subscriber;

pub use agent::Agent;
pub use authority::Authority;
pub use bucket::BucketServer;
pub use gate::{TestGate, parkgate, parkgate_with};
pub use postgres::Postgres;
pub use push::{DEMO_PARK, MultipartBody, NamedValues, body, enter, leave, md5_hex, percent, release, signed, update};
pub use scripted::{Scripted, ScriptedReply, ScriptedRequest};
pub use subscriber::{ReceivedDelivery, SubscriberAnswer, TestSubscriber};
