//! Who sends a request: the peer of its connection, or whoever a proxy that is trusted says is behind it.
//!
//! Each proxy writes the address it was called from at the end of `X-Forwarded-For` or `Forwarded` (RFC 7239). So both are
//! read from their end, as long as what they name is trusted in its turn; whatever stands before that may be anybody's
//! invention. Where nothing can be read, the nearest proxy's own address counts.

use std::net::{IpAddr, SocketAddr};

use http::header::{FORWARDED, HeaderName};
use http::{HeaderMap, HeaderValue};
use ipnet::IpNet;

use crate::host::host_of;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Who sends a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ClientAddress(pub(crate) IpAddr);

impl ClientAddress {
    /// The host it is an address of.
    pub(crate) fn host(self) -> IpAddr {
        host_of(self.0)
    }
}

/// Networks of proxies that are believed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

impl From<Vec<IpNet>> for TrustedProxies {
    fn from(networks: Vec<IpNet>) -> Self {
        TrustedProxies(networks)
    }
}

impl TrustedProxies {
    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Whose request with these headers is, that came from `peer`.
    pub(crate) fn client_of(&self, peer: IpAddr, headers: &HeaderMap) -> ClientAddress {
        let peer = peer.to_canonical();
        if !self.trusts(peer) {
            return ClientAddress(peer);
        }
        let lines_of = |name| headers.contains_key(&name).then(|| headers.get_all(name).iter().rev());
        let x_forwarded_for = lines_of(X_FORWARDED_FOR).map(|lines| self.behind(peer, lines.flat_map(x_forwarded_for)));
        let forwarded = lines_of(FORWARDED).map(|lines| self.behind(peer, lines.flat_map(forwarded)));
        ClientAddress(match (x_forwarded_for, forwarded) {
            (None, None) => peer,
            (Some(client), None) | (None, Some(client)) => client,
            (Some(client), Some(other)) if client == other => client,
            // A proxy writes one of them and lets the other pass, which is then the client's own: nobody knows which.
            (Some(_), Some(_)) => peer,
        })
    }

    /// The first on the way that is not trusted; the way begins at the nearest.
    fn behind(&self, peer: IpAddr, way: impl Iterator<Item = Option<IpAddr>>) -> IpAddr {
        let mut nearest = peer;
        for address in way {
            match address {
                Some(address) if self.trusts(address) => nearest = address,
                Some(address) => return address,
                None => return nearest,
            }
        }
        nearest
    }
}

/// From the end to the beginning; none for what is no address.
fn x_forwarded_for(line: &HeaderValue) -> Vec<Option<IpAddr>> {
    let Ok(line) = line.to_str() else { return vec![None] };
    line.rsplit(',').map(str::trim).filter(|piece| !piece.is_empty()).map(address).collect()
}

/// The `for` of each element, from the end to the beginning. A line that cannot be split has none that can be trusted.
fn forwarded(line: &HeaderValue) -> Vec<Option<IpAddr>> {
    let elements = line.to_str().ok().and_then(|line| split_unquoted(line, ','));
    let Some(elements) = elements else { return vec![None] };
    elements.into_iter().rev().map(str::trim).filter(|element| !element.is_empty()).map(sender).collect()
}

/// The `for` of an element, if it has one and that is an address.
fn sender(element: &str) -> Option<IpAddr> {
    let pairs = split_unquoted(element, ';')?;
    let mut named = pairs.into_iter().filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then(|| value.trim())
    });
    let (Some(value), None) = (named.next(), named.next()) else { return None };
    match value.strip_prefix('"').map(|rest| rest.strip_suffix('"')) {
        Some(Some(quoted)) => address(&quoted.replace('\\', "")),
        Some(None) => None,
        // Ports and IPv6 must be quoted.
        None => value.parse().ok().filter(IpAddr::is_ipv4),
    }
}

/// Split where `at` stands outside of quotes; none if a quote does not end.
fn split_unquoted(text: &str, at: char) -> Option<Vec<&str>> {
    let (mut pieces, mut start, mut is_quoted, mut is_escaped) = (Vec::new(), 0, false, false);
    for (index, letter) in text.char_indices() {
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            _ if letter == at && !is_quoted => {
                pieces.push(text.get(start..index)?);
                start = index + letter.len_utf8();
            }
            _ => {}
        }
    }
    pieces.push(text.get(start..)?);
    (!is_quoted).then_some(pieces)
}

/// An address, perhaps with a port, which may be hidden in `Forwarded`. `unknown` and names are none.
fn address(text: &str) -> Option<IpAddr> {
    let bare = || text.parse().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    let bracketed = |text: &str| text.strip_prefix('[')?.strip_suffix(']')?.parse().ok().filter(IpAddr::is_ipv6);
    let with_hidden_port = || {
        let (host, port) = text.rsplit_once(":_")?;
        let is_name = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
        let is_port = !port.is_empty() && port.chars().all(is_name);
        let host = bracketed(host).or_else(|| host.parse().ok().filter(IpAddr::is_ipv4));
        host.filter(|_| is_port)
    };
    let address: Option<IpAddr> = bare().or_else(with_port).or_else(|| bracketed(text)).or_else(with_hidden_port);
    address.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests;
