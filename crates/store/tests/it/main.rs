//! The store as its users see it. [`conformance`] holds for every store.
#![expect(clippy::unwrap_used, reason = "tests")]

mod bucket;
mod conformance;
mod push;
mod recorder;
mod sqlite;
