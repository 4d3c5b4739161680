//! Settings as given: the tables of the file, each value optional.

use std::path::PathBuf;
use std::time::Duration;

use parkgate_client::{InvalidDuration, parse_duration};
use parkgate_gate::{BeforeSettings, Forward, Limits, Schedule};
use serde::Deserialize;

use super::http::GivenHttp;
use super::retention::GivenRetention;
use super::tls::GivenTls;

/// Settings as given in the file or the environment.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Given {
    pub(super) listen: Option<String>,
    pub(super) admin_listen: Option<String>,
    pub(super) data: Option<PathBuf>,
    pub(super) store: Option<String>,
    pub(super) images: Option<String>,
    pub(super) node: Option<String>,
    #[serde(default)]
    pub(super) limits: GivenLimits,
    #[serde(default)]
    pub(super) forward: GivenForward,
    #[serde(default)]
    pub(super) before: GivenBefore,
    #[serde(default)]
    pub(super) http: GivenHttp,
    #[serde(default)]
    pub(super) tls: GivenTls,
    #[serde(default)]
    pub(super) retention: GivenRetention,
}

macro_rules! limits {
    ($($name:ident: $type:ty),* $(,)?) => {
        #[derive(Debug, Default, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(super) struct GivenLimits { $(pub(super) $name: Option<$type>),* }

        impl GivenLimits {
            pub(super) const NAMES: &[&str] = &[$(stringify!($name)),*];

            pub(super) fn meant(self) -> Limits {
                let default = Limits::default();
                Limits { $($name: self.$name.map_or(default.$name, Into::into)),* }
            }
        }
    };
}

limits! {
    body_bytes_max: u64,
    file_bytes_max: u64,
    files_max: usize,
    params_max: usize,
    unlisted_max: usize,
    value_bytes_max: usize,
    payments_max: usize,
    fields_bytes_max: usize,
    header_timeout: DurationText,
    idle_timeout: DurationText,
    body_idle_timeout: DurationText,
    body_timeout: DurationText,
    body_rate_min: u64,
    body_rate_after: DurationText,
    bodies_bytes_max: usize,
    connections_max: usize,
    connections_per_address_max: usize,
    queue_max: usize,
    batch_max: usize,
    lanes: usize,
    drain_timeout: DurationText,
    quarantine_pushes_max: u64,
    quarantine_bytes_max: u64,
    quarantine_unknown_pushes_max: u64,
    quarantine_unknown_bytes_max: u64,
    quarantine_total_bytes_max: u64,
    quarantine_days: u32,
    disk_free_min: u64,
    doctor_per_minute: u32,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GivenForward {
    pub(super) allow_private: Option<bool>,
    pub(super) retry_first: Option<DurationText>,
    pub(super) retry_max: Option<DurationText>,
    pub(super) give_up_after: Option<DurationText>,
    pub(super) timeout: Option<DurationText>,
}

impl GivenForward {
    pub(super) const NAMES: &[&str] = &["allow_private", "retry_first", "retry_max", "give_up_after", "timeout"];

    pub(super) fn meant(self) -> Forward {
        let default = Forward::default();
        let schedule = Schedule {
            retry_first: self.retry_first.map_or(default.schedule.retry_first, Into::into),
            retry_max: self.retry_max.map_or(default.schedule.retry_max, Into::into),
            give_up_after: self.give_up_after.map_or(default.schedule.give_up_after, Into::into),
        };
        Forward {
            allow_private: self.allow_private.unwrap_or(default.allow_private),
            schedule,
            timeout: self.timeout.map_or(default.timeout, Into::into),
        }
    }

    /// Without a pause or a time-out there would be no end of requests.
    pub(super) fn has_none(&self) -> bool {
        [self.retry_first, self.retry_max, self.timeout].iter().flatten().any(|span| span.0.is_zero())
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GivenBefore {
    pub(super) deadline: Option<DurationText>,
}

impl GivenBefore {
    pub(super) const NAMES: &[&str] = &["deadline"];

    pub(super) fn meant(self) -> BeforeSettings {
        let default = BeforeSettings::default();
        BeforeSettings { deadline: self.deadline.map_or(default.deadline, Into::into) }
    }

    /// Without any time nobody else could be asked.
    pub(super) fn has_none(&self) -> bool {
        self.deadline.is_some_and(|deadline| deadline.0.is_zero())
    }
}

/// No machine has more open connections than this.
pub(super) const CONNECTIONS_MAX: usize = 1 << 24;
/// Each lane has a database connection, and a database usually allows a hundred in all.
pub(super) const LANES_MAX: usize = 64;

impl GivenLimits {
    /// Some of these must be at least 1, or the gate would accept nothing.
    pub(super) fn has_none(&self) -> bool {
        let bytes = self.body_bytes_max == Some(0);
        let counts = [self.params_max, self.value_bytes_max, self.payments_max, self.fields_bytes_max];
        let work = [self.connections_max, self.connections_per_address_max, self.queue_max, self.batch_max];
        bytes || counts.contains(&Some(0)) || work.contains(&Some(0))
    }
}

/// `"500ms"`, `"30s"`, `"5m"`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct DurationText(Duration);

impl From<DurationText> for Duration {
    fn from(span: DurationText) -> Self {
        span.0
    }
}

impl TryFrom<String> for DurationText {
    type Error = InvalidDuration;

    fn try_from(text: String) -> Result<Self, InvalidDuration> {
        parse_duration(&text).map(DurationText)
    }
}
