use proptest::prelude::*;

use super::*;

const PEER: &str = "10.0.0.1";

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn proxies() -> TrustedProxies {
    TrustedProxies::from(vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()])
}

fn client(peer: &str, headers: &[(&str, &[u8])]) -> IpAddr {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_bytes(value).unwrap());
    }
    proxies().client_of(ip(peer), &map).0
}

fn one(name: &str, value: &str) -> IpAddr {
    client(PEER, &[(name, value.as_bytes())])
}

#[test]
fn x_forwarded_for_is_read_from_its_end() {
    for (value, expected) in [
        ("203.0.113.7", "203.0.113.7"),
        ("198.51.100.1, 203.0.113.7", "203.0.113.7"),
        ("198.51.100.1, 203.0.113.7, 10.1.1.1, 10.2.2.2", "203.0.113.7"),
        ("203.0.113.7,10.1.1.1", "203.0.113.7"),
        (" , 203.0.113.7 ,, 10.1.1.1 , ", "203.0.113.7"),
        ("203.0.113.7:4711", "203.0.113.7"),
        ("2001:db8::7", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("[2001:db8::7]:443", "2001:db8::7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("203.0.113.7, fd00::1", "203.0.113.7"),
        // All are trusted: the farthest.
        ("10.3.3.3, 10.2.2.2", "10.3.3.3"),
        ("", PEER),
        (",", PEER),
        // What is no address ends the way at the nearest proxy.
        ("unknown", PEER),
        ("203.0.113.7, unknown", PEER),
        ("203.0.113.7, unknown, 10.2.2.2", "10.2.2.2"),
        ("203.0.113.7, _hidden, 10.2.2.2", "10.2.2.2"),
        ("203.0.113.7, 10.2.2", PEER),
        ("203.0.113.7, 10.2.2.256", PEER),
        ("203.0.113.7, 010.2.2.2", PEER),
        ("203.0.113.7:65536", PEER),
        ("203.0.113.7:", PEER),
        ("203.0.113.7 10.2.2.2", PEER),
        ("[203.0.113.7]", PEER),
        ("fe80::1%eth0", PEER),
        ("localhost", PEER),
        ("\"203.0.113.7\"", PEER),
    ] {
        assert_eq!(one("x-forwarded-for", value), ip(expected), "{value}");
    }
}

#[test]
fn forwarded_is_read_from_its_end() {
    for (value, expected) in [
        ("for=203.0.113.7", "203.0.113.7"),
        ("For=\"203.0.113.7:4711\"", "203.0.113.7"),
        ("for=\"203.0.113.7:_x-1\"", "203.0.113.7"),
        ("for=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"),
        ("for=\"[2001:db8:cafe::17]:_port\"", "2001:db8:cafe::17"),
        ("FOR=\"[2001:db8:cafe::17]\"", "2001:db8:cafe::17"),
        ("for=\"203\\.0.113.7\"", "203.0.113.7"),
        ("proto=http; by=10.1.1.1; for=203.0.113.7", "203.0.113.7"),
        ("for=198.51.100.1, for=203.0.113.7;proto=https, for=10.2.2.2", "203.0.113.7"),
        ("for=203.0.113.7, , for=\"10.2.2.2:80\",", "203.0.113.7"),
        ("for=203.0.113.7;secret=\"a,b;for=1.1.1.1\\\",\"", "203.0.113.7"),
        ("for=unknown", PEER),
        ("for=203.0.113.7, for=unknown, for=10.2.2.2", "10.2.2.2"),
        ("for=203.0.113.7, for=_hidden", PEER),
        ("for=203.0.113.7, for=\"_hidden:80\"", PEER),
        ("for=203.0.113.7, by=10.2.2.2", PEER),
        ("for=203.0.113.7;for=203.0.113.8", PEER),
        ("for=203.0.113.7:80", PEER),
        ("for=[2001:db8::7]", PEER),
        ("for=2001:db8::7", PEER),
        ("for=\"203.0.113.7", PEER),
        ("for=\"198.51.100.1, for=203.0.113.7", PEER),
        ("for=", PEER),
        ("203.0.113.7", PEER),
    ] {
        assert_eq!(one("forwarded", value), ip(expected), "{value}");
    }
}

#[test]
fn several_lines_are_one_list() {
    let lines: [(&str, &[u8]); 3] = [
        ("x-forwarded-for", b"198.51.100.1, 203.0.113.7"),
        ("x-forwarded-for", b"10.3.3.3"),
        ("x-forwarded-for", b"10.2.2.2"),
    ];
    assert_eq!(client(PEER, &lines), ip("203.0.113.7"));
    let lines: [(&str, &[u8]); 2] = [("forwarded", b"for=203.0.113.7"), ("forwarded", b"for=10.2.2.2;proto=http")];
    assert_eq!(client(PEER, &lines), ip("203.0.113.7"));
    let lines: [(&str, &[u8]); 2] = [("x-forwarded-for", b"203.0.113.7"), ("x-forwarded-for", b"\xff")];
    assert_eq!(client(PEER, &lines), ip(PEER), "no text");
}

#[test]
fn two_headers_that_contradict_each_other_say_nothing() {
    let both: [(&str, &[u8]); 2] = [("x-forwarded-for", b"203.0.113.7"), ("forwarded", b"for=203.0.113.7")];
    assert_eq!(client(PEER, &both), ip("203.0.113.7"));
    let other: [(&str, &[u8]); 2] = [("x-forwarded-for", b"203.0.113.7"), ("forwarded", b"for=203.0.113.8")];
    assert_eq!(client(PEER, &other), ip(PEER));
}

#[test]
fn nobody_else_is_believed() {
    let headers: [(&str, &[u8]); 2] = [("x-forwarded-for", b"203.0.113.7"), ("forwarded", b"for=203.0.113.7")];
    for peer in ["192.0.2.1", "2001:db8::1", "11.0.0.1"] {
        assert_eq!(client(peer, &headers), ip(peer));
    }
    assert_eq!(client("::ffff:10.0.0.1", &headers), ip("203.0.113.7"), "an IPv4 proxy at an IPv6 listener");
    assert_eq!(client("::ffff:192.0.2.1", &headers), ip("192.0.2.1"));
}

fn any_address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<[u8; 3]>().prop_map(|rest| IpAddr::from([10, rest[0], rest[1], rest[2]])),
        any::<[u8; 4]>().prop_map(IpAddr::from),
        any::<[u16; 8]>().prop_map(|pieces| IpAddr::from(pieces).to_canonical()),
    ]
}

