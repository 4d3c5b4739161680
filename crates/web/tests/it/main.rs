//! The gate within a process, where a test can raise what no request can.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod alarm;
