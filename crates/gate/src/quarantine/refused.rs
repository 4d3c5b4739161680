//! A refused push, and whether it is worth keeping.

use std::net::IpAddr;
use std::sync::Arc;

use parkgate_store::images::ImageError;
use parkgate_wire::field::CAPTURE_IMAGE_HASH;
use parkgate_wire::refusal::{Reason, RefusalClass};
use parkgate_wire::{Form, PushKind, Refusal, Seqno, UnixMillis};

use super::content::RefusedContent;
use crate::admit::{Rejection, key_taken};
use crate::pictures::{ArrivedFiles, StoredPictures, part_of};
use crate::registry::KnownPark;

/// A refused push.
pub struct RefusedPush<'a> {
    /// The park it is of, if that is known.
    pub park: Option<&'a KnownPark>,
    /// Which call.
    pub kind: PushKind,
    /// The name of the push.
    pub seqno: Seqno,
    /// When it came.
    pub received_at: UnixMillis,
    /// Who sent it.
    pub address: IpAddr,
    /// Why it is refused.
    pub cause: RefusalCause<'a>,
    /// What it brought.
    pub content: RefusedContent,
    /// Its files.
    pub files: RefusedFiles,
}

/// Why a push is in the quarantine.
#[derive(Clone, Copy)]
pub enum RefusalCause<'a> {
    /// It is not admitted.
    Rejected(&'a Rejection),
    /// It is genuine, but so many others came with its key that it is not kept as a conflict any more.
    KeyTaken(&'a str),
}

impl RefusalCause<'_> {
    pub(super) fn hint(self, kind: PushKind) -> String {
        match self {
            RefusalCause::Rejected(rejection) => rejection.hint(kind.call().replies),
            RefusalCause::KeyTaken(key) => key_taken(kind, key),
        }
    }

    pub(super) fn reason(self) -> &'static str {
        match self {
            RefusalCause::Rejected(rejection) => rejection.reason(),
            RefusalCause::KeyTaken(_) => Reason::Conflict.name(),
        }
    }

    /// A push that is no push at all, or over a limit, is not: its sender got a reply and still has it. Nor is one from an
    /// address that may not push: it would take the room of those that may.
    pub(super) fn is_worth_keeping(self) -> bool {
        match self {
            RefusalCause::KeyTaken(_) | RefusalCause::Rejected(Rejection::Mismatched(_)) => true,
            RefusalCause::Rejected(Rejection::Refused(refusal)) => match refusal {
                Refusal::Method { .. } | Refusal::QuerySent | Refusal::AddressNotAllowed => false,
                // Genuine, and over a limit of ours: the limit can be raised, and the push replayed.
                Refusal::TooManyPayments { .. } => true,
                refusal => matches!(refusal.class(), RefusalClass::BadRequest | RefusalClass::Forbidden),
            },
        }
    }
}

/// The files of a refused push, by part name.
pub enum RefusedFiles {
    /// Not durable yet.
    Arrived(ArrivedFiles),
    /// Durable already: the push was about to be recorded.
    Stored(StoredPictures),
}

impl RefusedFiles {
    /// Of an admitted push whose pictures were stored by parameter.
    #[must_use]
    pub fn of_admitted(pictures: StoredPictures, form: &Form) -> RefusedFiles {
        let has_hash = form.get(CAPTURE_IMAGE_HASH).is_some();
        RefusedFiles::Stored(pictures.into_iter().map(|(name, picture)| (part_of(&name, has_hash), picture)).collect())
    }

    /// Bytes that are not durable yet.
    pub(super) fn arrived_bytes(&self) -> u64 {
        match self {
            RefusedFiles::Arrived(files) => files.iter().map(|(_, file)| file.size()).sum(),
            RefusedFiles::Stored(_) => 0,
        }
    }

    /// Makes them durable, one by one: good pushes go first.
    pub(super) async fn store(self) -> Result<StoredPictures, ImageError> {
        match self {
            RefusedFiles::Stored(pictures) => Ok(pictures),
            RefusedFiles::Arrived(files) => {
                let mut pictures = Vec::with_capacity(files.len());
                for (part, file) in files {
                    pictures.push((part, Arc::new(file.store().await?)));
                }
                Ok(pictures)
            }
        }
    }
}
