//! Calls that are not ours go to the platform that a car park comes from, as they are, and its answers come back as they are.

mod bounds;
mod counts;
mod paths;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

use parkgate_testbed::{DEMO_PARK, MultipartBody, Scripted, ScriptedRequest, TestGate};
use reqwest::Method;
use reqwest::blocking::{Client, RequestBuilder, Response};

use crate::PARKGATE;

/// The platform that a car park comes from.
struct Upstream {
    server: Scripted,
    received: Arc<Mutex<Vec<ScriptedRequest>>>,
}

impl Upstream {
    fn writing(
        answer: impl Fn(&ScriptedRequest, &mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static,
    ) -> Upstream {
        let received: Arc<Mutex<Vec<ScriptedRequest>>> = Arc::default();
        let keeping = Arc::clone(&received);
        let server = Scripted::writing(move |request, line| {
            keeping.lock().unwrap().push(request.clone());
            answer(request, line)
        });
        Upstream { server, received }
    }

    /// Answers everything with these bytes.
    fn saying(answer: &'static str) -> Upstream {
        Upstream::writing(move |_, line| line.write_all(answer.as_bytes()))
    }

    fn fine() -> Upstream {
        Upstream::saying("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfine")
    }

    fn last(&self) -> ScriptedRequest {
        self.received.lock().unwrap().last().cloned().unwrap()
    }

    fn received(&self) -> usize {
        self.received.lock().unwrap().len()
    }
}

/// Its first line.
fn asked(request: &ScriptedRequest) -> &str {
    request.head.lines().next().unwrap().trim_end_matches(" HTTP/1.1")
}

/// The values of a header.
fn header<'a>(request: &'a ScriptedRequest, name: &str) -> Vec<&'a str> {
    let lines = request.head.lines().filter_map(|line| line.split_once(": "));
    lines.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
}

/// A gate with the document's park and these settings, which compares `url`.
fn front(url: &str, of: &[&str], settings: &[(&str, &str)]) -> TestGate {
    let base = [("PARKGATE_FORWARD_ALLOW_PRIVATE", "true"), ("PARKGATE_FORWARD_TIMEOUT", "20s")];
    let mut gate = TestGate::with_variables(PARKGATE, &["--demo"], &[&base[..], settings].concat());
    compare(&mut gate, "vendor", url, of);
    gate
}

fn compare(gate: &mut TestGate, name: &str, url: &str, of: &[&str]) {
    let mut args = vec!["subscriber", "add", "--name", name, "--url", url, "--format", "relay", "--compare"];
    args.extend(of);
    gate.ok(&args);
    // It knows whom it compares from the beginning on.
    gate.stop();
    gate.start();
}

const PARK: &[&str] = &["--park", DEMO_PARK];

fn client() -> Client {
    static CLIENT: LazyLock<Client> = LazyLock::new(|| {
        let client = Client::builder().redirect(reqwest::redirect::Policy::none()).timeout(Duration::from_secs(60));
        client.build().unwrap()
    });
    CLIENT.clone()
}

fn call(gate: &TestGate, method: Method, path: &str) -> RequestBuilder {
    client().request(method, format!("{}{path}", gate.url))
}

/// A GET that names the park.
fn get(gate: &TestGate, path: &str) -> Response {
    call(gate, Method::GET, &format!("{path}?park_uuid={DEMO_PARK}")).send().unwrap()
}

