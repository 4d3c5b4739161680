//! Who may use the local API: software of this car park, but no web page that happens to be open on the machine.
//!
//! A page of another site can send simple requests to a loopback address and, through a host name that it points there (DNS
//! rebinding), read the answers. So the `Host` must be an address or a listed name, requests that a browser marks as
//! cross-site are refused, and a record's content type must be one for which a browser asks permission first
//! (`application/json`) or states the origin (`multipart/form-data`). With `token` set, every request must carry it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, ORIGIN, REFERER};
use http::{HeaderMap, Method, StatusCode, Uri};
use parkgate_intake::{hosts_named, is_own_host};
use parkgate_text::texts;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::local_api::json_response;

/// The rules of one local API.
#[derive(Debug, Clone)]
pub(crate) struct Guard {
    listen: IpAddr,
    /// Names by which the agent may be called, in lower case.
    hosts: Vec<String>,
    /// Compared by digest, so that the time taken says nothing about the token.
    token: Option<[u8; 32]>,
}

impl Guard {
    pub(crate) fn new(listen: SocketAddr, hosts: &[String], token: Option<&str>) -> Guard {
        let hosts = hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
        Guard { listen: listen.ip(), hosts, token: token.map(digest) }
    }

    /// Checks a request.
    ///
    /// # Errors
    /// It is refused: the status and the sentence to answer.
    fn check(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), (StatusCode, String)> {
        let forbidden = |why: String| Err((StatusCode::FORBIDDEN, why));
        let host = text(headers, &HOST);
        if let Some(host) = std::iter::once(host).chain(hosts_named(uri, headers)).find(|host| !self.is_own(host)) {
            return forbidden((texts().agent_half.not_this_host)(host));
        }
        let elsewhere =
            [&ORIGIN, &REFERER].into_iter().find(|name| headers.get(*name).is_some_and(|at| !is_of(at, host)));
        let site = headers.get("sec-fetch-site").map(|site| site.as_bytes());
        if elsewhere.is_some() || matches!(site, Some(b"cross-site" | b"same-site")) {
            return forbidden(texts().agent_half.other_site.into());
        }
        if let Some(token) = self.token
            && digest(text(headers, &AUTHORIZATION).strip_prefix("Bearer ").unwrap_or_default().trim()) != token
        {
            let why = texts().agent_half.no_token;
            return Err((StatusCode::UNAUTHORIZED, why.into()));
        }
        if *method == Method::POST && !is_taken(uri.path(), text(headers, &CONTENT_TYPE)) {
            let sent = text(headers, &CONTENT_TYPE);
            let why = (texts().agent_half.content_type)(sent);
            return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, why));
        }
        Ok(())
    }

    fn is_own(&self, host: &str) -> bool {
        let is_own_address =
            |address: IpAddr| address.is_loopback() || address == self.listen || self.listen.is_unspecified();
        is_own_host(host, is_own_address, &self.hosts)
    }
}

/// Puts the guard in front of every route.
pub(crate) fn guarded(router: Router, guard: Guard) -> Router {
    router.layer(middleware::from_fn_with_state(Arc::new(guard), pass))
}

