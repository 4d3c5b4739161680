//! Which paths are passed on: as they were written, and never out of the platform's root.

use parkgate_wire::{endpoint_of_path, may_be_passed_on};
use proptest::prelude::*;
use reqwest::Url;

use super::*;

#[test]
fn a_path_arrives_as_it_was_written_and_never_leaves_the_root() {
    let upstream = Upstream::fine();
    let gate = front(&format!("{}/root", upstream.server.url), PARK, &[]);
    let query = format!("?park_uuid={DEMO_PARK}");
    let ask = |path: &str| {
        raw(&gate, format!("GET {path}{query} HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n").as_bytes())
    };
    for path in ["/gate/1.0/%E8%BD%A6%20a", "/gate//1.0/a%2Fb/", "//gate/1.0/x", "/gate/x;v=1/y..z", "/gate/a+b'(c)!*~"]
    {
        let reply = ask(path);
        assert!(reply.ends_with(b"fine"), "{path}: {}", String::from_utf8_lossy(&reply));
        assert_eq!(asked(&upstream.last()), format!("GET /root{path}{query}"));
    }
    let before = upstream.received();
    for path in [
        "/gate/../admin",
        "/gate/1.0/%2e%2e/%2e%2e/%2e%2e/admin",
        "/gate/..%2f..%2fadmin",
        "/gate/..\\admin",
        "/gate/%252e%252e/admin",
        "/gate/..;/admin",
        "/gate/1.0/parking/internal/%6ceave",
        "/gate/1.0/parking/internal/Leave",
    ] {
        let reply = String::from_utf8(ask(path)).unwrap();
        assert!(reply.starts_with("HTTP/1.1 404") && reply.contains("没有这个接口"), "{path}: {reply}");
    }
    assert_eq!(upstream.received(), before);
}

/// Where a server is after this path, if it decodes it so often: how many folders below the root, at the least on its way.
fn lowest(path: &str, decodings: usize) -> i64 {
    let mut path = path.as_bytes().to_vec();
    for _ in 0..decodings {
        let mut decoded = Vec::new();
        let mut rest = path.as_slice();
        while let Some((first, tail)) = rest.split_first() {
            let hex = tail.get(..2).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
            match (first, hex) {
                (b'%', Some(byte)) => {
                    decoded.push(byte);
                    rest = &tail[2..];
                }
                _ => {
                    decoded.push(*first);
                    rest = tail;
                }
            }
        }
        path = decoded;
    }
    let (mut depth, mut lowest) = (0, i64::MAX);
    for segment in String::from_utf8_lossy(&path).split(['/', '\\']).filter(|segment| !segment.is_empty()) {
        match segment.split(';').next().unwrap() {
            "." => {}
            ".." => {
                depth -= 1;
                lowest = lowest.min(depth);
            }
            _ => depth += 1,
        }
    }
    lowest.min(depth)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn whatever_is_passed_on_stays_below_the_root_for_every_reader(
        tokens in prop::collection::vec(
            prop::sample::select(vec![
                "/", "/", ".", "..", "%2e", "%2E", "%2f", "%2F", "%5c", "\\", ";", "x", "%25", "%252e", "2e", "2f", "%", "+", "gate", "%00",
            ]),
            0..12,
        ),
    ) {
        let path = format!("/gate/{}", tokens.concat());
        if may_be_passed_on(&path) {
            for decodings in 0..8 {
                // Below the root, and below `gate`, too.
                prop_assert!(lowest(&path, decodings) >= 1, "{path} decoded {decodings} times");
            }
            let url = Url::parse(&endpoint_of_path("http://city.example/root", &path, None)).unwrap();
            prop_assert_eq!(url.host_str(), Some("city.example"));
            prop_assert_eq!(url.path(), format!("/root{path}"), "as it was written");
        }
    }
}
