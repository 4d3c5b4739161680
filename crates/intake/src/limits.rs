//! Bounds on a request.

use std::time::Duration;

use parkgate_wire::Refusal;
use parkgate_wire::form::FormLimits;

/// Bounds on everything a sender can make large, many or slow.
#[derive(Debug, Clone, Copy)]
pub struct IntakeLimits {
    /// One body, in bytes.
    pub body_bytes_max: u64,
    /// All fields of a request together, in bytes: a body without files, too.
    pub fields_bytes_max: usize,
    /// One file, in bytes.
    pub file_bytes_max: u64,
    /// File parts of a request.
    pub files_max: usize,
    /// The form itself.
    pub form: FormLimits,
    /// Between two pieces of a body.
    pub body_idle_timeout: Duration,
    /// A whole body.
    pub body_timeout: Duration,
    /// Bytes a second that a body must have come with, all in all, once it has been coming for `body_rate_after`; 0 for any.
    pub body_rate_min: u64,
    /// How long a body may come more slowly.
    pub body_rate_after: Duration,
}

impl IntakeLimits {
    /// For a body that is in memory already.
    pub(crate) fn of_form(form: FormLimits) -> IntakeLimits {
        IntakeLimits {
            body_bytes_max: u64::MAX,
            fields_bytes_max: usize::MAX,
            file_bytes_max: u64::MAX,
            files_max: form.params_max,
            form,
            body_idle_timeout: Duration::MAX,
            body_timeout: Duration::MAX,
            body_rate_min: 0,
            body_rate_after: Duration::MAX,
        }
    }
}

/// Refuses more bytes of fields than that.
pub(crate) fn check_fields_bytes(bytes: usize, bytes_max: usize) -> Result<(), Refusal> {
    if bytes > bytes_max { Err(Refusal::BodyTooLarge { bytes_max: bytes_max as u64 }) } else { Ok(()) }
}
