//! The rules as named properties, checked against a model that recomputes everything from the plain list of arrivals.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod delivery;
mod epoch;
mod fanout;
mod memory_store;
mod model;
mod properties;
mod visits;
