//! `agent check`: what goes wrong on the first day, in words: the address, the network, the clock, the secret.

use std::time::Duration;

use parkgate_client::{Denial, Draft, Outcome, now};
use parkgate_text::texts;
use parkgate_wire::{PushKind, UnixMillis};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use crate::config::AgentConfig;

const WITHIN: Duration = Duration::from_secs(10);
/// A clock that is off by more makes enter and leave times wrong.
const SKEW_MAX: Duration = Duration::from_secs(60);

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckResult {
    /// `url`, `dns`, `line`, `platform`, `clock`, `secret`.
    pub what: &'static str,
    /// Nothing to fix.
    pub is_ok: bool,
    /// What was found and, if it failed, what to do.
    pub message: String,
}

fn passed(what: &'static str, message: impl Into<String>) -> CheckResult {
    CheckResult { what, is_ok: true, message: message.into() }
}

fn failed(what: &'static str, message: impl Into<String>) -> CheckResult {
    CheckResult { what, is_ok: false, message: message.into() }
}

/// Checks everything between here and the platform, in order, up to the first that fails.
///
/// The platform gets one push whose `enter_time` is no time. No platform can record that: signed correctly, the push is
/// refused for its time; signed wrongly, the hint says so.
pub async fn check(config: &AgentConfig) -> Vec<CheckResult> {
    let mut results = Vec::new();
    match line(&config.platform.url).await {
        Ok(found) => results.extend(found),
        Err(found) => {
            results.extend(found);
            return results;
        }
    }
    results.extend(platform(config).await);
    results
}

/// The URL, its host name, and whether anything listens there.
async fn line(url: &str) -> Result<Vec<CheckResult>, Vec<CheckResult>> {
    let (host, port) = match parkgate_client::host_of(url) {
        Ok(host) => host,
        Err(error) => return Err(vec![failed("url", format!("[platform] url: {error}"))]),
    };
    let mut results = Vec::new();
    let stopped = |mut results: Vec<CheckResult>, what, message| {
        results.push(failed(what, message));
        Err(results)
    };
    let addresses: Vec<_> = match timeout(WITHIN, lookup_host((host.as_str(), port))).await {
        Ok(Ok(addresses)) => addresses.collect(),
        Ok(Err(error)) => {
            let message = (texts().agent_half.cannot_resolve)(&host, &error.to_string());
            return stopped(results, "dns", message);
        }
        Err(_) => {
            let message = (texts().agent_half.resolving_timed_out)(&host);
            return stopped(results, "dns", message);
        }
    };
    let listed: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
    results.push(passed("dns", format!("{host} = {}", listed.join(", "))));
    match timeout(WITHIN, TcpStream::connect(addresses.as_slice())).await {
        Ok(Ok(_)) => results.push(passed("line", format!("{host}:{port}"))),
        Ok(Err(error)) => {
            let message = (texts().agent_half.cannot_connect)(&format!("{host}:{port}"), &error.to_string());
            return stopped(results, "line", message);
        }
        Err(_) => {
            let message = (texts().agent_half.connecting_timed_out)(&format!("{host}:{port}"), WITHIN.as_secs());
            return stopped(results, "line", message);
        }
    }
    Ok(results)
}

/// The platform's answer to a push that it cannot record.
async fn platform(config: &AgentConfig) -> Vec<CheckResult> {
    let client = match config.client() {
        Ok(client) => client.timeout(WITHIN),
        Err(error) => return vec![failed("secret", error)],
    };
    let probe = Draft::default()
        .param("parking_serial", "parkgate-agent-check")
        .param("plate_color", "-1")
        .param("enter_time", "check")
        .param("car_type", "0")
        .param("car_desc", "check")
        .param("charge_type", "1");
    let (outcome, date) = match client.push_dated(PushKind::Enter, probe).await {
        Ok(answer) => answer,
        Err(error) => return vec![failed("platform", error.to_string())],
    };
    let mut results = Vec::new();
    results.extend(found(outcome));
    results.extend(date.map(|date| clock(date, now())));
    results
}

fn found(outcome: Outcome) -> Vec<CheckResult> {
    match outcome {
        Outcome::TryLater { reason, .. }
        | Outcome::TooLarge { reason }
        | Outcome::Denied { denial: Denial::Blocked, reason, .. } => {
            vec![failed("platform", (texts().agent_half.no_protocol)(&reason))]
        }
        Outcome::Denied { denial: Denial::Access, reason, .. } => {
            vec![failed("platform", (texts().agent_half.not_let_in)(&reason))]
        }
        Outcome::Denied { denial: Denial::Signature, reason, reply } => vec![
            passed("platform", format!("seqno {}", reply.map(|reply| reply.seqno).unwrap_or_default())),
            failed("secret", (texts().agent_half.wrong_signature)(&reason)),
        ],
        Outcome::Refused(reply) => vec![
            passed("platform", format!("seqno {}", reply.seqno)),
            passed("secret", texts().agent_half.right_signature),
        ],
        Outcome::Accepted(reply) | Outcome::AcceptedWithHint(reply) => {
            vec![passed("platform", format!("seqno {} {}", reply.seqno, reply.hint.unwrap_or_default()))]
        }
    }
}

pub(crate) fn clock(platform: UnixMillis, here: UnixMillis) -> CheckResult {
    let half = &texts().agent_half;
    let (off, said) =
        if here > platform { (here.since(platform), half.clock_fast) } else { (platform.since(here), half.clock_slow) };
    if off <= SKEW_MAX {
        return passed("clock", half.clock_right);
    }
    failed("clock", said(&span(off)))
}

/// A duration in the largest unit of which there are two.
fn span(length: Duration) -> String {
    let (units, seconds) = (&texts().general, length.as_secs());
    let lengths = [(86_400, units.days), (3600, units.hours), (60, units.minutes)];
    let found = lengths.into_iter().find(|(unit, _)| seconds >= 2 * unit);
    let (unit, said) = found.unwrap_or((1, units.seconds));
    said(&(seconds / unit).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_off_is_reported_with_its_direction() {
        let found = |platform, here| clock(UnixMillis(platform), UnixMillis(here));
        assert!(found(1_000_000, 1_030_000).is_ok);
        assert!(found(1_000_000, 1_090_000).message.contains("快约 90秒"));
        assert!(found(1_090_000, 1_000_000).message.contains("慢约 90秒"));
        assert!(found(1_000_000, 87_400_000).message.contains("快约 24小时: 请校时"));
    }
}
