//! Every call of the store, once for both databases: load, let the ledger decide, write.

pub(crate) mod batch;
pub(crate) mod clock;
pub(crate) mod conflicts;
pub(crate) mod deliveries;
pub(crate) mod epochs;
mod forwarding;
pub(crate) mod identity;
pub(crate) mod quarantine;
mod record_pages;
pub(crate) mod records;
pub(crate) mod recount;
pub(crate) mod registry;
pub(crate) mod subscribers;
pub(crate) mod survey;
pub(crate) mod visits;
