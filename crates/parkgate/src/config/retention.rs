//! `[retention]`: how long what is kept.

use parkgate_ledger::retention::{InvalidRetention, KeepFor, RetentionDefaults};
use serde::Deserialize;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GivenRetention {
    pub(super) personal: Option<KeepText>,
    pub(super) pictures: Option<KeepText>,
    pub(super) visits: Option<KeepText>,
    pub(super) quarantine: Option<KeepText>,
    pub(super) conflicts: Option<KeepText>,
}

impl GivenRetention {
    pub(super) const NAMES: &[&str] = &["personal", "pictures", "visits", "quarantine", "conflicts"];

    /// With `[limits] quarantine_days`, the older name of one of them.
    pub(super) fn meant(&self, quarantine_days: Option<u32>) -> Result<RetentionDefaults, String> {
        let default = RetentionDefaults::default();
        let days = quarantine_days.map(|days| KeepFor::Days(days.into()));
        let quarantine = self.quarantine.map(|keep| keep.0);
        if let (Some(days), Some(quarantine)) = (days, quarantine)
            && days != quarantine
        {
            return Err(format!(
                "[limits] quarantine_days = {days} and [retention] quarantine = {quarantine}: set one of them"
            ));
        }
        let keep = |given: Option<KeepText>, default| given.map_or(default, |keep| keep.0);
        Ok(RetentionDefaults {
            personal: keep(self.personal, default.personal),
            pictures: keep(self.pictures, default.pictures),
            visits: keep(self.visits, default.visits),
            quarantine: quarantine.or(days).unwrap_or(default.quarantine),
            conflicts: keep(self.conflicts, default.conflicts),
        })
    }
}

/// `"30d"`, `"3y"`, `"never"`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct KeepText(KeepFor);

impl TryFrom<String> for KeepText {
    type Error = InvalidRetention;

    fn try_from(text: String) -> Result<Self, InvalidRetention> {
        KeepFor::parse(&text).map(KeepText)
    }
}
