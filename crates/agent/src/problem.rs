//! What someone should mend, though the platform answers: shown in the status until it is well.

use std::fmt;

use parkgate_client::Denial;
use parkgate_wire::UnixMillis;

use crate::check;

/// One thing to mend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Problem {
    /// Nothing passes.
    Denied(Denial),
    /// The clock is off; by how much, in words.
    Clock(String),
}

impl Problem {
    /// If the clock is off by the platform's.
    pub(crate) fn of_clock(platform: UnixMillis, here: UnixMillis) -> Option<Problem> {
        let clock = check::clock(platform, here);
        (!clock.is_ok).then_some(Problem::Clock(clock.told))
    }

    /// To be mended by the same hand: a clock that is off by another second is no news.
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
            Problem::Clock(told) => out.write_str(told),
        }
    }
}
