//! The push protocol of `leave.md`, pure: no I/O, no clock, no async.
//!
//! A body becomes a [`Form`] (an ordered list of names and values, raw and decoded), a form whose signature matches
//! becomes a [`VerifiedForm`], and that becomes a typed [`Push`]. What is wrong on the way is a [`Refusal`], in the
//! order of the checks; what only looks wrong is an [`Advisory`]. A [`Reply`] is written by the gate and read by the
//! client.

pub mod advisory;
mod ambiguity;
pub mod call;
pub mod canonical;
pub mod content_type;
pub mod doctor;
mod endpoint;
pub mod field;
pub mod form;
pub mod lost_text;
pub mod naming;
mod pairs;
mod params;
mod personal;
pub mod push;
mod push_kind;
pub mod refusal;
pub mod reply;
pub mod signature;
pub mod value;

pub use advisory::Advisory;
pub use call::Call;
pub use canonical::Variant;
pub use endpoint::{
    SPACE_PATH, call_at, call_endpoint, endpoint, endpoint_of_path, is_below_gate, may_be_passed_on, shown_path,
};
pub use form::{Form, FormBuilder, UploadedFile};
pub use naming::Naming;
pub use params::{Params, TRANSPORT_NAMES};
pub use personal::{is_personal, without_personal};
pub use push::{Payment, Push, SpaceReport};
pub use push_kind::{KindSet, PushKind};
pub use refusal::Refusal;
pub use reply::{EntryAdvice, EntryReply, Reply};
pub use signature::{Mismatch, Secret, Verified, VerifiedForm, sign, verify};
pub use value::{Digest, Fen, Md5Hash, Seqno, UnixMillis};
