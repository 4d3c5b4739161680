//! Every call of the store, once for both databases: load, let the ledger decide, write.

pub(crate) mod clock;
pub(crate) mod deliveries;
mod forwarding;
pub(crate) mod identity;
mod records;
pub(crate) mod registry;
pub(crate) mod subscribers;
