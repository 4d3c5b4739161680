//! Whom the `Host` of a request names. A browser on this machine can be made to ask an address of this machine under a name of
//! somebody else's (DNS rebinding), and would then show that site's script the answer. An address cannot be given to another
//! machine, as a name can.

use std::net::IpAddr;

use http::header::HOST;
use http::{HeaderMap, Uri};

/// Every host that a request names: what stands in front could read another one than we do.
pub fn hosts_named<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> impl Iterator<Item = &'a str> {
    headers.get_all(HOST).iter().map(|host| host.to_str().unwrap_or_default()).chain(uri.host())
}

/// Does a host, with a port or without, name this machine: as `localhost`, by an address of its own, or by one of the `names`
/// it goes by (lower case)?
pub fn is_own_host(host: &str, is_own_address: impl Fn(IpAddr) -> bool, names: &[String]) -> bool {
    let name = without_port(host);
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    match address.parse() {
        Ok(address) => is_own_address(address),
        Err(_) => {
            let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
            name == "localhost" || (!name.is_empty() && names.contains(&name))
        }
    }
}

/// A bare IPv6 address has no port.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port))
            if port.bytes().all(|digit| digit.is_ascii_digit()) && (name.ends_with(']') || !name.contains(':')) =>
        {
            name
        }
        Some(_) | None => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_or_a_name_of_this_machine_and_nobody_elses() {
        let names = ["gate-pc".to_owned()];
        let is_own = |host: &str| is_own_host(host, |address| address.is_loopback(), &names);
        for host in [
            "localhost",
            "LOCALHOST:8081",
            "localhost.",
            "localhost.:8081",
            "127.0.0.1",
            "127.1.2.3:8081",
            "[::1]:8081",
            "[::1]",
            "::1",
            "Gate-PC:80",
            "gate-pc.",
        ] {
            assert!(is_own(host), "{host}");
        }
        for host in [
            "",
            ".",
            ":8081",
            "evil.example",
            "evil.example:8081",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "127.0.0.1@evil.example",
            "x:y",
            "10.0.0.5",
            "[::2]:80",
            "[[::1]]",
            "localhost..",
        ] {
            assert!(!is_own(host), "{host}");
        }
    }

    #[test]
    fn every_host_of_a_request_counts() {
        let mut headers = HeaderMap::new();
        headers.append(HOST, "localhost".parse().unwrap());
        headers.append(HOST, "evil.example".parse().unwrap());
        let uri = Uri::from_static("http://other.example/metrics");
        assert_eq!(hosts_named(&uri, &headers).collect::<Vec<_>>(), ["localhost", "evil.example", "other.example"]);
    }
}
