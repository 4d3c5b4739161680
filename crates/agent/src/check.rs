//! `agent check`: what goes wrong on the first day, in words: the address, the network, the clock, the secret.

use std::time::Duration;

use parkgate_client::{Denial, Draft, Outcome, now};
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
            let message = format!("域名`{host}`无法解析: 检查 [platform] url 与本机DNS (cannot be resolved: {error})");
            return stopped(results, "dns", message);
        }
        Err(_) => {
            let message = format!("域名`{host}`解析超时: 检查本机DNS (no answer from the name server)");
            return stopped(results, "dns", message);
        }
    };
    let listed: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
    results.push(passed("dns", format!("{host} = {}", listed.join(", "))));
    match timeout(WITHIN, TcpStream::connect(addresses.as_slice())).await {
        Ok(Ok(_)) => results.push(passed("line", format!("{host}:{port}"))),
        Ok(Err(error)) => {
            let message = format!("{host}:{port} 连不上: 检查地址、端口与防火墙 (cannot connect: {error})");
            return stopped(results, "line", message);
        }
        Err(_) => {
            let message = format!("{host}:{port} 连接超时: 检查防火墙与代理 (no answer within {}s)", WITHIN.as_secs());
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
        | Outcome::Denied { denial: Denial::Blocked, reason, .. } => vec![failed(
            "platform",
            format!("不是本协议的应答: 检查 [platform] url (no reply of the protocol from this address: {reason})"),
        )],
        Outcome::Denied { denial: Denial::Access, reason, .. } => {
            vec![failed("platform", format!("{reason}: 检查 park_uuid 与 app_id (the platform does not let it in)"))]
        }
        Outcome::Denied { denial: Denial::Signature, reason, reply } => vec![
            passed("platform", format!("seqno {}", reply.map(|reply| reply.seqno).unwrap_or_default())),
            failed("secret", format!("检查 [platform] secret (the signature is wrong): {reason}")),
        ],
        Outcome::Refused(reply) => vec![
            passed("platform", format!("seqno {}", reply.seqno)),
            passed("secret", "签名通过 (the signature is right)"),
        ],
        Outcome::Accepted(reply) | Outcome::AcceptedWithHint(reply) => {
            vec![passed("platform", format!("seqno {} {}", reply.seqno, reply.hint.unwrap_or_default()))]
        }
    }
}

pub(crate) fn clock(platform: UnixMillis, here: UnixMillis) -> CheckResult {
    let (off, zh, en) =
        if here > platform { (here.since(platform), "快", "ahead") } else { (platform.since(here), "慢", "behind") };
    if off <= SKEW_MAX {
        return passed("clock", "与平台一致 (as the platform's)");
    }
    let seconds = off.as_secs();
    failed("clock", format!("本机时钟{zh}{seconds}秒: 请校时 (this clock is {seconds}s {en} of the platform's)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_off_is_reported_with_its_direction() {
        let found = |platform, here| clock(UnixMillis(platform), UnixMillis(here));
        assert!(found(1_000_000, 1_030_000).is_ok);
        assert!(found(1_000_000, 1_090_000).message.contains("快90秒"));
        assert!(found(1_090_000, 1_000_000).message.contains("90s behind"));
    }
}
