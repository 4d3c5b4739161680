//! What is counted. Handles are held, not looked up: a push costs two atomic additions.

use parkgate_gate::Figures;
use parkgate_store::Recorder;
use parkgate_wire::PushKind;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::tls::Tls;

/// What became of a push, as a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
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

/// What was answered to the question whether a vehicle may enter, as a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
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

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QuestionLabels {
    result: QuestionCountedAs,
}

const QUESTION_RESULTS: [QuestionCountedAs; 10] = [
    QuestionCountedAs::Allowed,
    QuestionCountedAs::Denied,
    QuestionCountedAs::Full,
    QuestionCountedAs::Undecided,
    QuestionCountedAs::Passed,
    QuestionCountedAs::Unanswered,
    QuestionCountedAs::BadSignature,
    QuestionCountedAs::BadRequest,
    QuestionCountedAs::Forbidden,
    QuestionCountedAs::Unavailable,
];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PushLabels {
    kind: &'static str,
    result: CountedAs,
}

const RESULTS: [CountedAs; 9] = [
    CountedAs::Recorded,
    CountedAs::Repeated,
    CountedAs::Conflict,
    CountedAs::BadSignature,
    CountedAs::BadRequest,
    CountedAs::Forbidden,
    CountedAs::Unavailable,
    CountedAs::Internal,
    CountedAs::QuarantineFull,
];

/// All figures, the gate's among them.
pub(crate) struct Metrics {
    registry: Registry,
    /// Of each kind, by result.
    pushes: [Vec<Counter>; PushKind::ALL.len()],
    seconds: Histogram,
    /// By result.
    questions: [Counter; QUESTION_RESULTS.len()],
    question_seconds: Histogram,
    pub(crate) connections: Gauge,
    pub(crate) turned_away: Counter,
    pub(crate) tls_failures: Counter,
}

impl Metrics {
    pub(crate) fn new(figures: &Figures, tls: Option<&Tls>) -> Metrics {
        let mut registry = Registry::with_prefix("parkgate");
        let pushes = Family::<PushLabels, Counter>::default();
        let held = |kind| RESULTS.map(|result| pushes.get_or_create_owned(&PushLabels { kind, result })).to_vec();
        let held = PushKind::ALL.map(|kind| held(kind.name()));
        // From a tenth of a millisecond to half a minute.
        let bounds = [0.0001, 0.0003, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.3, 1.0, 5.0, 30.0];
        let seconds = Histogram::new(bounds);
        let asked = Family::<QuestionLabels, Counter>::default();
        let questions = QUESTION_RESULTS.map(|result| asked.get_or_create_owned(&QuestionLabels { result }));
        let question_seconds = Histogram::new(bounds);
        let connections = Gauge::default();
        registry.register("pushes", "Pushes by what became of them", pushes);
        registry.register("push_duration_seconds", "From the header to the reply", seconds.clone());
        registry.register("entry_questions", "Questions before entering, by what was answered", asked);
        let help = "From the header to the answer of a question before entering";
        registry.register("entry_question_duration_seconds", help, question_seconds.clone());
        registry.register("image_bytes", "Bytes of pictures stored", figures.image_bytes.clone());
        registry.register("connections", "Open connections", connections.clone());
        let turned_away = Counter::default();
        let help = "Connections, and requests through a proxy, beyond what one address may have";
        registry.register("turned_away", help, turned_away.clone());
        let tls_failures = register_tls(&mut registry, tls);
        register_gate(&mut registry, figures);
        Metrics { registry, pushes: held, seconds, questions, question_seconds, connections, turned_away, tls_failures }
    }

    pub(crate) fn count(&self, kind: PushKind, result: CountedAs, seconds: f64) {
        if let Some(counter) = self.pushes.get(kind as usize).and_then(|held| held.get(result as usize)) {
            counter.inc();
        }
        self.seconds.observe(seconds);
    }

    pub(crate) fn count_question(&self, result: QuestionCountedAs, seconds: f64) {
        if let Some(counter) = self.questions.get(result as usize) {
            counter.inc();
        }
        self.question_seconds.observe(seconds);
    }

    /// All figures as text, the recorder's among them.
    pub(crate) fn encode(&self, recorder: &Recorder) -> String {
        let stats = recorder.stats();
        let mut now = Registry::with_prefix("parkgate");
        let queue = i64::try_from(recorder.queue_len()).unwrap_or(i64::MAX);
        now.register("recorder_queue", "Pushes waiting for the store", ConstGauge::new(queue));
        now.register("recorder_batches", "Batches committed", ConstCounter::new(stats.batches));
        now.register("recorder_pushes", "Pushes in those batches", ConstCounter::new(stats.records));
        let seconds = std::time::Duration::from_nanos(stats.commit_ns_total).as_secs_f64();
        now.register("recorder_busy_seconds", "Time spent on batches", ConstCounter::new(seconds));
        let log = parkgate_log::lines();
        now.register("log_lines_dropped", "Lines of the log that nobody will read", ConstCounter::new(log.dropped));
        let waiting = i64::try_from(log.waiting).unwrap_or(i64::MAX);
        now.register("log_lines_waiting", "Lines of the log not written yet", ConstGauge::new(waiting));
        let mut text = String::new();
        // Writing into memory cannot fail.
        let _ = encode(&mut text, &self.registry);
        let text_end = text.rfind("# EOF").unwrap_or(text.len());
        text.truncate(text_end);
        let _ = encode(&mut text, &now);
        text
    }
}

/// Figures of TLS, where it is spoken; the counter of handshakes that failed.
fn register_tls(registry: &mut Registry, tls: Option<&Tls>) -> Counter {
    let failures = Counter::default();
    if let Some(tls) = tls {
        let help = "Connections whose TLS handshake failed, or that spoke no TLS";
        registry.register("tls_handshake_failures", help, failures.clone());
        let help = "When the certificate in use expires, in seconds since 1970";
        registry.register("tls_certificate_not_after_timestamp_seconds", help, tls.not_after.clone());
    }
    failures
}

fn register_gate(registry: &mut Registry, figures: &Figures) {
    registry.register("quarantine_kept", "Refused pushes quarantined", figures.quarantined.clone());
    let help = "Refused pushes that found no room there: 503";
    registry.register("quarantine_full", help, figures.quarantine_full.clone());
    let help = "Bytes of all refused pushes in the quarantine, pictures included";
    registry.register("quarantine_bytes", help, figures.quarantine_bytes.clone());
    let help = "Free bytes of the fullest disk of this machine that records or pictures lie on";
    registry.register("disk_free_bytes", help, figures.disk_free_bytes.clone());
    let help = "Ignored pushes that look like serials used anew, by park";
    registry.register("serials_used_anew", help, figures.serials_used_anew.clone());
    let help = "Recorded pushes that look wrong, by park and code";
    registry.register("advisories", help, figures.advisories.clone());
    let help = "Attempts to deliver to subscribers, by what came of them";
    registry.register("deliveries", help, figures.forwarding.attempts.clone());
    let help = "Calls below /gate/ that nobody answers, by path";
    registry.register("unknown_calls", help, figures.unknown_calls.calls.clone());
    let help = "Deliveries that wait for subscribers, and dead letters";
    registry.register("deliveries_waiting", help, figures.forwarding.waiting.clone());
}