/// Sends bytes as they are; everything that comes back until the connection ends.
fn raw(gate: &TestGate, request: &[u8]) -> Vec<u8> {
    let mut line = TcpStream::connect(gate.url.trim_start_matches("http://")).unwrap();
    line.write_all(request).unwrap();
    let mut reply = Vec::new();
    // A connection that is cut off may end by a reset.
    let _ = line.read_to_end(&mut reply);
    reply
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(60), "it never came true: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn json_with_its_sign_in_a_header_goes_through_both_ways_untouched() {
    let answer = "HTTP/1.1 201 Made\r\nContent-Type: text/x-odd\r\nX-Answer: 1\r\nX-Answer: 2\r\nX-Hop: 1\r\n\
        Set-Cookie: a=b\r\nServer: theirs\r\nKeep-Alive: timeout=1\r\nConnection: keep-alive, X-Hop\r\nContent-Length: 3\r\n\r\n";
    let upstream = Upstream::writing(move |_, line| line.write_all(&[answer.as_bytes(), b"\xff\x00\xfe"].concat()));
    let gate = front(&format!("{}/a/b/?key=1", upstream.server.url), PARK, &[]);
    let json = format!("{{\"biz\": {{\"park_uuid\":\"{DEMO_PARK}\"}}, \"plate\":\"粤B12345\"}}");
    let sent = call(&gate, Method::POST, "/gate/1.0/parking/internal/blacklist?a=%2F&b=1+2")
        .header("Authorization", "SIGN 4pyun:9F86D081")
        .header("Content-Type", "application/json")
        .header("Accept", "text/x-odd")
        .header("Accept-Encoding", "gzip")
        .header("X-Two", "1")
        .header("X-Two", "2")
        .header("Connection", "keep-alive, X-Mine")
        .header("X-Mine", "1")
        .header("Proxy-Authorization", "Basic eDp5")
        .header("TE", "trailers")
        .body(json.clone());
    let reply = sent.send().unwrap();
    let all = |name: &str| reply.headers().get_all(name).iter().map(|one| one.to_str().unwrap()).collect::<Vec<_>>();
    assert_eq!((reply.status().as_u16(), all("content-type")), (201, vec!["text/x-odd"]));
    assert_eq!((all("x-answer"), all("set-cookie"), all("server")), (vec!["1", "2"], vec!["a=b"], vec!["theirs"]));
    assert_eq!((all("x-hop"), all("content-length")), (vec![], vec!["3"]));
    assert_eq!(all("keep-alive"), ["timeout=75"], "ours, of this connection");
    assert_eq!(reply.bytes().unwrap().as_ref(), b"\xff\x00\xfe");
    let came = upstream.last();
    assert_eq!(asked(&came), "POST /a/b/gate/1.0/parking/internal/blacklist?key=1&a=%2F&b=1+2");
    assert_eq!(came.body, json.as_bytes());
    for (name, values) in [
        ("authorization", vec!["SIGN 4pyun:9F86D081"]),
        ("content-type", vec!["application/json"]),
        ("accept", vec!["text/x-odd"]),
        ("accept-encoding", vec!["gzip"]),
        ("x-two", vec!["1", "2"]),
        ("connection", vec!["close"]),
        ("content-length", vec![json.len().to_string().as_str()]),
        ("host", vec![upstream.server.url.trim_start_matches("http://")]),
    ] {
        assert_eq!(header(&came, name), values, "{name}");
    }
    for name in ["x-mine", "te", "proxy-authorization", "cookie", "transfer-encoding", "user-agent"] {
        assert_eq!(header(&came, name), Vec::<&str>::new(), "{name}");
    }
}

#[test]
fn every_method_and_every_kind_of_body_goes_through() {
    let upstream = Upstream::fine();
    let gate = front(&upstream.server.url, PARK, &[]);
    let pairs = [("merchant", "1"), ("park_uuid", DEMO_PARK)].map(|(name, value)| (name.to_owned(), value.to_owned()));
    let multipart = MultipartBody::of(&pairs[1..]).file("picture", &[0xff; 100_000]).end();
    let form = format!("order=1&park_uuid={DEMO_PARK}");
    for (method, content_type, body) in [
        (Method::POST, MultipartBody::content_type(), multipart),
        (Method::POST, "application/x-www-form-urlencoded".into(), form.clone().into_bytes()),
        (Method::PUT, "text/plain".into(), form.clone().into_bytes()),
        (Method::PATCH, String::new(), form.into_bytes()),
    ] {
        let sent = call(&gate, method.clone(), "/gate/2.0/x").header("content-type", &content_type).body(body.clone());
        let reply = sent.send().unwrap();
        assert_eq!((reply.status().as_u16(), reply.text().unwrap().as_str()), (200, "fine"), "{method} {content_type}");
        let came = upstream.last();
        assert_eq!((asked(&came), came.body == body), (format!("{method} /gate/2.0/x").as_str(), true));
        assert_eq!(header(&came, "content-type"), [content_type.as_str()]);
    }
    // Without a body there is none: some servers take even an empty one amiss.
    for method in ["GET", "DELETE", "OPTIONS"] {
        call(&gate, method.parse().unwrap(), &format!("/gate/1.0/x?park_uuid={DEMO_PARK}")).send().unwrap();
        let came = upstream.last();
        assert!(asked(&came).starts_with(&format!("{method} /gate/1.0/x?park_uuid=")), "{}", came.head);
        assert!(header(&came, "transfer-encoding").is_empty() && header(&came, "content-length").is_empty());
    }
    // The calls that are ours stay so, whatever the method.
    let before = upstream.received();
    assert_eq!(get(&gate, "/gate/1.0/parking/internal/leave").status(), 400);
    assert_eq!(get(&gate, "/gate/1.0/parking/realtime/space").status(), 400);
    assert_eq!(get(&gate, "/elsewhere").status(), 404);
    assert_eq!(upstream.received(), before);
    // A question for free spaces is a GET.
    let reply = call(&gate, Method::POST, &format!("/gate/1.0/parking/realtime/space?park_uuid={DEMO_PARK}")).send();
    assert_eq!((reply.unwrap().status().as_u16(), upstream.received()), (200, before + 1));
}

