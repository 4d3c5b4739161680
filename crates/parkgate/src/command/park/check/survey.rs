//! Statistics of a park's pushes.

use std::collections::BTreeMap;

use parkgate_store::Surveyed;
use parkgate_text::{either, texts};
use parkgate_wire::advisory::{self, advise};
use parkgate_wire::doctor::FindingKind;
use parkgate_wire::refusal::Reason;
use parkgate_wire::{PushKind, UnixMillis, Variant, field, refusal};
use serde_json::{Map, Value, json};

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
    variants: BTreeMap<u8, u64>,
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
        *self.variants.entry(record.variant).or_default() += 1;
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
            "variants": self.variants.iter().map(|(code, count)| (Variant::describe(*code), json!(count))).collect::<Map<_, _>>(),
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
        let texts = &texts().park_check;
        let line = |name, title, text: String, good| CheckLine { name, title, text, good };
        let none = self.pushes() == 0;
        let pushes = if none { texts.no_pushes.to_owned() } else { (texts.counted)(self.leaves, self.enters) };
        let is_right = self.clock().is_none_or(|ahead| ahead > -CLOCK_AHEAD_MAX_MS);
        vec![
            line("pushes", texts.pushes, pushes, Some(!none)),
            self.by_hand_line("releases", texts.releases, self.releases),
            self.by_hand_line("updates", texts.updates, self.updates),
            line("refused", texts.refused, self.refused_text(), Some(self.refused.is_empty())),
            line("conflicts", texts.conflicts, self.conflicts_text(), Some(self.conflicts == 0)),
            line("variants", texts.variants, self.variants_text(), None),
            line("advisories", texts.advisories, self.advisories_text(), Some(self.advisories.is_empty())),
            line("enters_without_leave", texts.no_leave, self.open_text(), Some(self.enters_left_open == 0)),
            self.share_line(
                ("on_time", texts.on_time, texts.late_next),
                (self.on_time, self.pushes()),
                self.wanted.on_time_share,
            ),
            line("clock", texts.clock, self.clock_text(is_right), Some(is_right)),
            self.share_line(
                ("space", texts.space, texts.space_next),
                (self.leaves_with_space, self.leaves),
                self.wanted.share,
            ),
            self.share_line(
                ("pictures", texts.pictures, texts.pictures_next),
                (self.with_pictures, self.pushes()),
                self.wanted.share,
            ),
            line("silence", texts.silence_title, self.silence_text(), Some(self.silences().0 == 0)),
        ]
    }

    fn share_line(
        &self,
        (name, title, next): (&'static str, &'static str, &'static str),
        (part, of): (u64, u64),
        wanted: f64,
    ) -> CheckLine {
        let share = self.share(part, of);
        let good = share.map(|share| share >= wanted);
        let mut text = share.map_or_else(
            || "-".into(),
            |share| (texts().park_check.share_of)(&percent(share), part, of, &whole_percent(wanted)),
        );
        if good == Some(false) {
            text.push_str(next);
        }
        CheckLine { name, title, text, good }
    }

    /// What people do should be seldom.
    fn by_hand_line(&self, name: &'static str, title: &'static str, part: u64) -> CheckLine {
        let texts = &texts().park_check;
        let share = self.share(part, self.pushes());
        let most = self.wanted.by_hand_share;
        let good = share.map(|share| share <= most);
        let mut text = share.map_or_else(
            || part.to_string(),
            |share| (texts.share_at_most)(&percent(share), part, self.pushes(), &whole_percent(most)),
        );
        if good == Some(false) {
            text.push_str(texts.by_hand_next);
        }
        CheckLine { name, title, text, good }
    }

    /// Each cause on a line of its own, with what to do about it.
    fn refused_text(&self) -> String {
        let texts = &texts().park_check;
        let cause = |((reason, finding), count): (&(String, Option<String>), &u64)| {
            let (zh, en) = refusal::words(reason, finding.as_deref());
            (texts.cause)(*count, &either(zh, en), next_step(reason, finding.as_deref()))
        };
        or_none(self.refused.iter().map(cause).collect::<Vec<_>>().join("\n"))
    }

    fn advisories_text(&self) -> String {
        let said = |(code, count): (&&'static str, &u64)| {
            let words = advisory::words(code).map_or(*code, |(zh, en)| either(zh, en));
            (texts().park_check.times)(*count, words)
        };
        or_none(self.advisories.iter().map(said).collect::<Vec<_>>().join("\n"))
    }

    fn variants_text(&self) -> String {
        let said = |(code, count): (&u8, &u64)| {
            let (zh, en) = Variant::words(*code);
            (texts().park_check.times)(*count, &either(zh, en))
        };
        or_none(self.variants.iter().map(said).collect::<Vec<_>>().join("\n"))
    }

    fn conflicts_text(&self) -> String {
        let texts = &texts().park_check;
        let found = if self.conflicts == 0 { texts.none.to_owned() } else { (texts.conflicts_found)(self.conflicts) };
        if self.serials_used_anew { format!("{found}\n{}", texts.serials_reused) } else { found }
    }

    fn open_text(&self) -> String {
        let span = output::span(self.wanted.stay_max_ms);
        match self.enters_left_open {
            0 => (texts().park_check.no_open_stays)(&span),
            count => (texts().park_check.open_stays)(count, &span),
        }
    }

    fn silence_text(&self) -> String {
        let texts = &texts().park_check;
        let (silences, longest, from) = self.silences();
        let over = output::span(self.wanted.silence_ms);
        let found = (texts.longest_silence)(&output::span(longest), &output::time(from), &over, silences);
        if silences == 0 { found } else { found + texts.silence_next }
    }

    fn clock_text(&self, is_right: bool) -> String {
        let texts = &texts().park_check;
        let found = match self.clock() {
            Some(ahead) if !is_right => (texts.clock_ahead)(&output::span(-ahead)),
            Some(_) | None => texts.clock_right.to_owned(),
        };
        self.median_delay().map_or(found.clone(), |delay| found + &(texts.delay)(&output::span(delay)))
    }
}

