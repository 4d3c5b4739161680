//! The store as its users see it. [`conformance`] holds for every store.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod bucket;
mod conformance;
mod months;
mod postgres;
mod push;
mod recorder;
mod sqlite;