proptest! {
    /// What proxies wrote, and before it whatever a client sent them.
    #[test]
    fn what_stands_before_the_client_changes_nothing(
        invented in "[ -~]{0,60}",
        outside in any_address().prop_filter("outside", |address| !proxies().trusts(*address)),
        between in prop::collection::vec(any::<[u8; 3]>(), 0..4),
        in_lines in any::<bool>(),
    ) {
        let between = between.iter().map(|rest| format!("10.{}.{}.{}", rest[0], rest[1], rest[2]));
        let way: Vec<String> = [outside.to_string()].into_iter().chain(between).collect();
        let of = |name: &str, invented: String, way: Vec<String>| {
            let mut lines = vec![invented];
            lines.extend(way);
            let lines = if in_lines { lines } else { vec![lines.join(", ")] };
            let headers: Vec<(&str, &[u8])> = lines.iter().map(|line| (name, line.as_bytes())).collect();
            client(PEER, &headers)
        };
        prop_assert_eq!(of("x-forwarded-for", invented.clone(), way.clone()), outside);
        let element = |address: &String| if address.contains(':') { format!("for=\"[{address}]\"") } else { format!("for={address}") };
        let way: Vec<String> = way.iter().map(element).collect();
        let found = of("forwarded", invented.clone(), way.clone());
        // In one line with a quote of its own the invented beginning can only make it unreadable.
        let may_be_unreadable = !in_lines && invented.contains(['"', '\\']);
        prop_assert!(found == outside || may_be_unreadable && found == ip(PEER), "{found}");
        // Beside the proxies' own header the other one can only make them both unreadable.
        let last = way.join(", ");
        let both = client(PEER, &[("forwarded", last.as_bytes()), ("x-forwarded-for", invented.as_bytes())]);
        prop_assert!(both == outside || both == ip(PEER), "{both}");
    }

    #[test]
    fn any_bytes_are_read(name in prop::sample::select(vec!["forwarded", "x-forwarded-for"]), value in prop::collection::vec(prop_oneof![Just(b'"'), Just(b'\\'), Just(b','), Just(b'='), Just(b';'), 32_u8..=126, 128_u8..=255], 0..60)) {
        let _ = client(PEER, &[(name, &value)]);
    }
}