#[test]
fn a_body_of_no_length_and_one_that_waits_to_be_asked_for_arrive() {
    let upstream = Upstream::fine();
    let gate = front(&upstream.server.url, PARK, &[]);
    let head = |method: &str, more: &str| {
        format!("{method} /gate/1.0/x?park_uuid={DEMO_PARK} HTTP/1.1\r\nHost: g\r\nConnection: close\r\n{more}\r\n")
    };
    for method in ["POST", "GET", "DELETE"] {
        // What looks like a second request is a part of the body, whoever reads it.
        let inner = "GET /gate/1.0/smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
        let chunks = format!("5\r\nabcde\r\n{:x}\r\n{inner}\r\n0\r\n\r\n", inner.len());
        let reply = raw(&gate, (head(method, "Transfer-Encoding: chunked\r\n") + &chunks).as_bytes());
        assert!(reply.ends_with(b"fine"), "{}", String::from_utf8_lossy(&reply));
        let came = upstream.last();
        assert_eq!(String::from_utf8_lossy(&came.body), format!("abcde{inner}"));
        assert_eq!((header(&came, "transfer-encoding"), header(&came, "content-length")), (vec!["chunked"], vec![]));
    }
    assert_eq!(upstream.received(), 3, "nothing was read as a request of its own");
    let mut line = TcpStream::connect(gate.url.trim_start_matches("http://")).unwrap();
    let waits = "Expect: 100-continue\r\nContent-Length: 5\r\nUpgrade: websocket\r\n";
    line.write_all(head("POST", waits).as_bytes()).unwrap();
    let mut asked_for = [0; 25];
    line.read_exact(&mut asked_for).unwrap();
    assert_eq!(&asked_for, b"HTTP/1.1 100 Continue\r\n\r\n");
    line.write_all(b"abcde").unwrap();
    let mut reply = Vec::new();
    line.read_to_end(&mut reply).unwrap();
    assert!(reply.ends_with(b"fine"), "{}", String::from_utf8_lossy(&reply));
    let came = upstream.last();
    assert_eq!(
        (came.body.as_slice(), header(&came, "expect"), header(&came, "upgrade")),
        (&b"abcde"[..], vec![], vec![])
    );
}

