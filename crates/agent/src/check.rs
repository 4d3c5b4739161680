//! What goes wrong on the first day, told in words: the address, the line, the clock, the secret.

use std::time::Duration;

use parkgate_client::{Denial, Draft, Outcome, now};
use parkgate_wire::{PushKind, UnixMillis};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use crate::config::Config;

const WITHIN: Duration = Duration::from_secs(10);
/// A clock that is off by more spoils times of entering and leaving.
const SKEW_MAX: Duration = Duration::from_secs(60);

/// One thing looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// `url`, `dns`, `line`, `platform`, `clock`, `secret`.
    pub what: &'static str,
    /// Nothing to mend.
    pub is_ok: bool,
    /// What was found and, if it is not well, what to do.
    pub told: String,
}

fn well(what: &'static str, told: impl Into<String>) -> Finding {
    Finding { what, is_ok: true, told: told.into() }
}

fn ill(what: &'static str, told: impl Into<String>) -> Finding {
    Finding { what, is_ok: false, told: told.into() }
}

/// Looks at everything between here and the platform, in order, up to the first that is not well.
///
/// The platform gets one push without a time in its `enter_time`: signed well it is refused for that, which no platform
/// can record; signed badly its hint says so.
pub async fn check(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    match line(&config.platform.url).await {
        Ok(found) => findings.extend(found),
        Err(found) => {
            findings.extend(found);
            return findings;
        }
    }
    findings.extend(platform(config).await);
    findings
}

/// The address, its name, and whether anything listens.
async fn line(url: &str) -> Result<Vec<Finding>, Vec<Finding>> {
    let (host, port) = match parkgate_client::host_of(url) {
        Ok(host) => host,
        Err(error) => return Err(vec![ill("url", format!("[platform] url: {error}"))]),
    };
    let mut findings = Vec::new();
    let failed = |mut findings: Vec<Finding>, what, told| {
        findings.push(ill(what, told));
        Err(findings)
    };
    let addresses: Vec<_> = match timeout(WITHIN, lookup_host((host.as_str(), port))).await {
        Ok(Ok(addresses)) => addresses.collect(),
        Ok(Err(error)) => {
            let told = format!("域名`{host}`无法解析: 检查 [platform] url 与本机DNS (cannot be resolved: {error})");
            return failed(findings, "dns", told);
        }
        Err(_) => {
            let told = format!("域名`{host}`解析超时: 检查本机DNS (no answer from the name server)");
            return failed(findings, "dns", told);
        }
    };
    let listed: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
    findings.push(well("dns", format!("{host} = {}", listed.join(", "))));
    match timeout(WITHIN, TcpStream::connect(addresses.as_slice())).await {
        Ok(Ok(_)) => findings.push(well("line", format!("{host}:{port}"))),
        Ok(Err(error)) => {
            let told = format!("{host}:{port} 连不上: 检查地址、端口与防火墙 (cannot connect: {error})");
            return failed(findings, "line", told);
        }
        Err(_) => {
            let told = format!("{host}:{port} 连接超时: 检查防火墙与代理 (no answer within {}s)", WITHIN.as_secs());
            return failed(findings, "line", told);
        }
    }
    Ok(findings)
}

/// The platform's answer to one push that it cannot record.
async fn platform(config: &Config) -> Vec<Finding> {
    let client = match config.client() {
        Ok(client) => client.timeout(WITHIN),
        Err(error) => return vec![ill("secret", error)],
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
        Err(error) => return vec![ill("platform", error.to_string())],
    };
    let mut findings = Vec::new();
    findings.extend(found(outcome));
    findings.extend(date.map(|date| clock(date, now())));
    findings
}

fn found(outcome: Outcome) -> Vec<Finding> {
    match outcome {
        Outcome::TryLater { reason, .. }
        | Outcome::TooLarge { reason }
        | Outcome::Denied { denial: Denial::Blocked, reason, .. } => vec![ill(
            "platform",
            format!("不是本协议的应答: 检查 [platform] url (no reply of the protocol from this address: {reason})"),
        )],
        Outcome::Denied { denial: Denial::Access, reason, .. } => {
            vec![ill("platform", format!("{reason}: 检查 park_uuid 与 app_id (the platform does not let it in)"))]
        }
        Outcome::Denied { denial: Denial::Signature, reason, reply } => vec![
            well("platform", format!("seqno {}", reply.map(|reply| reply.seqno).unwrap_or_default())),
            ill("secret", format!("检查 [platform] secret (the signature is wrong): {reason}")),
        ],
        Outcome::Refused(reply) => vec![
            well("platform", format!("seqno {}", reply.seqno)),
            well("secret", "签名通过 (the signature is right)"),
        ],
        Outcome::Accepted(reply) | Outcome::AcceptedWithHint(reply) => {
            vec![well("platform", format!("seqno {} {}", reply.seqno, reply.hint.unwrap_or_default()))]
        }
    }
}

pub(crate) fn clock(platform: UnixMillis, here: UnixMillis) -> Finding {
    let (off, zh, en) =
        if here > platform { (here.since(platform), "快", "ahead") } else { (platform.since(here), "慢", "behind") };
    if off <= SKEW_MAX {
        return well("clock", "与平台一致 (as the platform's)");
    }
    let seconds = off.as_secs();
    ill("clock", format!("本机时钟{zh}{seconds}秒: 请校时 (this clock is {seconds}s {en} of the platform's)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_off_is_told_with_its_direction() {
        let found = |platform, here| clock(UnixMillis(platform), UnixMillis(here));
        assert!(found(1_000_000, 1_030_000).is_ok);
        assert!(found(1_000_000, 1_090_000).told.contains("快90秒"));
        assert!(found(1_090_000, 1_000_000).told.contains("90s behind"));
    }
}
