//! The protocol's public face: documented signatures, every variant, and the ambiguity rule as a property.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod ambiguity;
mod charsets;
mod doctor;
mod golden;
mod variants;
