//! Retention: how long each kind of data is kept, by park, and what is due to go.
//!
//! Spans are whole days, so that a month or a year means the same number of days everywhere: the car park, the operator and
//! the law count days.

use std::fmt;

use parkgate_wire::UnixMillis;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// A hundred years: a longer one is a typing error, and `never` says what it means.
const DAYS_MAX: i64 = 100 * 365;

/// As of when a record ages: its receipt; if that was by a clock that was ahead of the certain time, when it happened.
#[must_use]
pub fn aged_as_of(received_at: UnixMillis, event_time: UnixMillis, now: UnixMillis) -> UnixMillis {
    if received_at > now { event_time } else { received_at }
}

/// What is kept for its own time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetentionKind {
    /// Plates, ID data and everything in records but sums and what they are of.
    Personal,
    /// Uploaded pictures of records.
    Pictures,
    /// Whole stays.
    Visits,
    /// Refused pushes.
    Quarantine,
    /// Ignored pushes.
    Conflicts,
}

impl RetentionKind {
    /// In the order in which they are listed.
    pub const ALL: [RetentionKind; 5] = [
        RetentionKind::Personal,
        RetentionKind::Pictures,
        RetentionKind::Visits,
        RetentionKind::Quarantine,
        RetentionKind::Conflicts,
    ];

    /// As settings and the command line write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            RetentionKind::Personal => "personal",
            RetentionKind::Pictures => "pictures",
            RetentionKind::Visits => "visits",
            RetentionKind::Quarantine => "quarantine",
            RetentionKind::Conflicts => "conflicts",
        }
    }
}

/// How long something is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeepFor {
    /// So many days.
    Days(i64),
    /// It never goes by its age.
    Ever,
}

impl KeepFor {
    /// Reads `30d`, `4w`, `3y` (of 365 days) or `never`: it never goes.
    ///
    /// # Errors
    /// It is anything else; `m` could be minutes or months.
    pub fn parse(text: &str) -> Result<KeepFor, InvalidRetention> {
        if text == "never" {
            return Ok(KeepFor::Ever);
        }
        let wrong = |why| InvalidRetention { text: text.to_owned(), why };
        let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let days_of_unit = match unit {
            "d" => 1,
            "w" => 7,
            "y" => 365,
            "m" => return Err(wrong(WrongRetention::Month)),
            _ => return Err(wrong(WrongRetention::Form)),
        };
        let number: i64 = number.parse().map_err(|_| wrong(WrongRetention::Form))?;
        match number.checked_mul(days_of_unit) {
            Some(days @ 1..=DAYS_MAX) => Ok(KeepFor::Days(days)),
            Some(_) | None => Err(wrong(WrongRetention::Range)),
        }
    }

    /// What was received before this time is due; nothing if it never goes.
    #[must_use]
    pub fn due_before(self, now: UnixMillis) -> Option<UnixMillis> {
        match self {
            KeepFor::Days(days) => Some(UnixMillis(now.0.saturating_sub(days.saturating_mul(DAY_MS)))),
            KeepFor::Ever => None,
        }
    }
}

impl fmt::Display for KeepFor {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeepFor::Days(days) => write!(out, "{days}d"),
            KeepFor::Ever => out.write_str("never"),
        }
    }
}

/// A retention that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidRetention {
    /// As given.
    pub text: String,
    /// What is wrong with it.
    pub why: WrongRetention,
}

impl fmt::Display for InvalidRetention {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self.why {
            WrongRetention::Form => "write a number of days, weeks or years (30d, 4w, 3y), or never",
            WrongRetention::Month => "m could be minutes or months: write days, as in 90d",
            WrongRetention::Range => "must be between 1d and 100y",
            WrongRetention::Kind => {
                "there are personal, pictures, visits, quarantine, conflicts, each once, as in personal=30d"
            }
        };
        write!(out, "{}: {why}", self.text)
    }
}

impl std::error::Error for InvalidRetention {}

/// What is wrong with a retention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WrongRetention {
    /// It is no number with a unit.
    Form,
    /// Its unit is `m`.
    Month,
    /// It is less than a day or more than a hundred years.
    Range,
    /// It is no kind, or one that was named before.
    Kind,
}

/// How long a park's data are kept, by kind; what is not set follows the gate's settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ParkRetention([Option<KeepFor>; RetentionKind::ALL.len()]);

impl ParkRetention {
    /// What is set of a kind.
    #[must_use]
    pub fn of(&self, kind: RetentionKind) -> Option<KeepFor> {
        self.0.get(kind as usize).copied().flatten()
    }

    fn set(&mut self, kind: RetentionKind, keep: Option<KeepFor>) {
        if let Some(place) = self.0.get_mut(kind as usize) {
            *place = keep;
        }
    }

