//! The address of each call of the protocol, however the platform was named.

use std::borrow::Cow;

use crate::PushKind;
use crate::call::{CALLS, Call};
use crate::form::percent_decode;

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
    let url = url.replace("{event}", last_of(call));
    let (authority, path, query) = parts(&url);
    let path = match (prefix(path), folder_of_call(path)) {
        (Some(prefix), _) => format!("{prefix}{}", call.path),
        // The calls of another version, or under the platform's own path.
        (None, Some(folder)) => format!("{folder}/{}", last_of(call)),
        (None, None) => format!("{path}{}", call.path),
    };
    format!("{authority}{path}{query}")
}

/// The address of whatever a request asks for, at a platform that was named as for [`endpoint`]: the request's own path below that
/// platform's root, and both query strings. Only for a path that [`may_be_passed_on`].
#[must_use]
pub fn endpoint_of_path(url: &str, path: &str, query: Option<&str>) -> String {
    let url = url.replace("{event}", PushKind::Leave.name());
    let (authority, own, own_query) = parts(&url);
    let root = prefix(own).unwrap_or_else(|| {
        let Some(folder) = folder_of_call(own) else { return own };
        // Of another version.
        folder.rfind("/gate/").and_then(|at| folder.get(..at)).unwrap_or(folder)
    });
    let query = query.filter(|query| !query.is_empty()).unwrap_or_default();
    let mark = match (own_query.len(), query) {
        (_, "") => "",
        (0, _) => "?",
        (1, _) => "",
        _ => "&",
    };
    format!("{authority}{root}{path}{own_query}{mark}{query}")
}

/// How often a path is decoded to see what somebody along its way may take it for. One that still changes then is not passed on.
const DECODED_MAX: usize = 4;

/// May a request for this path be passed on to another platform? Not if anybody on its way could take it for a path outside the
/// platform's root (`..`, however it is written), or for one of the calls that are recorded here.
#[must_use]
pub fn may_be_passed_on(path: &str) -> bool {
    // No URL has it unencoded, and it would not arrive so.
    if path.contains('\\') {
        return false;
    }
    let mut path = Cow::Borrowed(path.as_bytes());
    for _ in 0..DECODED_MAX {
        // Backslashes are slashes to some servers, and what follows a `;` is no part of the name to others.
        let segments = path.split(|byte| b"/\\".contains(byte));
        let names = segments.map(|segment| segment.split(|byte| *byte == b';').next().unwrap_or_default());
        let is_clean = !path.iter().any(u8::is_ascii_control);
        let stays = names.clone().all(|name| name != b"." && name != b"..");
        let names: Vec<&[u8]> = names.filter(|name| !name.is_empty()).collect();
        let is_call = |call: &&Call| {
            let own: Vec<&str> = segments_of(call.path).collect();
            own.len() == names.len()
                && own.iter().zip(&names).all(|(own, name)| own.as_bytes().eq_ignore_ascii_case(name))
        };
        if !is_clean || !stays || CALLS.iter().any(is_call) {
            return false;
        }
        let mut decoded = Vec::with_capacity(path.len());
        percent_decode(&path, &mut decoded);
        if decoded.as_slice() == path.as_ref() {
            return true;
        }
        path = Cow::Owned(decoded);
    }
    false
}

/// Longer paths are shown shortened.
const SHOWN_CHARS_MAX: usize = 120;

/// A path as it is counted and shown: without slashes too many, of printable ASCII, shortened.
#[must_use]
pub fn shown_path(path: &str) -> String {
    let segments = segments_of(path).flat_map(|segment| std::iter::once('/').chain(segment.chars()));
    let mut shown = segments.map(|letter| if letter.is_ascii_graphic() { letter } else { '?' });
    let mut out: String = shown.by_ref().take(SHOWN_CHARS_MAX).collect();
    if shown.next().is_some() {
        out.push('…');
    }
    out
}

/// Scheme and host, the path without a `/` at its end, and the query string with its `?`.
fn parts(url: &str) -> (&str, &str, &str) {
    let url = url.trim().split('#').next().unwrap_or_default();
    let (before, query) = url.find('?').map_or((url, ""), |at| url.split_at(at));
    let path_at = before.find("://").and_then(|scheme| Some(scheme + 3 + before.get(scheme + 3..)?.find('/')?));
    let (authority, path) = before.split_at(path_at.unwrap_or(before.len()));
    (authority.trim_end_matches('/'), path.trim_end_matches('/'), query)
}

