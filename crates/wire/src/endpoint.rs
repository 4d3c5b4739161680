//! The address of each call of the protocol, however the platform was named.

use crate::PushKind;
use crate::call::{CALLS, Call};

/// All calls of this version of the protocol are below this path.
const VERSION: &str = "/gate/1.0";
/// All that push a record or ask before one.
const CALLS_FOLDER: &str = "/gate/1.0/parking/internal/";
/// All calls of every version.
const GATE: &str = "gate";

/// The path of a query for a park's free spaces.
pub const SPACE_PATH: &str = "/gate/1.0/parking/realtime/space";

/// The address of a push at a platform that was named by its root (`https://city.example`, behind a proxy
/// `https://city.example/parking`) or by the full address of any call. `{event}` stands for `enter`, `leave`, `release` or `update`. The
/// query string is kept.
#[must_use]
pub fn endpoint(url: &str, kind: PushKind) -> String {
    call_endpoint(url, kind.call())
}

/// The same of any call that is known.
#[must_use]
pub fn call_endpoint(url: &str, call: &Call) -> String {
    let url = url.trim().replace("{event}", last_of(call));
    let url = url.split('#').next().unwrap_or_default();
    let (before, query) = url.find('?').map_or((url, ""), |at| url.split_at(at));
    let path_at = before.find("://").and_then(|scheme| Some(scheme + 3 + before.get(scheme + 3..)?.find('/')?));
    let (authority, path) = before.split_at(path_at.unwrap_or(before.len()));
    let path = path.trim_end_matches('/');
    let folder = || CALLS.iter().find_map(|other| path.strip_suffix(last_of(other))?.strip_suffix('/'));
    let path = match prefix(path) {
        Some(prefix) => format!("{prefix}{}", call.path),
        None => match folder() {
            // The calls of another version, or under the platform's own path.
            Some(folder) => format!("{folder}/{}", last_of(call)),
            None => format!("{path}{}", call.path),
        },
    };
    format!("{}{path}{query}", authority.trim_end_matches('/'))
}

/// What distinguishes a call's path from the others': `leave`, `enter/before`.
fn last_of(call: &Call) -> &'static str {
    call.path.strip_prefix(CALLS_FOLDER).unwrap_or(call.name)
}

/// The call that a request's path asks for. Whoever sets a platform's root as `http://gate/` asks for `//gate/1.0/…`, and
/// some add a `/` at the end: servers in the field take both for the same.
#[must_use]
pub fn call_at(path: &str) -> Option<&'static Call> {
    if let Some(exact) = CALLS.into_iter().find(|call| call.path == path) {
        return Some(exact);
    }
    if !path.contains("//") && !path.ends_with('/') {
        return None;
    }
    CALLS.into_iter().find(|call| segments(path).eq(segments(call.path)))
}

/// Is it the path of a call, known or not?
#[must_use]
pub fn is_below_gate(path: &str) -> bool {
    let mut segments = segments(path);
    segments.next() == Some(GATE) && segments.next().is_some()
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|segment| !segment.is_empty())
}

/// The part of the path before the calls.
fn prefix(path: &str) -> Option<&str> {
    let at = path.rfind(VERSION)?;
    let (prefix, call) = path.split_at(at);
    let rest = call.strip_prefix(VERSION)?;
    (rest.is_empty() || rest.starts_with('/')).then_some(prefix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::BEFORE;

    #[test]
    fn slashes_too_many_ask_for_the_same_call() {
        let leave = PushKind::Leave.path();
        for path in [leave.to_owned(), format!("/{leave}"), format!("{leave}/"), leave.replace('/', "//")] {
            assert_eq!(call_at(&path).and_then(|call| call.kind), Some(PushKind::Leave), "{path}");
        }
        let enter = call_at("//gate/1.0/parking/internal/enter/").and_then(|call| call.kind);
        assert_eq!(enter, Some(PushKind::Enter));
        assert_eq!(call_at("/gate/1.0/parking/internal/enter/before").map(|call| call.name), Some("before"));
        let others = ["", "/", "//", "/gate//leave", "/gate/1.0/parking/internal", "/GATE/1.0/parking/internal/leave/"];
        for path in
            others.into_iter().chain(["/x//gate/1.0/parking/internal/leave", "/gate/1.0/parking/./internal/leave/"])
        {
            assert!(call_at(path).is_none(), "{path}");
        }
    }

    #[test]
    fn however_a_platform_is_named_each_call_has_its_own_address() {
        let call = |kind: PushKind| format!("/gate/1.0/parking/internal/{}", kind.name());
        for (url, before, after) in [
            ("https://city.example", "https://city.example", ""),
            (" https://city.example/ ", "https://city.example", ""),
            ("http://gate:8080//", "http://gate:8080", ""),
            ("http://[::1]:80/", "http://[::1]:80", ""),
            ("https://city.example/gate", "https://city.example/gate", ""),
            ("https://city.example/a/b/", "https://city.example/a/b", ""),
            ("https://city.example?key=a/leave", "https://city.example", "?key=a/leave"),
            ("https://city.example/gate/1.0/parking/internal/leave", "https://city.example", ""),
            ("https://city.example/gate/1.0/parking/internal/enter/", "https://city.example", ""),
            ("https://city.example/gate/1.0/parking/internal/leave/?k=1#x", "https://city.example", "?k=1"),
            ("https://city.example/gate/1.0/parking/internal/{event}", "https://city.example", ""),
            ("https://city.example/gate/1.0/parking/internal/", "https://city.example", ""),
            ("https://city.example/gate/1.0/parking/realtime/space", "https://city.example", ""),
            ("https://city.example/gate/1.0", "https://city.example", ""),
            ("https://city.example/v1/gate/1.0/parking/internal/enter", "https://city.example/v1", ""),
            ("https://city.example/gate/1.05/x", "https://city.example/gate/1.05/x", ""),
        ] {
            for kind in [PushKind::Enter, PushKind::Leave] {
                assert_eq!(endpoint(url, kind), format!("{before}{}{after}", call(kind)), "{url}");
            }
        }
        for own in ["https://x/gate/2.0/leave?k=1", "https://x/gate/2.0/enter/?k=1"] {
            assert_eq!(endpoint(own, PushKind::Enter), "https://x/gate/2.0/enter?k=1");
            assert_eq!(endpoint(own, PushKind::Leave), "https://x/gate/2.0/leave?k=1");
            assert_eq!(endpoint(own, PushKind::Update), "https://x/gate/2.0/update?k=1");
            assert_eq!(call_endpoint(own, &BEFORE), "https://x/gate/2.0/enter/before?k=1");
        }
        assert_eq!(endpoint("https://x/gate/2.0/enter/before", PushKind::Enter), "https://x/gate/2.0/enter");
        assert_eq!(call_endpoint("https://x/", &BEFORE), format!("https://x{}", BEFORE.path));
        assert_eq!(call_endpoint("https://x/y/{event}", &BEFORE), "https://x/y/enter/before");
        let full = format!("https://x/p{}?k=1", BEFORE.path);
        assert_eq!(call_endpoint(&full, &BEFORE), full);
        assert_eq!(endpoint(&full, PushKind::Leave), format!("https://x/p{}?k=1", PushKind::Leave.path()));
    }

    #[test]
    fn what_is_no_url_is_no_panic() {
        for url in ["", "/", "?", "#", "://", "leave", "a/leave", "http://", "http:///leave", "停车"] {
            let _ = endpoint(url, PushKind::Leave);
        }
    }
}
