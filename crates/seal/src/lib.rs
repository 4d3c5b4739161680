//! Everything on disk is for its owner only: secrets and personal data sealed under a master key, folders and files
//! that no other user can open, and names that survive a power cut. Gate and agent keep their data in the same way.

pub mod disk;
mod key;
mod seal;

pub use key::{KeyError, MasterKey};
pub use seal::{Seal, SealError};
