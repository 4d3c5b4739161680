//! What becomes of requests, readiness and the process when the alarm is raised.

use std::sync::Arc;
use std::time::Duration;

use parkgate_gate::{BeforeSettings, Forward, Gate, Limits, Mode, Settings};
use parkgate_store::{Images, NewPark, Store};
use parkgate_testbed::{DEMO_PARK, body, leave, signed};
use parkgate_web::{Listeners, ServeError, Server, TrustedProxies, serve};
use parkgate_wire::Secret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

struct Running {
    gate: Arc<Gate>,
    store: Arc<Store>,
    serving: JoinHandle<Result<(), ServeError>>,
    public: String,
    admin: String,
    _folder: tempfile::TempDir,
}

async fn running() -> Running {
    let folder = tempfile::tempdir().unwrap();
    let store = parkgate_store::open(folder.path(), None).unwrap();
    let park = NewPark {
        park_uuid: DEMO_PARK.into(),
        merchant: None,
        name: "演示".into(),
        secret: Secret::new("123"),
        strict: false,
        total_parking_space: None,
    };
    store.add_park(&park).unwrap();
    let images = Images::open(&folder.path().join("images")).unwrap();
    let settings = Settings {
        node: "gate-1".into(),
        limits: Limits::default(),
        forward: Forward::default(),
        before: BeforeSettings::default(),
        retention: Default::default(),
        mode: Mode::Record,
    };
    let gate = Gate::open(settings, Arc::clone(&store), images).unwrap();
    let public = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let admin = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = |listener: &TcpListener| listener.local_addr().unwrap().to_string();
    let (public_at, admin_at) = (at(&public), at(&admin));
    let server = Server::new(Arc::clone(&gate), TrustedProxies::default(), None);
    let listeners = Listeners { public, admin: Some(admin) };
    let serving = tokio::spawn(serve(server, listeners, std::future::pending()));
    Running { gate, store, serving, public: public_at, admin: admin_at, _folder: folder }
}

/// A push as bytes; its header, and its body.
fn push(serial: &str) -> (String, String) {
    let form = body(&signed(leave(serial, &[]), "123"));
    let header = format!(
        "POST /gate/1.0/parking/internal/leave HTTP/1.1\r\nhost: localhost\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n",
        form.len()
    );
    (header, form)
}

/// The status and the rest of one reply.
async fn reply(stream: &mut TcpStream) -> (u16, String) {
    let mut text = String::new();
    let mut piece = [0; 4096];
    loop {
        let read = stream.read(&mut piece).await.unwrap();
        text.push_str(std::str::from_utf8(&piece[..read]).unwrap());
        // Every reply is one JSON object.
        if read == 0 || text.ends_with('}') {
            let status = text.get(9..12).unwrap_or_default().parse().unwrap_or_default();
            return (status, text);
        }
    }
}

async fn get(address: &str, path: &str) -> (u16, String) {
    get_on(TcpStream::connect(address).await.unwrap(), path).await
}

async fn get_on(mut stream: TcpStream, path: &str) -> (u16, String) {
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    reply(&mut stream).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_ends_serving_soon_and_acknowledges_nothing_more() {
    let running = running().await;
    let mut good = TcpStream::connect(&running.public).await.unwrap();
    let (header, form) = push("S1");
    good.write_all(format!("{header}{form}").as_bytes()).await.unwrap();
    assert_eq!(reply(&mut good).await.0, 200);
    // One push is on its way, another connection says nothing more.
    let mut on_its_way = TcpStream::connect(&running.public).await.unwrap();
    let (header, form) = push("S2");
    on_its_way.write_all(header.as_bytes()).await.unwrap();
    let mut silent = TcpStream::connect(&running.public).await.unwrap();
    silent
        .write_all(b"POST /gate/1.0/parking/internal/leave HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n")
        .await
        .unwrap();
    // The connection is taken, and waits for the rest.
    while !get(&running.admin, "/metrics").await.1.contains("parkgate_connections 3") {
        tokio::task::yield_now().await;
    }

    let admin = TcpStream::connect(&running.admin).await.unwrap();
    running.gate.alarm().raise("a sync failed");
    let (status, found) = get_on(admin, "/readyz").await;
    assert_eq!((status, found.contains(r#""parts":"a sync failed""#)), (503, true), "{found}");
    on_its_way.write_all(form.as_bytes()).await.unwrap();
    let (status, text) = reply(&mut on_its_way).await;
    assert_eq!((status, text.contains("retry-after")), (503, true), "{text}");
    let ended = tokio::time::timeout(Duration::from_secs(60), running.serving).await;
    let ended = ended.unwrap_or_else(|_| panic!("it hangs")).unwrap();
    assert!(matches!(&ended, Err(ServeError::Alarm(reason)) if reason == "a sync failed"), "{ended:?}");
    assert!(TcpStream::connect(&running.public).await.is_err(), "it takes connections");
    assert_eq!(running.store.visit(DEMO_PARK, "S1").unwrap().len(), 1);
    assert!(running.store.visit(DEMO_PARK, "S2").unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_that_was_raised_before_ends_serving_at_once() {
    let running = running().await;
    running.gate.alarm().raise("the first reason");
    running.gate.alarm().raise("a later one");
    let ended = tokio::time::timeout(Duration::from_secs(60), running.serving).await;
    let ended = ended.unwrap_or_else(|_| panic!("it hangs")).unwrap();
    assert!(matches!(&ended, Err(ServeError::Alarm(reason)) if reason == "the first reason"), "{ended:?}");
}
