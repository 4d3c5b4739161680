//! Figures that are looked at when somebody asks, instead of being counted.

use parkgate_gate::{Gate, Registry as KnownParks, SubscriberFigures};
use parkgate_ledger::silence::SILENCES;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;

/// What only the HTTP faces know.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ServingState {
    /// Can a push be recorded now?
    pub(crate) is_ready: bool,
    pub(crate) connections_max: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BuildLabels {
    version: &'static str,
    commit: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ParkLabels {
    park_uuid: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SilenceLabels {
    longer_than: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SubscriberLabels {
    subscriber: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    state: &'static str,
}

/// How long a name may be as a label, in characters: longer ones are cut off.
const LABEL_CHARS_MAX: usize = 200;

pub(super) fn register_state(registry: &mut Registry, gate: &Gate, state: ServingState) {
    let labels =
        BuildLabels { version: env!("CARGO_PKG_VERSION"), commit: option_env!("PARKGATE_COMMIT").unwrap_or("unknown") };
    one(registry, "build_info", "Version and commit of this program; always 1", labels, 1);
    gauge(registry, "ready", "1 if a push can be recorded now", u64::from(state.is_ready));
    let is_raised = gate.alarm().is_raised();
    gauge(registry, "alarm_raised", "1 once a fault was found for which the process must end", u64::from(is_raised));
    if let Some(at) = gate.figures.last_alarm.get() {
        let help = "When a gate on this data folder last ended for a fault, in seconds since 1970";
        registry.register("last_alarm_timestamp_seconds", help, ConstGauge::new(seconds(at)));
    }
    let at = gate.figures.last_backup.get().unwrap_or_default();
    let help = "When the last whole backup began, in seconds since 1970; 0 if none was made";
    registry.register("last_backup_timestamp_seconds", help, ConstGauge::new(seconds(at)));
    let at = gate.figures.retention.last_round.get().unwrap_or_default();
    let help = "As of when everything that was due was last taken out, in seconds since 1970; 0 before the first time";
    registry.register("retention_round_timestamp_seconds", help, ConstGauge::new(seconds(at)));
    register_bounds(registry, gate, state.connections_max);
    register_store(registry, gate);
    register_parks(registry, gate);
    register_backlog(registry, &gate.figures.forwarding.waiting());
    let log = parkgate_log::lines();
    let help = "Lines of the log that were lost: nobody read them, or the disk was full";
    registry.register("log_lines_dropped", help, ConstCounter::new(log.dropped));
    gauge(registry, "log_lines_waiting", "Lines of the log not written yet", log.waiting);
}

fn register_bounds(registry: &mut Registry, gate: &Gate, connections_max: usize) {
    let limits = &gate.settings.limits;
    gauge(registry, "queue_length", "Pushes waiting for their commit", gate.pushes.queue().queue_len() as u64);
    gauge(registry, "queue_capacity", "How many may wait: more are answered 503", limits.queue_max as u64);
    let (length, capacity) = gate.quarantine.queue();
    gauge(registry, "quarantine_queue_length", "Refused pushes waiting for their commit", length as u64);
    let help = "How many refused pushes may wait: more are answered 503";
    gauge(registry, "quarantine_queue_capacity", help, capacity as u64);
    let help = "Bytes that the quarantine may hold, pictures included";
    gauge(registry, "quarantine_capacity_bytes", help, gate.quarantine.bounds().all_bytes);
    gauge(registry, "connections_capacity", "How many connections may be open", connections_max as u64);
}

fn register_store(registry: &mut Registry, gate: &Gate) {
    let figures = gate.store.figures();
    if let Some(bytes) = figures.wal_bytes {
        gauge(registry, "wal_bytes", "Bytes of SQLite's write-ahead log", bytes);
    }
    if let Some(connections) = figures.connections {
        let states = [("idle", connections.idle), ("busy", connections.busy)];
        let states = states.map(|(state, count)| (StateLabels { state }, count as u64));
        gauges(registry, "database_connections", "Open connections to PostgreSQL", states);
    }
}

fn register_parks(registry: &mut Registry, gate: &Gate) {
    let known = gate.registry.load();
    register_registry(registry, &known);
    let silence = gate.figures.parks.silence();
    let counts = SILENCES.iter().zip(silence.counts);
    let counts = counts.map(|((longer_than, _), count)| (SilenceLabels { longer_than }, count));
    gauges(registry, "parks_silent", "Enabled parks that have pushed nothing for longer than this", counts);
    let longest = silence.longest.into_iter();
    let longest = longest.map(|(park, silent)| (ParkLabels { park_uuid: label(&park) }, silent.as_secs()));
    let help = "Time since the last push of the parks that have been silent longest";
    gauges(registry, "park_silence_seconds", help, longest);
    let (count, most) = gate.figures.parks.reusing_serials();
    gauge(registry, "parks_reusing_serials", "Parks whose serials seem to start anew", count as u64);
    let most = most.into_iter().map(|(park, conflicts)| (ParkLabels { park_uuid: label(&park) }, conflicts));
    let help = "Ignored pushes that look like serials used anew, of the parks with the most of them";
    gauges(registry, "park_reused_serials", help, most);
}

fn register_registry(registry: &mut Registry, known: &KnownParks) {
    let (mut enabled, mut disabled, mut epochs) = (0, 0, 0);
    for park in known.parks() {
        *(if park.park.enabled { &mut enabled } else { &mut disabled }) += 1;
        epochs += park.park.epochs.len() as u64;
    }
    let states = [(StateLabels { state: "enabled" }, enabled), (StateLabels { state: "disabled" }, disabled)];
    gauges(registry, "parks", "Parks by whether they may push", states);
    gauge(registry, "serial_epochs", "Times that a park's serials started anew and that was set", epochs);
    gauge(registry, "apps", "Apps that may push for parks", known.apps_count() as u64);
    let paused = known.subscribers().iter().filter(|subscriber| subscriber.paused).count();
    let active = known.subscribers().len() - paused;
    let states = [(StateLabels { state: "active" }, active as u64), (StateLabels { state: "paused" }, paused as u64)];
    gauges(registry, "subscribers", "Subscribers by whether anything is sent to them", states);
}

fn register_backlog(registry: &mut Registry, waiting: &[SubscriberFigures]) {
    let labels = |one: &SubscriberFigures| SubscriberLabels { subscriber: label(&one.name) };
    let pending = waiting.iter().map(|one| (labels(one), one.pending));
    gauges(registry, "deliveries_pending", "Deliveries that wait or are on their way", pending);
    gauges(registry, "deliveries_dead", "Dead letters", waiting.iter().map(|one| (labels(one), one.dead)));
    let oldest = waiting.iter().map(|one| (labels(one), one.oldest.unwrap_or_default().as_secs()));
    let help = "For how long the oldest delivery that is not a dead letter has been due";
    gauges(registry, "delivery_oldest_age_seconds", help, oldest);
}

fn gauge(registry: &mut Registry, name: &str, help: &str, value: u64) {
    registry.register(name, help, ConstGauge::new(whole(value)));
}

fn gauges<L>(registry: &mut Registry, name: &str, help: &str, values: impl IntoIterator<Item = (L, u64)>)
where
    L: Clone + std::hash::Hash + Eq + EncodeLabelSet + std::fmt::Debug + Send + Sync + 'static,
{
    let family = Family::<L, Gauge>::default();
    for (labels, value) in values {
        family.get_or_create(&labels).set(whole(value));
    }
    registry.register(name, help, family);
}

fn one<L>(registry: &mut Registry, name: &str, help: &str, labels: L, value: u64)
where
    L: Clone + std::hash::Hash + Eq + EncodeLabelSet + std::fmt::Debug + Send + Sync + 'static,
{
    gauges(registry, name, help, [(labels, value)]);
}

fn label(name: &str) -> String {
    name.chars().take(LABEL_CHARS_MAX).collect()
}

fn seconds(at_ms: i64) -> f64 {
    at_ms as f64 / 1000.0
}

fn whole(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
