//! What came of reading a request: a form with its files, or why there is none and what arrived all the same.

use bytes::Bytes;
use parkgate_wire::{Form, Refusal};

use crate::raw::Raw;
use crate::sink::FileSink;

/// What a request brought.
#[derive(Debug)]
pub struct FormWithFiles<F> {
    /// Its parameters, and name, MD5 and size of its files.
    pub form: Form,
    /// Part names and files.
    pub files: Vec<(String, F)>,
}

/// Why there is no form.
#[derive(Debug)]
pub enum Unread<F, E> {
    /// The sender's to mend.
    Refused {
        /// What is wrong.
        refusal: Refusal,
        /// What arrived, where it may be worth keeping.
        arrived: Option<Box<Arrived>>,
        /// The files that came before it broke; and as [`RAW_PART`] what followed, if that is long.
        files: Vec<(String, F)>,
    },
    /// Ours: a file could not be written.
    Failed(E),
    /// Ours: bodies keep as much in memory as they may. The sender may come again.
    NoRoom,
}

/// What arrived of a body that is no form.
#[derive(Debug, Default)]
pub struct Arrived {
    /// Its `Content-Type`.
    pub content_type: String,
    /// The park it names, as far as that can be seen.
    pub park_uuid: Option<String>,
    /// The parts of a multipart body before it broke.
    pub form: Form,
    /// The bytes as they came: of the whole body, else of what followed those parts.
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
