//! Statistics of a park's pushes.

use std::collections::BTreeMap;

use parkgate_store::Surveyed;
use parkgate_wire::advisory::{self, advise};
use parkgate_wire::{PushKind, UnixMillis, Variant, field, refusal};
use serde_json::{Value, json};

use super::{CheckLine, Wanted, line_json};
use crate::command::visit::sent;
use crate::output;

/// `release_method`: the barrier opened by itself.
const AUTOMATIC: &str = "2";

/// Counts over a period.
pub(super) struct Survey {
    since: i64,
    now: i64,
    wanted: Wanted,
    enters: u64,
    leaves: u64,
    /// Barriers opened by hand.
    releases: u64,
    /// Corrections.
    updates: u64,
    conflicts: u64,
    enters_left_open: u64,
    leaves_with_space: u64,
    with_pictures: u64,
    on_time: u64,
    /// From event to arrival, in ms.
    delays: Vec<i64>,
    variants: BTreeMap<String, u64>,
    advisories: BTreeMap<&'static str, u64>,
    last_received: Option<i64>,
    longest_silence: (i64, i64),
    silences: u64,
    pub(super) refused: BTreeMap<(String, Option<String>), u64>,
    pub(super) serials_used_anew: bool,
}

impl Survey {
    pub(super) fn new(since: i64, now: i64, wanted: Wanted) -> Survey {
        Survey {
            since,
            now,
            wanted,
            enters: 0,
            leaves: 0,
            releases: 0,
            updates: 0,
            conflicts: 0,
            enters_left_open: 0,
            leaves_with_space: 0,
            with_pictures: 0,
            on_time: 0,
            delays: Vec::new(),
            variants: BTreeMap::new(),
            advisories: BTreeMap::new(),
            last_received: None,
            longest_silence: (0, since),
            silences: 0,
            refused: BTreeMap::new(),
            serials_used_anew: false,
        }
    }

    pub(super) fn add(&mut self, push: &Surveyed) {
        let record = &push.record;
        self.hear(record.received_at);
        if push.is_conflict {
            self.conflicts += 1;
            return;
        }
        let text = |name: &str| record.params.get(name).and_then(Value::as_str).is_some_and(|text| !text.is_empty());
        match record.kind {
            PushKind::Leave => {
                self.leaves += 1;
                self.leaves_with_space += u64::from(text("remain_parking_space"));
            }
            PushKind::Enter => {
                self.enters += 1;
                let long_ago = push.event_time.0 < self.now - self.wanted.stay_max_ms;
                self.enters_left_open += u64::from(long_ago && !push.has_other_half);
            }
            PushKind::Release => {
                let is_automatic = record.params.get("release_method").and_then(Value::as_str) == Some(AUTOMATIC);
                self.releases += u64::from(!is_automatic);
            }
            PushKind::Update => self.updates += 1,
        }
        if record.kind.is_half() {
            let has_picture = !record.pictures.is_empty() || field::IMAGES.iter().any(|name| text(name));
            self.with_pictures += u64::from(has_picture);
            let delay = record.received_at - push.event_time.0;
            self.on_time += u64::from(delay <= self.wanted.on_time_ms);
            self.delays.push(delay);
        }
        *self.variants.entry(Variant::describe(record.variant)).or_default() += 1;
        for advisory in advise(record.kind, &sent(record), UnixMillis(record.received_at)) {
            *self.advisories.entry(advisory.code).or_default() += 1;
        }
    }

    fn hear(&mut self, received_at: i64) {
        let from = self.last_received.unwrap_or(self.since);
        self.silence(from, received_at);
        self.last_received = Some(received_at);
    }

    fn silence(&mut self, from: i64, to: i64) {
        self.silences += u64::from(to - from > self.wanted.silence_ms);
        self.longest_silence = self.longest_silence.max((to - from, from));
    }

    fn pushes(&self) -> u64 {
        self.enters + self.leaves
    }

    fn share(&self, part: u64, of: u64) -> Option<f64> {
        (of > 0).then(|| part as f64 / of as f64)
    }

    /// The car park's clock, estimated from pushes that arrive at once. Negative: it is ahead.
    fn clock(&self) -> Option<i64> {
        self.delays.iter().min().copied().filter(|least| *least < 0)
    }

    fn median_delay(&self) -> Option<i64> {
        let mut delays = self.delays.clone();
        delays.sort_unstable();
        delays.get(delays.len() / 2).copied()
    }

    /// Silences, including the one up to now.
    fn silences(&self) -> (u64, i64, i64) {
        let last = self.last_received.unwrap_or(self.since);
        let open = self.now - last;
        let (longest, from) = self.longest_silence.max((open, last));
        (self.silences + u64::from(open > self.wanted.silence_ms), longest, from)
    }

