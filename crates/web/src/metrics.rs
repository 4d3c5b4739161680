//! What is counted, and how it is shown: names and units by the conventions of Prometheus, as `docs/metrics.md` lists them.
//! Handles are held, not looked up: a push costs a few atomic additions.

mod at_scrape;
mod exposition;
mod process;

use parkgate_gate::{DURATION_BUCKETS, Figures, Gate};
use parkgate_wire::PushKind;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode_registry;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use self::at_scrape::register_state;
use self::process::ProcessFigures;
use crate::tls::Tls;

pub(crate) use self::at_scrape::ServingState;
pub(crate) use self::exposition::CONTENT_TYPE;

/// What became of a push, as a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CountedAs {
    Recorded,
    Repeated,
    Conflict,
    BadSignature,
    BadRequest,
    Forbidden,
    Unavailable,
    Internal,
    QuarantineFull,
}

/// Their names, in their order.
const RESULTS: [&str; 9] = [
    "recorded",
    "repeated",
    "conflict",
    "bad_signature",
    "bad_request",
    "forbidden",
    "unavailable",
    "internal",
    "quarantine_full",
];

/// What was answered to the question whether a vehicle may enter, as a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QuestionCountedAs {
    Allowed,
    Denied,
    Full,
    /// The car park decides.
    Undecided,
    /// Another platform answered.
    Passed,
    /// Another platform was asked and gave no answer.
    Unanswered,
    BadSignature,
    BadRequest,
    Forbidden,
    Unavailable,
}

