//! Which addresses a subscriber may have: an operator enters them, and must not reach through them what is behind the gate.
//! Names are resolved here, and the connection is made to the addresses that were checked.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use parkgate_text::texts;
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Is this a public address?
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    let is_shared = first == 100 && (64..128).contains(&second);
    let is_of_protocols = (first, second, third) == (192, 0, 0) || (first == 198 && (18..20).contains(&second));
    let is_special = address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_documentation()
        || address.is_multicast();
    !(is_special || is_shared || is_of_protocols || first == 0 || first >= 240)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    match segments {
        // The same network, seen through a translator.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            let [one, two] = high.to_be_bytes();
            let [three, four] = low.to_be_bytes();
            is_public_v4(Ipv4Addr::new(one, two, three, four))
        }
        // Global unicast, without tunnels (their other ends are anywhere) and the examples of documentation.
        [0x2001, 0..0x200, ..] | [0x2001, 0xdb8, ..] => false,
        [first, ..] => (0x2000..0x4000).contains(&first),
    }
}

/// What can be said of a subscriber's URL before anything is sent to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// It can be sent to.
    Good,
    /// Nothing will ever be sent there, for this reason.
    Refused(String),
    /// Its name cannot be resolved at present, for this reason.
    Unresolved(String),
}

/// How long resolving a name may take.
const LOOKUP_MAX: Duration = Duration::from_secs(5);

/// Would a gate with this setting send to this URL? Resolves its name as the gate does.
///
/// # Errors
/// It is no URL.
pub async fn reach(url: &str, allow_private: bool) -> Result<Reach, String> {
    let url = Url::parse(url).map_err(|error| format!("{url}: {error}"))?;
    if let Some(why) = refused(&url, allow_private) {
        return Ok(Reach::Refused(why));
    }
    let Some(name) = url.host_str().filter(|host| address_in(host).is_none()) else { return Ok(Reach::Good) };
    let found = tokio::time::timeout(LOOKUP_MAX, tokio::net::lookup_host((name, 0))).await;
    let found = match found {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => return Ok(Reach::Unresolved(error.to_string())),
        Err(_) => return Ok(Reach::Unresolved("no answer".into())),
    };
    Ok(match public_of(name, found) {
        Err(why) if !allow_private => Reach::Refused(why),
        Ok(_) | Err(_) => Reach::Good,
    })
}

/// Why a URL that contains an address is refused, if it is.
pub(super) fn refused(url: &Url, allow_private: bool) -> Option<String> {
    if allow_private {
        return None;
    }
    let host = url.host_str()?;
    (!is_public(address_in(host)?)).then(|| private(host))
}

fn address_in(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// The addresses of a name that may be sent to, or why there are none.
fn public_of(name: &str, found: impl Iterator<Item = SocketAddr>) -> Result<Vec<SocketAddr>, String> {
    let public: Vec<SocketAddr> = found.filter(|found| is_public(found.ip())).collect();
    if public.is_empty() { Err(private(name)) } else { Ok(public) }
}

fn private(host: &str) -> String {
    (texts().answers.private)(host)
}

/// Resolves names, and keeps only public addresses.
#[derive(Debug, Clone, Copy)]
pub(super) struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let name = name.as_str().to_owned();
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            Ok(Box::new(public_of(&name, found)?.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_as_good_as_its_best_address() {
        let found = |addresses: &[&str]| {
            let parsed = addresses.iter().map(|address| SocketAddr::new(address.parse().unwrap(), 0));
            public_of("city.example", parsed.collect::<Vec<_>>().into_iter())
        };
        assert_eq!(found(&["10.0.0.1", "8.8.8.8"]).unwrap().len(), 1);
        for private in [&["10.0.0.1", "::1"][..], &["64:ff9b::7f00:1"], &["::ffff:192.168.0.1"], &[]] {
            assert!(found(private).unwrap_err().contains("PARKGATE_FORWARD_ALLOW_PRIVATE"), "{private:?}");
        }
    }

    #[tokio::test]
    async fn a_url_is_checked_before_anything_is_sent() {
        let refused = |reach: Reach| matches!(reach, Reach::Refused(why) if why.contains("allow_private"));
        for url in ["http://127.0.0.1:1/x", "http://[::1]/", "http://localhost/{event}", "http://[64:ff9b::a00:1]/"] {
            assert!(refused(reach(url, false).await.unwrap()), "{url}");
            assert_eq!(reach(url, true).await, Ok(Reach::Good), "{url}");
        }
        assert_eq!(reach("http://8.8.8.8/", false).await, Ok(Reach::Good));
        assert!(matches!(reach("http://no-such-name.invalid/", false).await, Ok(Reach::Unresolved(_))));
        assert!(reach("nothing", false).await.is_err());
    }

    #[test]
    fn what_is_not_the_worlds_is_refused_however_it_is_written() {
        let private = [
            "http://127.0.0.1/",
            "http://10.0.0.1:80/x",
            "http://172.16.3.4/",
            "http://192.168.1.1/",
            "http://169.254.169.254/",
            "http://100.64.0.1/",
            "http://0.0.0.0/",
            "http://[::1]/",
            "http://[::ffff:10.0.0.1]/",
            "http://[fd00::1]/",
            "http://[fe80::1]/",
            "http://[64:ff9b::a00:1]/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://224.0.0.1/",
            "http://[2002:7f00:1::]/",
            "http://198.18.0.1/",
            "http://255.255.255.255/",
            "http://[::]/",
            "http://[2001::1]/",
            "http://0177.0.0.1/",
        ];
        for url in private {
            let url = Url::parse(url).unwrap();
            assert!(refused(&url, false).is_some(), "{url}");
            assert!(refused(&url, true).is_none(), "{url}");
        }
        for url in ["https://api.4pyun.com/gate/1.0", "http://8.8.8.8/", "http://[2400:3200::1]/", "http://172.32.0.1/"]
        {
            assert_eq!(refused(&Url::parse(url).unwrap(), false), None, "{url}");
        }
    }
}
