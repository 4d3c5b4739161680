//! Limits on a request.

use std::time::Duration;

use parkgate_wire::Refusal;
use parkgate_wire::form::FormLimits;

/// Limits on everything that a sender can make large, many or slow.
#[derive(Debug, Clone, Copy)]
pub struct IntakeLimits {
    /// One body, in bytes.
    pub body_bytes_max: u64,
    /// All fields of a request together, in bytes; so also a body without files.
    pub fields_bytes_max: usize,
    /// One file, in bytes.
    pub file_bytes_max: u64,
    /// File parts of a request.
    pub files_max: usize,
    /// The form itself.
    pub form: FormLimits,
    /// The longest pause between two pieces of a body.
    pub body_idle_timeout: Duration,
    /// The longest time for a whole body.
    pub body_timeout: Duration,
    /// The average rate, in bytes a second, that a body must reach once it has been arriving for `body_rate_after`; 0
    /// for no minimum.
    pub body_rate_min: u64,
    /// How long a body may arrive more slowly.
    pub body_rate_after: Duration,
}

impl IntakeLimits {
    /// For a body that is already in memory.
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

/// Refuses fields of more bytes than the limit.
pub(crate) fn check_fields_bytes(bytes: usize, bytes_max: usize) -> Result<(), Refusal> {
    if bytes > bytes_max { Err(Refusal::BodyTooLarge { bytes_max: bytes_max as u64 }) } else { Ok(()) }
}
