//! The car park's half: takes records, keeps them until the platform has them, and never gets stuck on one.
//!
//! Records come by local HTTP, from a spool folder, or from the command line into an [`Outbox`]; the sender takes them from
//! there. Nothing relies on Parkgate's own extras: any platform of the protocol will do.

pub mod check;
mod classify;
pub mod config;
mod denials;
mod guard;
mod local_api;
mod lock;
pub mod outbox;
mod problem;
pub mod record;
mod run;
mod sender;
pub mod space;
mod spool;
pub mod status;
mod tasks;
mod upload;

pub use config::AgentConfig;
pub use outbox::{Added, Outbox};
pub use record::Record;
pub use run::run;
pub use space::{SpaceCount, SpaceSource};
pub use tasks::RunError;
