//! `[http]`: whom the gate believes about a request's origin.

use std::net::IpAddr;

use ipnet::IpNet;
use parkgate_text::texts;
use parkgate_web::TrustedProxies;
use serde::Deserialize;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GivenHttp {
    trusted_proxies: Option<Networks>,
}

impl GivenHttp {
    pub(super) const NAMES: &[&str] = &["trusted_proxies"];

    pub(super) fn trusted_proxies(self) -> TrustedProxies {
        self.trusted_proxies.map(|networks| networks.0).unwrap_or_default().into()
    }
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "NetworkList")]
struct Networks(Vec<IpNet>);

/// A list in the file; in a variable a text separated by commas.
#[derive(Deserialize)]
#[serde(untagged, expecting = "write networks, as in [\"10.0.0.0/8\"]")]
enum NetworkList {
    One(String),
    Several(Vec<String>),
}

impl TryFrom<NetworkList> for Networks {
    type Error = String;

    fn try_from(listed: NetworkList) -> Result<Self, String> {
        let texts = match listed {
            NetworkList::One(text) => text.split(',').map(str::to_owned).collect(),
            NetworkList::Several(texts) => texts,
        };
        let texts = texts.iter().map(|text| text.trim()).filter(|text| !text.is_empty());
        texts.map(network).collect::<Result<_, _>>().map(Networks)
    }
}

/// A network, or one address.
pub(crate) fn network(text: &str) -> Result<IpNet, String> {
    let one = || text.parse::<IpAddr>().map(IpNet::from);
    // IPv4 addresses written as IPv6 are compared as IPv4.
    let canonical = |network: IpNet| match network {
        IpNet::V6(inner) if inner.prefix_len() == 128 => IpNet::from(inner.addr().to_canonical()),
        network => network,
    };
    text.parse().or_else(|_| one()).map(canonical).map_err(|_| (texts().general.network)(text))
}
