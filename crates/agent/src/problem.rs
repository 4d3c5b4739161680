//! Problems a person must fix although the platform answers: shown in the status until they are gone.

use std::fmt;

use parkgate_client::Denial;
use parkgate_wire::UnixMillis;

use crate::check;

/// One such problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Problem {
    /// Every record is denied.
    Denied(Denial),
    /// The clock is off; by how much, in words.
    Clock(String),
}

impl Problem {
    /// If this clock differs too much from the platform's.
    pub(crate) fn of_clock(platform: UnixMillis, here: UnixMillis) -> Option<Problem> {
        let clock = check::clock(platform, here);
        (!clock.is_ok).then_some(Problem::Clock(clock.message))
    }

    /// Is it the same problem as before? A clock that is off by one second more is no news.
    pub(crate) fn is_same(before: Option<&Problem>, after: Option<&Problem>) -> bool {
        match (before, after) {
            (Some(Problem::Clock(_)), Some(Problem::Clock(_))) => true,
            (before, after) => before == after,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Denied(Denial::Signature) => {
                out.write_str("平台报签名错误: 检查 [platform] secret, 见 agent check; 记录都保留 (the signature is wrong: records are kept)")
            }
            Problem::Denied(Denial::Access) => out.write_str(
                "平台拦截本车场: 检查 park_uuid 与 app_id, 见 agent check; 记录都保留 (the platform does not let this car park in: records are kept)",
            ),
            Problem::Denied(Denial::Blocked) => out.write_str(
                "平台之前的代理或防火墙拦截, 或地址有误: 检查 [platform] url, 联系平台; 记录都保留 (blocked before the platform, or a wrong address: records are kept)",
            ),
            Problem::Clock(message) => out.write_str(message),
        }
    }
}
