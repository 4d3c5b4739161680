//! What can be set, with the defaults and their reasons.

use std::time::Duration;

use parkgate_intake::IntakeLimits;
use parkgate_ledger::quarantine::{QuarantineBounds, Usage};
use parkgate_ledger::retention::RetentionDefaults;
use parkgate_wire::form::FormLimits;

use crate::forward::Forward;

/// How the gate runs.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `data_node` of every reply.
    pub node: String,
    /// Bounds on what is taken.
    pub limits: Limits,
    /// How deliveries are made.
    pub forward: Forward,
    /// How it is answered whether a vehicle may enter.
    pub before: BeforeSettings,
    /// How long what is kept of parks that say nothing else.
    pub retention: RetentionDefaults,
    /// Record, or only verify.
    pub mode: Mode,
}

/// How the question before the barrier opens is answered.
#[derive(Debug, Clone, Copy)]
pub struct BeforeSettings {
    /// The longest that an answer may take once the question was read: a vehicle waits. Only another platform that is asked, or
    /// a store that is asked for the first time, takes that long; then the car park decides.
    pub deadline: Duration,
}

impl Default for BeforeSettings {
    fn default() -> Self {
        BeforeSettings { deadline: Duration::from_secs(1) }
    }
}

/// What happens to a verified push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It is recorded durably.
    Record,
    /// It is answered and forgotten: the ceiling that `bench/` measures recording against.
    VerifyOnly,
}

/// Bounds on everything a sender can make large, many or slow.
#[derive(Debug, Clone)]
pub struct Limits {
    /// One body: four pictures and the fields.
    pub body_bytes_max: u64,
    /// One file.
    pub file_bytes_max: u64,
    /// File parts of a request: the document names four.
    pub files_max: usize,
    /// Parameters of a request, files not counted.
    pub params_max: usize,
    /// Parameters whose names the document does not list.
    pub unlisted_max: usize,
    /// One value.
    pub value_bytes_max: usize,
    /// Entries of a `payment_list`.
    pub payments_max: usize,
    /// All fields of a request together.
    pub fields_bytes_max: usize,
    /// From the first byte of a header, or from the opening of the connection, to the header's end.
    pub header_timeout: Duration,
    /// How long a connection is kept after a reply, for the next request.
    pub idle_timeout: Duration,
    /// Between two pieces of a body; and until a reply is read on.
    pub body_idle_timeout: Duration,
    /// A whole body.
    pub body_timeout: Duration,
    /// Bytes a second that a body must have come with at least, all in all, once it has been coming for
    /// `body_rate_after`; 0 for any.
    pub body_rate_min: u64,
    /// How long a body may come more slowly.
    pub body_rate_after: Duration,
    /// What all bodies together keep in memory, in bytes; a sender may keep as much as is left free. More are answered 503.
    pub bodies_bytes_max: usize,
    /// Open connections, as far as the system allows so many files. Beyond, the one that has waited longest for a request
    /// is closed; if none waits, more are not accepted yet.
    pub connections_max: usize,
    /// Of one address, an IPv6 host having one; requests at a time where a proxy that is trusted brings them. More are
    /// answered 503.
    pub connections_per_address_max: usize,
    /// Pushes waiting for the store; more are answered 503 at once.
    pub queue_max: usize,
    /// Pushes committed together at most.
    pub batch_max: usize,
    /// Batches in flight at once, with PostgreSQL: 0, by the machine's cores. More help where the database is far away.
    pub lanes: usize,
    /// How long a stop waits for what is in flight.
    pub drain_timeout: Duration,
    /// Refused pushes of one park kept in the quarantine; more are answered 503.
    pub quarantine_pushes_max: u64,
    /// Their bytes, pictures included.
    pub quarantine_bytes_max: u64,
    /// Refused pushes kept that name no known park.
    pub quarantine_unknown_pushes_max: u64,
    /// Their bytes.
    pub quarantine_unknown_bytes_max: u64,
    /// Bytes of all refused pushes kept together, pictures included.
    pub quarantine_total_bytes_max: u64,
    /// How long they are kept, in days.
    pub quarantine_days: u32,
    /// Free bytes of the disk below which only good pushes are taken; without it a gibibyte, or a twentieth of a small disk.
    pub disk_free_min: Option<u64>,
    /// Wrong signatures of one park that the sign doctor looks at in a minute.
    pub doctor_per_minute: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            body_bytes_max: 21 * 1024 * 1024, // 4 pictures × 5 MiB + 1 MiB of fields
            file_bytes_max: 5 * 1024 * 1024,
            files_max: 4,
            params_max: 128,
            unlisted_max: 32,
            value_bytes_max: 64 * 1024,
            payments_max: 1000,
            fields_bytes_max: 512 * 1024,
            header_timeout: Duration::from_secs(15),
            // What many clients take for granted: nginx and Apache's client have it, and load balancers keep shorter.
            idle_timeout: Duration::from_secs(75),
            body_idle_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(60),
            // Slower than any line that carries a picture within `body_timeout`.
            body_rate_min: 1024,
            body_rate_after: Duration::from_secs(10),
            // Four hundred of the longest forms at a time, or a thousand pushes with pictures, which go to disk.
            bodies_bytes_max: 256 * 1024 * 1024,
            connections_max: 8192,
            // An eighth of them: an agent sends 32 pushes at a time, a platform's server some hundreds.
            connections_per_address_max: 1024,
            queue_max: 4096,
            batch_max: 512,
            lanes: 0,
            drain_timeout: Duration::from_secs(30),
            quarantine_pushes_max: 10_000,
            quarantine_bytes_max: 1 << 30,
            quarantine_unknown_pushes_max: 1000,
            quarantine_unknown_bytes_max: 64 << 20,
            // Eight parks at their bound: a wrong secret is one park's mistake, wrong ones of many parks at once are a flood.
            quarantine_total_bytes_max: 8 << 30,
            quarantine_days: 30,
            disk_free_min: None,
            doctor_per_minute: 60,
        }
    }
}

impl Limits {
    pub(crate) fn quarantine(&self) -> QuarantineBounds {
        QuarantineBounds {
            park: Usage { pushes: self.quarantine_pushes_max, bytes: self.quarantine_bytes_max },
            unknown: Usage { pushes: self.quarantine_unknown_pushes_max, bytes: self.quarantine_unknown_bytes_max },
            all_bytes: self.quarantine_total_bytes_max,
            disk_free_min: self.disk_free_min,
        }
    }

    /// Bounds on a request.
    pub fn intake(&self) -> IntakeLimits {
        IntakeLimits {
            body_bytes_max: self.body_bytes_max,
            fields_bytes_max: self.fields_bytes_max,
            file_bytes_max: self.file_bytes_max,
            files_max: self.files_max,
            form: self.form(),
            body_idle_timeout: self.body_idle_timeout,
            body_timeout: self.body_timeout,
            body_rate_min: self.body_rate_min,
            body_rate_after: self.body_rate_after,
        }
    }

    /// Bounds on a form.
    #[must_use]
    pub fn form(&self) -> FormLimits {
        FormLimits {
            params_max: self.params_max,
            unlisted_max: self.unlisted_max,
            value_bytes_max: self.value_bytes_max,
            payments_max: self.payments_max,
        }
    }
}