/// Their names, in their order.
const QUESTION_RESULTS: [&str; 10] = [
    "allowed",
    "denied",
    "full",
    "undecided",
    "passed",
    "unanswered",
    "bad_signature",
    "bad_request",
    "forbidden",
    "unavailable",
];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PushLabels {
    kind: &'static str,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

/// All figures, the gate's among them.
pub(crate) struct Metrics {
    registry: Registry,
    /// Of each kind, by result.
    pushes: [Vec<Counter>; PushKind::ALL.len()],
    /// By result.
    seconds: [Histogram; RESULTS.len()],
    refused: Family<ReasonLabels, Counter>,
    /// By result.
    questions: [Counter; QUESTION_RESULTS.len()],
    question_seconds: Histogram,
    pub(crate) connections: Gauge,
    pub(crate) turned_away: Counter,
    pub(crate) tls_failures: Counter,
    process: ProcessFigures,
}

impl Metrics {
    pub(crate) fn new(figures: &Figures, tls: Option<&Tls>) -> Metrics {
        let mut registry = Registry::with_prefix("parkgate");
        let pushes = Family::<PushLabels, Counter>::default();
        let held = |kind| RESULTS.map(|result| pushes.get_or_create_owned(&PushLabels { kind, result })).to_vec();
        let held = PushKind::ALL.map(|kind| held(kind.name()));
        let durations = Family::<ResultLabels, Histogram>::new_with_constructor(histogram);
        let seconds = RESULTS.map(|result| durations.get_or_create_owned(&ResultLabels { result }));
        let asked = Family::<ResultLabels, Counter>::default();
        let questions = QUESTION_RESULTS.map(|result| asked.get_or_create_owned(&ResultLabels { result }));
        let question_seconds = histogram();
        let (connections, turned_away) = (Gauge::default(), Counter::default());
        let refused = Family::<ReasonLabels, Counter>::default();
        registry.register("pushes", "Pushes by call and by what became of them", pushes);
        let help = "From a push's header to its reply, by what became of it";
        registry.register("push_duration_seconds", help, durations);
        registry.register("refused_pushes", "Pushes that were not admitted, by reason", refused.clone());
        registry.register("entry_questions", "Questions before entering, by what was answered", asked);
        let help = "From the header of a question before entering to its answer";
        registry.register("entry_question_duration_seconds", help, question_seconds.clone());
        registry.register("connections", "Open connections to the public address", connections.clone());
        let help = "Connections, and requests through a proxy, beyond what one address may have";
        registry.register("requests_turned_away", help, turned_away.clone());
        let tls_failures = register_tls(&mut registry, tls);
        register_gate(&mut registry, figures);
        let process = ProcessFigures::begin();
        Metrics {
            registry,
            pushes: held,
            seconds,
            refused,
            questions,
            question_seconds,
            connections,
            turned_away,
            tls_failures,
            process,
        }
    }

    pub(crate) fn count(&self, kind: PushKind, result: CountedAs, seconds: f64) {
        if let Some(counter) = self.pushes.get(kind as usize).and_then(|held| held.get(result as usize)) {
            counter.inc();
        }
        if let Some(histogram) = self.seconds.get(result as usize) {
            histogram.observe(seconds);
        }
    }

    pub(crate) fn count_refused(&self, reason: &'static str) {
        self.refused.get_or_create(&ReasonLabels { reason }).inc();
    }

    pub(crate) fn count_question(&self, result: QuestionCountedAs, seconds: f64) {
        if let Some(counter) = self.questions.get(result as usize) {
            counter.inc();
        }
        self.question_seconds.observe(seconds);
    }

    /// All figures as text, with how things are at this moment.
    pub(crate) fn encode(&self, gate: &Gate, state: ServingState) -> String {
        let mut now = Registry::with_prefix("parkgate");
        register_state(&mut now, gate, state);
        let mut process = Registry::default();
        self.process.register(&mut process);
        let mut text = String::new();
        for registry in [&self.registry, &now, &process] {
            // Writing into memory cannot fail.
            let _ = encode_registry(&mut text, registry);
        }
        exposition::prometheus_text(&text)
    }
}

/// Figures of TLS, where it is spoken; the counter of handshakes that failed.
fn register_tls(registry: &mut Registry, tls: Option<&Tls>) -> Counter {
    let failures = Counter::default();
    if let Some(tls) = tls {
        let help = "Connections whose TLS handshake failed, or that spoke no TLS";
        registry.register("tls_handshake_failures", help, failures.clone());
        let help = "When the TLS certificate in use ends, in seconds since 1970";
        registry.register("tls_certificate_not_after_timestamp_seconds", help, tls.not_after.clone());
    }
    failures
}

fn histogram() -> Histogram {
    Histogram::new(DURATION_BUCKETS)
}

fn register_gate(registry: &mut Registry, figures: &Figures) {
    registry.register("image_bytes", "Bytes of pictures stored", figures.image_bytes.clone());
    let commits = &figures.commits;
    let help = "How long commits of pushes took: loading, deciding, writing and syncing";
    registry.register("commit_duration_seconds", help, commits.seconds.clone());
    registry.register("commit_pushes", "Pushes of one commit", commits.pushes.clone());
    let quarantine = &figures.quarantine;
    registry.register("quarantined_pushes", "Refused pushes quarantined", quarantine.kept.clone());
    let help = "Refused pushes that found no room in the quarantine and were answered 503, by the bound reached";
    registry.register("quarantine_full", help, quarantine.no_room.clone());
    registry.register("quarantine_pushes", "Refused pushes in the quarantine", quarantine.pushes.clone());
    let help = "Bytes of all refused pushes in the quarantine, pictures included";
    registry.register("quarantine_bytes", help, quarantine.bytes.clone());
    let help = "How much of its own bounds the park uses that uses most of them; 1 is full";
    registry.register("quarantine_fullest_park_ratio", help, quarantine.fullest_park.clone());
    let help = "Free bytes of the fullest disk of this machine that records or pictures lie on";
    registry.register("disk_free_bytes", help, figures.disk_free_bytes.clone());
    registry.register("disk_size_bytes", "All bytes of that disk", figures.disk_size_bytes.clone());
    let help = "Free bytes of that disk below which only good pushes are taken";
    registry.register("disk_reserved_bytes", help, figures.disk_reserved_bytes.clone());
    let help = "Recorded pushes that look wrong, by code of the advisory";
    registry.register("advisories", help, figures.advisories.clone());
    let help = "Attempts to deliver to subscribers, by what came of them";
    registry.register("delivery_attempts", help, figures.forwarding.attempts.clone());
    let help = "How long attempts to deliver took, by what came of them";
    registry.register("delivery_attempt_duration_seconds", help, figures.forwarding.seconds.clone());
    let help = "Redacted or deleted at the end of its time, by kind";
    registry.register("retention_taken_out", help, figures.retention.taken_out.clone());
    let help = "Kept beyond its time since it is still to be delivered, by kind";
    registry.register("retention_held", help, figures.retention.held.clone());
    let help = "Calls below /gate/ that nobody answers, by path";
    registry.register("unknown_calls", help, figures.unknown_calls.calls.clone());
    let help = "By how much the system's clock is ahead of the time that something else confirms";
    registry.register("clock_ahead_seconds", help, figures.clock_ahead_seconds.clone());
}