#[test]
fn answers_without_a_body_keep_their_length_and_redirects_are_not_followed() {
    let upstream = Upstream::writing(|request, line| {
        let answer = match asked(request).split('?').next().unwrap() {
            "HEAD /gate/head" => "HTTP/1.1 200 OK\r\ncontent-length: 9757\r\n\r\n",
            "GET /gate/204" => "HTTP/1.1 204 No Content\r\n\r\n",
            "GET /gate/304" => "HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\netag: \"x\"\r\n\r\n",
            "GET /gate/302" => "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/x\r\ncontent-length: 0\r\n\r\n",
            "POST /gate/307" => "HTTP/1.1 307 Elsewhere\r\nlocation: /gate/fine\r\ncontent-length: 1\r\n\r\n-",
            "GET /gate/early" => {
                "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
            }
            _ => "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfine",
        };
        line.write_all(answer.as_bytes())
    });
    let gate = front(&upstream.server.url, PARK, &[]);
    // All on one connection: each answer ends where it should.
    let client = client();
    let ask = |method: Method, path: &str| {
        client.request(method, format!("{}{path}?park_uuid={DEMO_PARK}", gate.url)).send().unwrap()
    };
    let text = |reply: Response| (reply.status().as_u16(), reply.text().unwrap());
    let value = |reply: &Response, name: &str| reply.headers().get(name).map(|one| one.to_str().unwrap().to_owned());
    for _ in 0..2 {
        let reply = ask(Method::HEAD, "/gate/head");
        assert_eq!((value(&reply, "content-length").as_deref(), text(reply)), (Some("9757"), (200, String::new())));
        assert_eq!(text(ask(Method::GET, "/gate/204")), (204, String::new()));
        let reply = ask(Method::GET, "/gate/304");
        assert_eq!((value(&reply, "etag").as_deref(), text(reply)), (Some("\"x\""), (304, String::new())));
        let reply = ask(Method::GET, "/gate/302");
        let location = value(&reply, "location");
        assert_eq!((location.as_deref(), reply.status().as_u16()), (Some("http://127.0.0.1:1/x"), 302));
        let reply = ask(Method::POST, "/gate/307");
        assert_eq!((value(&reply, "location").as_deref(), text(reply)), (Some("/gate/fine"), (307, "-".into())));
        assert_eq!(text(ask(Method::GET, "/gate/early")), (200, "ok".into()));
        assert_eq!(text(ask(Method::GET, "/gate/fine")), (200, "fine".into()));
    }
    assert_eq!(upstream.received(), 14, "one for each: nothing was followed");
}

#[test]
fn whose_call_it_is_says_its_query_its_body_or_nothing_where_one_platform_has_all() {
    let (of_park, of_all) = (Upstream::fine(), Upstream::fine());
    let mut gate = front(&of_park.server.url, PARK, &[]);
    gate.ok(&["park", "set", DEMO_PARK, "--merchant", "97919537"]);
    let post = |gate: &TestGate, body: &str| {
        let sent = call(gate, Method::POST, "/gate/1.0/x").header("content-type", "application/json");
        let reply = sent.body(body.to_owned()).send().unwrap();
        (reply.status().as_u16(), reply.text().unwrap())
    };
    until("the gate knows the merchant", || post(&gate, r#"{"merchant":97919537}"#).0 == 200);
    let before = of_park.received();
    let (status, reply) = post(&gate, r#"{"plate":"x"}"#);
    assert!(status == 404 && reply.contains("没有这个接口"), "it names no park: {reply}");
    let (status, reply) = post(&gate, r#"{"park_uuid":"nobody"}"#);
    assert!(status == 403 && reply.contains("\"code\":\"403\""), "as a push would be: {reply}");
    assert_eq!(call(&gate, Method::GET, "/gate/x?park_uuid=nobody").send().unwrap().status(), 403);
    assert_eq!(of_park.received(), before);
    // It stands at the end of what is looked at, or one byte behind.
    let tail = format!(r#"","park_uuid":"{DEMO_PARK}""#);
    let at = |end: usize| format!(r#"{{"picture":"{}{tail}"}}"#, "A".repeat(end - 12 - tail.len()));
    let late = at(64 * 1024 + 1);
    assert_eq!((post(&gate, &at(64 * 1024)).0, post(&gate, &late).0), (200, 404));
    let before = of_park.received();
    compare(&mut gate, "zz", &of_all.server.url, &["--all"]);
    assert_eq!((post(&gate, r#"{"plate":"x"}"#).0, of_all.received()), (200, 1), "it names no park");
    assert_eq!((post(&gate, &late).0, of_all.last().body == late.as_bytes()), (200, true), "whole, though looked at");
    assert_eq!((get(&gate, "/gate/x").status().as_u16(), of_park.received()), (200, before + 1), "the first by name");
    compare(&mut gate, "zzz", &of_park.server.url, &["--all"]);
    assert_eq!(post(&gate, r#"{"plate":"x"}"#).0, 404, "it could be either's");
    // A paused one answers nothing.
    gate.ok(&["subscriber", "pause", "zzz"]);
    until("the gate knows that it is paused", || post(&gate, r#"{"plate":"x"}"#).0 == 200);
    assert!(of_all.received() > 2);
}