/// Network and rounding make an honest clock look ahead by less.
const CLOCK_AHEAD_MAX_MS: i64 = 1000;

/// What to do about a refusal.
fn next_step(reason: &str, finding: Option<&str>) -> &'static str {
    let texts = &texts().park_check;
    match Reason::of_name(reason) {
        Some(Reason::Signature) if finding.is_some_and(|finding| finding != FindingKind::NoKnownMistake.code()) => {
            texts.finding_next
        }
        Some(Reason::Signature) => texts.signature_next,
        Some(
            Reason::BodyTooLarge
            | Reason::FileTooLarge
            | Reason::TooMany
            | Reason::ValueTooLong
            | Reason::TooManyPayments,
        ) => texts.size_next,
        Some(
            Reason::Missing
            | Reason::TwoParks
            | Reason::Ambiguous
            | Reason::Repeated
            | Reason::Foreign
            | Reason::Value
            | Reason::NotText,
        )
        | None => texts.fields_next,
        Some(Reason::UnknownPark | Reason::AppNotAllowed | Reason::AddressNotAllowed) => texts.access_next,
        Some(Reason::HashMissing | Reason::FileMissing | Reason::HashDiffers) => texts.hash_next,
        Some(Reason::Conflict) => texts.conflict_next,
        Some(
            Reason::Method
            | Reason::QuerySent
            | Reason::ContentEncoding
            | Reason::ContentType
            | Reason::Charset
            | Reason::TransferEncoding
            | Reason::Malformed
            | Reason::TooSlow
            | Reason::BadName
            | Reason::SecretSent
            | Reason::SignType,
        ) => texts.request_next,
    }
}

fn percent(share: f64) -> String {
    format!("{:.1}", share * 100.0)
}

fn whole_percent(share: f64) -> String {
    format!("{:.0}", share * 100.0)
}

fn or_none(text: String) -> String {
    if text.is_empty() { texts().park_check.none.to_owned() } else { text }
}
