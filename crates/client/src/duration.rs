//! Durations as settings and flags write them: `"500ms"`, `"30s"`, `"5m"`, `"3d"`.

use std::time::Duration;

use parkgate_text::texts;

const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
/// A hundred years. No clock goes on for ever: a time beyond its end would be none.
const LONGEST_MS: u64 = 36_500 * 86_400_000;

/// What was written is no duration that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDuration {
    /// Not a whole number with its unit.
    #[error("{}", (texts().general.no_duration)(.0))]
    Unreadable(String),
    /// Over a hundred years.
    #[error("{}", (texts().general.too_long)(.0))]
    TooLong(String),
}

/// Reads a whole number and its unit. Zero is a duration: where it makes no sense, its setting says so.
///
/// # Errors
/// It is none, or too long.
pub fn parse_duration(text: &str) -> Result<Duration, InvalidDuration> {
    let split = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let ms = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, ms)| ms);
    match (number.parse::<u64>(), ms) {
        (Ok(number), Some(ms)) if number.saturating_mul(*ms) > LONGEST_MS => {
            Err(InvalidDuration::TooLong(text.to_owned()))
        }
        (Ok(number), Some(ms)) => Ok(Duration::from_millis(number.saturating_mul(*ms))),
        (Ok(_), None) | (Err(_), _) => Err(InvalidDuration::Unreadable(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_and_its_unit() {
        for (text, ms) in [("0s", 0), ("500ms", 500), ("30s", 30_000), ("5m", 300_000), ("72h", 259_200_000)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for wrong in ["", "5", "s", "-5s", "+5s", "5 s", "5S", "1.5s", "5w", "1m30s", "99999999999999999999s", "５s"] {
            assert_eq!(parse_duration(wrong), Err(InvalidDuration::Unreadable(wrong.into())));
        }
    }

    #[test]
    fn a_hundred_years_and_a_day_more() {
        assert_eq!(parse_duration("36500d"), Ok(Duration::from_millis(LONGEST_MS)));
        for long in ["36501d", "3153600000001ms", &format!("{}h", u64::MAX)] {
            assert_eq!(parse_duration(long), Err(InvalidDuration::TooLong(long.into())));
        }
    }
}