async fn pass(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    match guard.check(request.method(), request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err((status, why)) => {
            tracing::warn!(
                status = status.as_u16(),
                path = request.uri().path(),
                why,
                "a request to the agent was refused"
            );
            json_response(status, &json!({ "error": why }))
        }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &http::HeaderName) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Is this origin or referrer a page of this very server? `null` is nobody's.
fn is_of(value: &http::HeaderValue, host: &str) -> bool {
    let value = value.to_str().unwrap_or_default();
    let authority = value.strip_prefix("http://").or_else(|| value.strip_prefix("https://"));
    authority.and_then(|rest| rest.split(['/', '?', '#']).next()).is_some_and(|at| at.eq_ignore_ascii_case(host))
}

fn is_taken(path: &str, content_type: &str) -> bool {
    let media = content_type.split(';').next().unwrap_or_default().trim();
    let is_form = media.eq_ignore_ascii_case("multipart/form-data");
    media.eq_ignore_ascii_case("application/json") || (is_form && path != "/space")
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(guard: &Guard, method: Method, path: &str, headers: &[(&str, &str)]) -> u16 {
        let headers = headers.iter().map(|(name, value)| {
            (http::HeaderName::from_bytes(name.as_bytes()).unwrap(), http::HeaderValue::from_str(value).unwrap())
        });
        match guard.check(&method, &path.parse().unwrap(), &headers.collect()) {
            Ok(()) => 200,
            Err((status, _)) => status.as_u16(),
        }
    }

    fn at(listen: &str) -> Guard {
        Guard::new(listen.parse().unwrap(), &["Gate-PC".into()], None)
    }

    #[test]
    fn the_host_is_an_address_of_this_machine_or_a_listed_name() {
        let asks = |listen: &str, host: &str| answer(&at(listen), Method::GET, "/status", &[("host", host)]);
        for host in ["127.0.0.1:8070", "127.1.2.3", "localhost:8070", "LOCALHOST", "[::1]:8070", "gate-pc:8070"] {
            assert_eq!(asks("127.0.0.1:8070", host), 200, "{host}");
        }
        for host in
            ["evil.example:8070", "localhost.evil.example", "127.0.0.1.nip.io", "10.0.0.5:8070", "", "[::2]", ":8070"]
        {
            assert_eq!(asks("127.0.0.1:8070", host), 403, "{host}");
        }
        assert_eq!((asks("10.0.0.5:8070", "10.0.0.5:8070"), asks("10.0.0.5:8070", "10.0.0.6")), (200, 403));
        assert_eq!((asks("0.0.0.0:8070", "10.0.0.5:8070"), asks("[::]:8070", "[fe80::1]:8070")), (200, 200));
        assert_eq!(asks("0.0.0.0:8070", "evil.example"), 403);
        assert_eq!(answer(&at("127.0.0.1:1"), Method::GET, "/", &[]), 403, "no host at all");
    }

    #[test]
    fn a_page_of_another_site_is_refused_whatever_it_asks_for() {
        let own = "127.0.0.1:8070";
        let asks = |name: &str, value: &str| answer(&at(own), Method::GET, "/status", &[("host", own), (name, value)]);
        for (name, value, status) in [
            ("origin", "http://127.0.0.1:8070", 200),
            ("referer", "http://127.0.0.1:8070/?x=1", 200),
            ("sec-fetch-site", "same-origin", 200),
            ("sec-fetch-site", "none", 200),
            ("origin", "null", 403),
            ("origin", "http://evil.example", 403),
            ("origin", "http://127.0.0.1:3000", 403),
            ("origin", "http://localhost:8070", 403),
            ("referer", "http://127.0.0.1:8070.evil.example/", 403),
            ("sec-fetch-site", "cross-site", 403),
            ("sec-fetch-site", "same-site", 403),
        ] {
            assert_eq!(asks(name, value), status, "{name}: {value}");
        }
    }

    #[test]
    fn json_is_sent_as_json() {
        let own = "127.0.0.1:8070";
        let posts =
            |path: &str, media: &str| answer(&at(own), Method::POST, path, &[("host", own), ("content-type", media)]);
        for media in [
            "application/json",
            "Application/JSON; charset=GBK",
            "multipart/form-data; boundary=x",
            "MULTIPART/Form-Data",
        ] {
            assert_eq!(posts("/leave", media), 200, "{media}");
        }
        for media in
            ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "", "text/plain; application/json"]
        {
            assert_eq!(posts("/leave", media), 415, "{media}");
        }
        assert_eq!((posts("/space", "application/json"), posts("/space", "multipart/form-data")), (200, 415));
        assert_eq!(answer(&at(own), Method::POST, "/leave", &[("host", own)]), 415, "none at all");
    }

    #[test]
    fn whoever_has_set_a_token_is_asked_for_it_everywhere() {
        let own = "127.0.0.1:8070";
        let guard = Guard::new(own.parse().unwrap(), &[], Some("s3cret"));
        let asks = |token: &str| answer(&guard, Method::GET, "/metrics", &[("host", own), ("authorization", token)]);
        assert_eq!(asks("Bearer s3cret"), 200);
        for token in ["", "Bearer ", "Bearer s3cre", "Bearer s3cret2", "Basic s3cret", "s3cret"] {
            assert_eq!(asks(token), 401, "{token}");
        }
    }
}
