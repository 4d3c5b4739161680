//! The result of reading a request: a form with its files, or why there is none and what arrived all the same.

use bytes::Bytes;
use parkgate_wire::{Form, Refusal};

use crate::raw::Raw;
use crate::sink::FileSink;

/// The form and the files of a request.
#[derive(Debug)]
pub struct FormWithFiles<F> {
    /// Its parameters, and the name, MD5 and size of each file.
    pub form: Form,
    /// Files by the names of their parts.
    pub files: Vec<(String, F)>,
}

/// Why there is no form.
#[derive(Debug)]
pub enum Unread<F, E> {
    /// The sender must correct it.
    Refused {
        /// What is wrong.
        refusal: Refusal,
        /// What arrived, if it may be worth keeping.
        arrived: Option<Box<Arrived>>,
        /// The files received before it failed; and as [`RAW_PART`] what followed, if that is long.
        files: Vec<(String, F)>,
    },
    /// Our fault: a file could not be written.
    Failed(E),
    /// Our limit: all bodies together hold as much memory as they may. The sender may try again.
    NoRoom,
}

/// What arrived of a body that is not a form.
#[derive(Debug, Default)]
pub struct Arrived {
    /// Its `Content-Type`.
    pub content_type: String,
    /// The park it names, if one can be seen.
    pub park_uuid: Option<String>,
    /// The parts of a multipart body before the fault.
    pub form: Form,
    /// The bytes as received: of the whole body, else of what followed those parts.
    pub raw: Bytes,
    /// Is `raw` the whole body?
    pub is_whole: bool,
}

impl Arrived {
    pub(crate) fn new<F>(content_type: &str, form: Form, raw: &Raw<F>, is_whole: bool) -> Arrived {
        let named = form.get("park_uuid").map(str::to_owned);
        Arrived {
            content_type: content_type.to_owned(),
            park_uuid: named.or_else(|| raw.park_uuid.clone()),
            form,
            raw: raw.bytes.clone(),
            is_whole,
        }
    }
}

impl<F, E> From<Refusal> for Unread<F, E> {
    fn from(refusal: Refusal) -> Self {
        Unread::Refused { refusal, arrived: None, files: Vec::new() }
    }
}

pub(crate) type IntakeResult<T, S> = Result<T, Unread<<S as FileSink>::File, <S as FileSink>::Error>>;
