//! Times as people of a zone read them.

use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, civil::DateTime};

/// Milliseconds of a day, and days from Excel's epoch to that of Unix.
const DAY_MS: f64 = 86_400_000.0;
const EXCEL_DAYS: f64 = 25_569.0;

/// Turns milliseconds since 1970 into local times.
#[derive(Debug, Clone)]
pub(crate) struct LocalTimes(TimeZone);

impl LocalTimes {
    pub(crate) fn of(zone: TimeZone) -> LocalTimes {
        LocalTimes(zone)
    }

    fn local(&self, ms: i64) -> Option<(DateTime, Offset)> {
        let at = Timestamp::from_millisecond(ms).ok()?;
        let offset = self.0.to_offset(at);
        Some((offset.to_datetime(at), offset))
    }

    /// `2026-11-25T18:38:34.000+08:00`; milliseconds where the calendar ends.
    pub(crate) fn push(&self, ms: i64, out: &mut Vec<u8>) {
        use std::io::Write as _;
        let written = match self.local(ms) {
            None => write!(out, "{ms}"),
            Some((local, offset)) => {
                let (date, time, seconds) = (local.date(), local.time(), offset.seconds());
                let (sign, minutes) = (if seconds < 0 { '-' } else { '+' }, seconds.abs() / 60);
                write!(
                    out,
                    "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}{sign}{:02}:{:02}",
                    date.year(),
                    date.month(),
                    date.day(),
                    time.hour(),
                    time.minute(),
                    time.second(),
                    time.millisecond(),
                    minutes / 60,
                    minutes % 60
                )
            }
        };
        // Writing to memory does not fail.
        debug_assert!(written.is_ok());
    }

    /// As a spreadsheet counts days; none for what is no date there.
    pub(crate) fn excel_days(&self, ms: i64) -> Option<f64> {
        let (local, offset) = self.local(ms)?;
        if !(1900..=9999).contains(&local.date().year()) || local.date().year() == 1900 && local.date().month() < 3 {
            return None;
        }
        Some((ms as f64 + f64::from(offset.seconds()) * 1000.0) / DAY_MS + EXCEL_DAYS)
    }
}