    pub(super) fn json(&self, park_uuid: &str, name: &str) -> Value {
        let (silences, longest, from) = self.silences();
        let refused: Vec<Value> = self
            .refused
            .iter()
            .map(|((reason, finding), count)| json!({ "reason": reason, "finding": finding, "count": count }))
            .collect();
        json!({
            "park_uuid": park_uuid,
            "name": name,
            "since": self.since,
            "until": self.now,
            "enters": self.enters,
            "leaves": self.leaves,
            "releases": self.releases,
            "updates": self.updates,
            "releases_share": self.share(self.releases, self.pushes()),
            "updates_share": self.share(self.updates, self.pushes()),
            "conflicts": self.conflicts,
            "refused": refused,
            "advisories": self.advisories,
            "variants": self.variants,
            "enters_without_leave": self.enters_left_open,
            "leaves_with_remain_share": self.share(self.leaves_with_space, self.leaves),
            "with_pictures_share": self.share(self.with_pictures, self.pushes()),
            "on_time_share": self.share(self.on_time, self.pushes()),
            "median_delay_ms": self.median_delay(),
            "clock_ahead_ms": self.clock().map(|ahead| -ahead),
            "silences": silences,
            "longest_silence_ms": longest,
            "longest_silence_from": from,
            "serials_used_anew": self.serials_used_anew,
            "lines": self.lines().iter().map(line_json).collect::<Vec<_>>(),
        })
    }

    pub(super) fn lines(&self) -> Vec<CheckLine> {
        let line = |name, title, text: String, good| CheckLine { name, title, text, good };
        let none = self.pushes() == 0;
        let pushes = format!("离场 leaves {}, 入场 enters {}", self.leaves, self.enters);
        let (silences, longest, from) = self.silences();
        vec![
            line("pushes", "推送 pushes", pushes, Some(!none)),
            self.by_hand_line("releases", "人工放行 by hand", self.releases),
            self.by_hand_line("updates", "记录变更 corrected", self.updates),
            line("refused", "未受理 refused", self.refused_text(), Some(self.refused.is_empty())),
            line("conflicts", "流水冲突 conflicts", self.conflicts_text(), Some(self.conflicts == 0)),
            line("variants", "签名方式 signature", counts(&self.variants), None),
            line("advisories", "提醒 advisories", self.advisories_text(), Some(self.advisories.is_empty())),
            line(
                "enters_without_leave",
                "有入无出 no leave",
                format!(
                    "{} (入场已超过 entered over {} ago)",
                    self.enters_left_open,
                    output::span(self.wanted.stay_max_ms)
                ),
                Some(self.enters_left_open == 0),
            ),
            self.share_line("on_time", "及时 on time", self.on_time, self.pushes(), self.wanted.on_time_share),
            line("clock", "时钟 clock", self.clock_text(), Some(self.clock().is_none_or(|ahead| ahead > -1000))),
            self.share_line("space", "带剩余车位 free spaces", self.leaves_with_space, self.leaves, self.wanted.share),
            self.share_line("pictures", "带图片 pictures", self.with_pictures, self.pushes(), self.wanted.share),
            line(
                "silence",
                "静默 silence",
                format!(
                    "最长 longest {} 自 since {}; 超过{}的 over it: {silences}",
                    output::span(longest),
                    output::time(from),
                    output::span(self.wanted.silence_ms)
                ),
                Some(silences == 0),
            ),
        ]
    }

    fn share_line(&self, name: &'static str, title: &'static str, part: u64, of: u64, wanted: f64) -> CheckLine {
        let share = self.share(part, of);
        let text = match share {
            None => "-".into(),
            Some(share) => format!("{:.1}% ({part}/{of}, 应达到 wanted {:.0}%)", share * 100.0, wanted * 100.0),
        };
        CheckLine { name, title, text, good: share.map(|share| share >= wanted) }
    }

    /// What people do should be seldom.
    fn by_hand_line(&self, name: &'static str, title: &'static str, part: u64) -> CheckLine {
        let share = self.share(part, self.pushes());
        let text = match share {
            None => part.to_string(),
            Some(share) => format!(
                "{:.1}% ({part}/{}, 不应超过 at most {:.0}%)",
                share * 100.0,
                self.pushes(),
                self.wanted.by_hand_share * 100.0
            ),
        };
        CheckLine { name, title, text, good: share.map(|share| share <= self.wanted.by_hand_share) }
    }

    fn refused_text(&self) -> String {
        let texts = self
            .refused
            .iter()
            .map(|((reason, finding), count)| format!("{} ×{count}", refusal::in_words(reason, finding.as_deref())));
        let text = texts.collect::<Vec<_>>().join("; ");
        if text.is_empty() { "0".into() } else { format!("{text}; 见 `parkgate quarantine list`") }
    }

    fn advisories_text(&self) -> String {
        let texts = self.advisories.iter().map(|(code, count)| format!("{} ×{count}", advisory::in_words(code)));
        let text = texts.collect::<Vec<_>>().join("; ");
        if text.is_empty() { "0".into() } else { text }
    }

    fn conflicts_text(&self) -> String {
        let reused = if self.serials_used_anew {
            " 流水号似被重用, 见 `parkgate park show` (serials used anew)"
        } else {
            ""
        };
        format!("{}{reused}", self.conflicts)
    }

    fn clock_text(&self) -> String {
        let delay = self.median_delay().map_or_else(|| "-".into(), output::span);
        let ahead = match self.clock() {
            None => "未见超前 not ahead".to_owned(),
            Some(ahead) => format!("超前 ahead {}", output::span(-ahead)),
        };
        format!("{ahead}; 到达延迟中位数 median delay {delay}")
    }
}

fn counts<K: std::fmt::Display>(counts: &BTreeMap<K, u64>) -> String {
    let text = counts.iter().map(|(name, count)| format!("{name} ×{count}")).collect::<Vec<_>>().join(", ");
    if text.is_empty() { "0".into() } else { text }
}
