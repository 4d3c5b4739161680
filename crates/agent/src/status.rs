//! The state of an agent as JSON, as metrics and as a page.

use std::fmt::Write;

use parkgate_text::{lang, texts};
use parkgate_wire::UnixMillis;
use serde_json::{Value, json};

use crate::outbox::{Counts, DeadLetter};

/// The state as JSON.
#[must_use]
pub fn json(counts: &Counts, now: UnixMillis) -> Value {
    json!({
        "queued": counts.queued,
        "oldest_seconds": counts.oldest.map(|oldest| now.since(oldest).as_secs()),
        "dead": counts.dead,
        "held": counts.held,
        "sent": counts.sent,
        "sent_last_minute": counts.sent_last_minute,
        "hinted": counts.hinted,
        "pictures_dropped": counts.pictures_dropped,
        "pictures_too_large": counts.pictures_too_large,
        "pictures_missing": counts.pictures_missing,
        "picture_bytes": counts.picture_bytes,
        "last_hint": counts.last_hint,
        "last_error": counts.last_error,
        "problem": counts.problem,
        "last_sent_at": counts.last_sent_at.map(|at| at.0),
        "space": counts.space.map(|(total, remain, given_at)| json!({
            "total_parking_space": total, "remain_parking_space": remain, "told_at": given_at.0,
        })),
    })
}

/// Prometheus' text format.
#[must_use]
pub fn metrics(counts: &Counts, now: UnixMillis) -> String {
    let oldest = counts.oldest.map_or(0, |oldest| now.since(oldest).as_secs());
    let log = parkgate_log::lines();
    let mut text = String::new();
    for (name, kind, help, value) in [
        ("records_queued", "gauge", "Records waiting to be sent", counts.queued),
        ("oldest_record_age_seconds", "gauge", "For how long the oldest of them has waited", oldest),
        ("records_dead", "gauge", "Records the platform refused: dead letters", counts.dead),
        ("records_held", "gauge", "Records accepted with a hint and held", counts.held),
        ("pictures_bytes", "gauge", "Bytes of pictures waiting", counts.picture_bytes),
        ("records_sent_total", "counter", "Records sent", counts.sent),
        ("records_hinted_total", "counter", "Records sent and answered with a hint", counts.hinted),
        ("pictures_dropped_total", "counter", "Pictures given up for want of room", counts.pictures_dropped),
        ("pictures_too_large_total", "counter", "Pictures left out of pushes too large", counts.pictures_too_large),
        ("pictures_missing_total", "counter", "Pictures that were not there to be sent", counts.pictures_missing),
        ("log_lines_dropped_total", "counter", "Lines of the log that were dropped", log.dropped),
        ("log_lines_waiting", "gauge", "Lines of the log not written yet", log.waiting),
        (
            "problem",
            "gauge",
            "1 while a person must act: `/status` says what is wrong",
            u64::from(counts.problem.is_some()),
        ),
    ] {
        // Writing into memory cannot fail.
        let _ = writeln!(text, "# HELP parkgate_agent_{name} {help}\n# TYPE parkgate_agent_{name} {kind}");
        let _ = writeln!(text, "parkgate_agent_{name} {value}");
    }
    if let Some(at) = counts.last_sent_at {
        let name = "parkgate_agent_last_sent_timestamp_seconds";
        let help = "When a record was last sent, in seconds since 1970";
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {}", at.0 as f64 / 1000.0);
    }
    let (version, commit) = (env!("CARGO_PKG_VERSION"), option_env!("PARKGATE_COMMIT").unwrap_or("unknown"));
    text.push_str("# HELP parkgate_agent_build_info Version and commit of this program; always 1\n");
    text.push_str("# TYPE parkgate_agent_build_info gauge\n");
    let _ = writeln!(text, "parkgate_agent_build_info{{version=\"{version}\",commit=\"{commit}\"}} 1");
    text
}

const STYLE: &str = "body{font:16px/1.5 system-ui,'Noto Sans CJK SC','Microsoft YaHei',sans-serif;max-width:44rem;\
margin:2rem auto;padding:0 1rem;color:#1c2430}h1{font-size:1.3rem}table{border-collapse:collapse;width:100%}\
td{border-top:1px solid #d8dee6;padding:.4rem .6rem;vertical-align:top;overflow-wrap:anywhere}\
td:first-child{width:14rem;color:#5a6675}";

/// The status page.
#[must_use]
pub fn page(counts: &Counts, letters: &[DeadLetter], now: UnixMillis) -> String {
    let half = &texts().agent_half;
    let mut page = format!(
        "<!doctype html>\n<html lang=\"{0}\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <meta http-equiv=\"refresh\" content=\"5\"><title>{1}</title><style>{STYLE}</style>\n\
         <h1>{1}</h1>\n<table>\n",
        lang().name(),
        half.title,
    );
    let oldest = counts.oldest.map_or_else(|| "-".into(), |oldest| (half.seconds)(now.since(oldest).as_secs()));
    for (name, value) in [
        (half.queued, counts.queued.to_string()),
        (half.oldest, oldest),
        (half.sent, counts.sent.to_string()),
        (half.last_minute, counts.sent_last_minute.to_string()),
        (half.hinted, counts.hinted.to_string()),
        (half.dead, counts.dead.to_string()),
        (half.held, counts.held.to_string()),
        (half.left_out, left_out(counts)),
        (half.last_hint, counts.last_hint.clone().unwrap_or_else(|| "-".into())),
        (half.last_error, counts.last_error.clone().unwrap_or_else(|| "-".into())),
        (half.problem, counts.problem.clone().unwrap_or_else(|| "-".into())),
    ] {
        let _ = writeln!(page, "<tr><td>{name}<td>{}", escaped(&value));
    }
    page.push_str("</table>\n");
    if !letters.is_empty() {
        let _ = writeln!(page, "<h1>{}</h1>\n<table>", half.dead_letters);
        for record in letters.iter().take(100) {
            let _ = writeln!(
                page,
                "<tr><td>{} {} {}<td>{}",
                record.id,
                record.kind.name(),
                escaped(&record.parking_serial),
                escaped(&record.hint)
            );
        }
        page.push_str("</table>\n");
    }
    page.push_str("</html>\n");
    page
}

/// Pictures that records went without, and why.
fn left_out(counts: &Counts) -> String {
    (texts().agent_half.pictures)(counts.pictures_dropped, counts.pictures_too_large, counts.pictures_missing)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
