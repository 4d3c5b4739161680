//! Everything on disk is for its owner only: secrets and personal data sealed under a master key, folders and files
//! that no other user can open, and names that survive a power cut. Gate and agent keep their data in the same way.

pub mod disk;
mod key;
mod ring;
mod seal;

pub use key::{KeyError, KeyId, MasterKey};
pub use ring::{KeyRing, KeySource};
pub use seal::{HEADER_BYTES, Seal, SealError};