    /// This one, changed as `personal=30d,visits=never,pictures=default` says: a kind that is not named stays.
    ///
    /// # Errors
    /// An entry that is none, or a kind that is named twice.
    pub fn changed(mut self, text: &str) -> Result<ParkRetention, InvalidRetention> {
        let mut named: Vec<RetentionKind> = Vec::new();
        for entry in text.split(',').map(str::trim) {
            let unknown = || InvalidRetention { text: entry.to_owned(), why: WrongRetention::Kind };
            let (name, keep) = entry.split_once('=').ok_or_else(unknown)?;
            let kind = RetentionKind::ALL.into_iter().find(|kind| kind.name() == name.trim()).ok_or_else(unknown)?;
            if named.contains(&kind) {
                return Err(unknown());
            }
            named.push(kind);
            self.set(kind, if keep.trim() == "default" { None } else { Some(KeepFor::parse(keep.trim())?) });
        }
        Ok(self)
    }
}

impl fmt::Display for ParkRetention {
    /// As [`ParkRetention::changed`] reads it; nothing of what is not set.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = RetentionKind::ALL.into_iter().filter_map(|kind| Some((kind, self.of(kind)?)));
        for (index, (kind, keep)) in set.enumerate() {
            let comma = if index > 0 { "," } else { "" };
            write!(out, "{comma}{}={keep}", kind.name())?;
        }
        Ok(())
    }
}

/// How long the data of parks are kept that say nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetentionDefaults {
    /// Plates and ID data.
    pub personal: KeepFor,
    /// Pictures.
    pub pictures: KeepFor,
    /// Stays.
    pub visits: KeepFor,
    /// Refused pushes.
    pub quarantine: KeepFor,
    /// Ignored pushes.
    pub conflicts: KeepFor,
}

impl Default for RetentionDefaults {
    /// Nothing that was recorded goes unless the operator says so: how long it must be kept, tax and parking rules of the place
    /// say, and what is gone cannot be brought back. What was refused was never anybody's record.
    fn default() -> Self {
        let ever = KeepFor::Ever;
        RetentionDefaults {
            personal: ever,
            pictures: ever,
            visits: ever,
            quarantine: KeepFor::Days(30),
            conflicts: ever,
        }
    }
}

impl RetentionDefaults {
    /// How long a kind is kept of a park.
    #[must_use]
    pub fn of(&self, park: &ParkRetention, kind: RetentionKind) -> KeepFor {
        park.of(kind).unwrap_or(match kind {
            RetentionKind::Personal => self.personal,
            RetentionKind::Pictures => self.pictures,
            RetentionKind::Visits => self.visits,
            RetentionKind::Quarantine => self.quarantine,
            RetentionKind::Conflicts => self.conflicts,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_days_weeks_years_or_never_and_nothing_else() {
        for (text, days) in [("1d", 1), ("30d", 30), ("4w", 28), ("3y", 1095), ("100y", 36_500), ("36500d", 36_500)] {
            assert_eq!(KeepFor::parse(text), Ok(KeepFor::Days(days)), "{text}");
        }
        assert_eq!(KeepFor::parse("never"), Ok(KeepFor::Ever));
        for (text, why) in [
            ("", WrongRetention::Form),
            ("30", WrongRetention::Form),
            ("d", WrongRetention::Form),
            ("-1d", WrongRetention::Form),
            ("1.5y", WrongRetention::Form),
            ("30D", WrongRetention::Form),
            ("12h", WrongRetention::Form),
            ("3mo", WrongRetention::Form),
            ("3m", WrongRetention::Month),
            ("0d", WrongRetention::Range),
            ("101y", WrongRetention::Range),
            ("36501d", WrongRetention::Range),
            ("9223372036854775807y", WrongRetention::Range),
            ("99999999999999999999d", WrongRetention::Form),
        ] {
            assert_eq!(KeepFor::parse(text).map_err(|error| error.why), Err(why), "{text}");
        }
    }

    #[test]
    fn a_park_changes_the_kinds_it_names_and_gives_others_back_to_the_settings() {
        let first = ParkRetention::default().changed("personal=30d, visits=3y").unwrap();
        assert_eq!(first.to_string(), "personal=30d,visits=1095d");
        let second = first.changed("visits=default,quarantine=never").unwrap();
        assert_eq!(second.to_string(), "personal=30d,quarantine=never");
        assert_eq!(ParkRetention::default().changed(&second.to_string()), Ok(second));
        let defaults = RetentionDefaults::default();
        assert_eq!(defaults.of(&second, RetentionKind::Personal), KeepFor::Days(30));
        assert_eq!(defaults.of(&second, RetentionKind::Visits), KeepFor::Ever);
        assert_eq!(defaults.of(&ParkRetention::default(), RetentionKind::Quarantine), KeepFor::Days(30));
        for wrong in ["", "personal", "people=3d", "visits=1y,visits=2y", "personal=30d,"] {
            assert_eq!(first.changed(wrong).map_err(|error| error.why), Err(WrongRetention::Kind), "{wrong}");
        }
    }

    #[test]
    fn due_is_what_came_before_so_many_days() {
        let now = UnixMillis(100 * DAY_MS);
        assert_eq!(KeepFor::Days(30).due_before(now), Some(UnixMillis(70 * DAY_MS)));
        assert_eq!(KeepFor::Days(DAYS_MAX).due_before(UnixMillis(i64::MIN)), Some(UnixMillis(i64::MIN)));
        assert_eq!(KeepFor::Ever.due_before(now), None);
    }
}