/// What stands before the name of a call, if the path ends with one.
fn folder_of_call(path: &str) -> Option<&str> {
    CALLS.iter().find_map(|call| path.strip_suffix(last_of(call))?.strip_suffix('/'))
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
    CALLS.into_iter().find(|call| segments_of(path).eq(segments_of(call.path)))
}

/// Is it the path of a call, known or not?
#[must_use]
pub fn is_below_gate(path: &str) -> bool {
    let mut segments = segments_of(path);
    segments.next() == Some(GATE) && segments.next().is_some()
}

fn segments_of(path: &str) -> impl Iterator<Item = &str> {
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
            let _ = endpoint_of_path(url, "/gate/1.0/x", Some("a"));
        }
    }

    #[test]
    fn a_path_goes_below_the_root_of_a_platform_however_that_is_named() {
        let path = "/gate/1.0/parking/internal/blacklist";
        for (url, before) in [
            ("https://city.example", "https://city.example"),
            (" https://city.example// ", "https://city.example"),
            ("https://city.example/a/b/", "https://city.example/a/b"),
            ("https://city.example/gate/1.0/parking/internal/leave", "https://city.example"),
            ("https://city.example/gate/1.0/parking/internal/{event}", "https://city.example"),
            ("https://city.example/v1/gate/1.0/parking/realtime/space#x", "https://city.example/v1"),
            ("https://city.example/gate/2.0/leave", "https://city.example"),
            ("https://city.example/v1/gate/2.0/{event}/", "https://city.example/v1"),
            ("https://city.example/api/leave", "https://city.example/api"),
        ] {
            assert_eq!(endpoint_of_path(url, path, None), format!("{before}{path}"), "{url}");
        }
        let with = |url, query| endpoint_of_path(url, "//gate/x/", query);
        assert_eq!(with("http://c/", Some("a=1&b=%2F")), "http://c//gate/x/?a=1&b=%2F");
        assert_eq!(with("http://c/?key=1", Some("a=1")), "http://c//gate/x/?key=1&a=1");
        assert_eq!(with("http://c/?", Some("a=1")), "http://c//gate/x/?a=1");
        assert_eq!(with("http://c/?key=1", Some("")), "http://c//gate/x/?key=1");
        assert_eq!(with("http://c", None), "http://c//gate/x/");
    }

    #[test]
    fn what_could_leave_the_root_or_be_a_call_of_ours_is_not_passed_on() {
        for path in [
            "/gate/1.0/parking/internal/blacklist",
            "//gate//1.0/x/",
            "/gate/1.0/a%20b",
            "/gate/1.0/%E8%BD%A6",
            "/gate/1.0/a%2Fb",
            "/gate/1.0/a%5Cb",
            "/gate/1.0/100%",
            "/gate/1.0/...",
            "/gate/1.0/a..b",
            "/gate/1.0/x;v=1",
            "/gate/1.0/parking/internal/leave/more",
        ] {
            assert!(may_be_passed_on(path), "{path}");
        }
        for path in [
            "/gate/../admin",
            "/gate/..",
            "/gate/./x",
            "/gate/%2e%2e/admin",
            "/gate/.%2E/admin",
            "/gate/..%2fadmin",
            "/gate/..%5Cadmin",
            "/gate/..\\admin",
            "/gate/a\\b",
            "/gate/..;a=1/admin",
            "/gate/%252e%252e/admin",
            "/gate/%2525252e%2525252e%2525252fadmin",
            "/gate/x%0d%0aHost:%20other",
            "/gate/x%00",
            "/gate/1.0/parking/internal/%6ceave",
            "/gate/1.0/parking/internal%2Fleave",
            "/gate/1.0/parking/internal/leave;jsessionid=1",
            "/gate/1.0/parking/internal/LEAVE",
            "//gate/1.0/parking/internal/enter/%62efore/",
        ] {
            assert!(!may_be_passed_on(path), "{path}");
        }
    }

    #[test]
    fn paths_are_shown_in_one_way_and_never_long() {
        assert_eq!(shown_path("//gate/1.0//x/"), "/gate/1.0/x");
        assert_eq!(shown_path("/gate/车\u{202e}\"\n"), "/gate/??\"?");
        let long = format!("/gate/{}", "x".repeat(200));
        assert_eq!(shown_path(&long).chars().count(), SHOWN_CHARS_MAX + 1);
        assert_eq!(shown_path(&long[..SHOWN_CHARS_MAX]), long[..SHOWN_CHARS_MAX]);
    }
}
