//! The time zone that days and printed times are of: China's unless another one is chosen, whatever the machine's is.

use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, ZonedDateTime};
use parkgate_text::texts;
use parkgate_wire::UnixMillis;

use crate::export_file::LocalTimes;
use crate::output::misuse;

const DEFAULT: &str = "Asia/Shanghai";

/// A time zone by its name.
#[derive(Debug, Clone)]
pub(crate) struct Zone {
    zone: TimeZone,
}

impl Zone {
    /// By the name given to `--zone`: one of the time zone database, or an offset such as `+08:00`.
    ///
    /// # Errors
    /// There is none of that name.
    pub(crate) fn chosen(given: Option<&str>) -> anyhow::Result<Zone> {
        let name = given.unwrap_or(DEFAULT);
        match TimeZone::get(name).ok().or_else(|| offset(name).map(TimeZone::fixed)) {
            Some(zone) => Ok(Zone { zone }),
            None => Err(misuse((texts().park_list.no_zone)(name))),
        }
    }

    /// When the day began in which this moment lies.
    pub(crate) fn midnight(&self, at: UnixMillis) -> UnixMillis {
        let began = self.local(at).and_then(|local| local.start_of_day().ok());
        began.map_or(at, |began| UnixMillis(began.timestamp().as_millisecond()))
    }

    /// To write times as this zone has them.
    pub(crate) fn times(&self) -> LocalTimes {
        LocalTimes::of(self.zone.clone())
    }

    fn local(&self, at: UnixMillis) -> Option<ZonedDateTime> {
        Some(Timestamp::from_millisecond(at.0).ok()?.to_zoned_datetime(self.zone.clone()))
    }
}

/// `+08:00`, `-03:30`, `+8`.
fn offset(text: &str) -> Option<Offset> {
    let (sign, digits) = match text.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let (hours, minutes) = digits.split_once(':').unwrap_or((digits, "0"));
    let is_number = |text: &str| (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(hours) || !is_number(minutes) {
        return None;
    }
    let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
    if hours > 14 || minutes > 59 {
        return None;
    }
    Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn midnight_is_that_of_the_zone() {
        let at = UnixMillis(1_795_542_000_000); // 2026-11-25 01:40 in China
        let midnight = |zone| Zone::chosen(zone).unwrap().midnight(at).0;
        assert_eq!(midnight(None), 1_795_536_000_000);
        assert_eq!(midnight(Some("Asia/Shanghai")), midnight(Some("+08:00")));
        assert_eq!(midnight(Some("+8")), midnight(None));
        assert_eq!(midnight(Some("UTC")), 1_795_478_400_000);
        assert_eq!(midnight(Some("Asia/Kolkata")), 1_795_478_400_000 - 330 * 60_000);
        for wrong in ["", "Shanghai", "+25", "+08:60", "8", "+", "+08:0x", "Mars/Olympus"] {
            assert!(Zone::chosen(Some(wrong)).is_err(), "{wrong}");
        }
    }
}
