//! The accept loop: bounds on connections, time-outs that fire, and a stop that finishes what is in flight.

mod addresses;
mod places;
mod stream;

use std::convert::Infallible;
use std::future::Future;
use std::io::{ErrorKind, Write};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::response::Response;
use http::header::{CONNECTION, HeaderName};
use http::{HeaderMap, HeaderValue, Request, Version};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use parkgate_gate::{Gate, Supervised};
use parkgate_store::StoreError;
use parkgate_wire::call::ReplyStyle;
use parkgate_wire::reply::ReplyCode;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use self::addresses::{Addresses, CountedAddress};
use self::places::{ConnectionPlace, ConnectionPlaces};
use self::stream::{Activity, TimedStream};
use crate::reply::{RETRY_AFTER_SECONDS, busy};
use crate::router::Routes;
use crate::server::Server;
use crate::transport::{self, Opened, Transport};
use crate::{admin, refusal_log};

/// A header may be this long, and no more than this is read ahead of a body.
const READ_BUFFER_BYTES: usize = 64 * 1024;
const TOO_MANY: &str = "此地址的连接过多 (too many connections from this address)";
/// Connections that the system holds until they are taken, as far as it allows (`net.core.somaxconn`). A sender beyond
/// tries again after a second.
const BACKLOG: i32 = 4096;
const SPEAK_TLS: &str = "此地址只接受HTTPS, 请将地址改为https:// (this address speaks TLS: write https://)";
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
/// How long connections have when the process must end.
const GIVE_UP_WITHIN: Duration = Duration::from_secs(2);

/// The addresses of a gate.
#[derive(Debug)]
pub struct Listeners {
    /// For everybody: the protocol.
    pub public: TcpListener,
    /// For the people who run the gate: figures, and readiness in detail.
    pub admin: Option<TcpListener>,
}

/// Why serving did not end with a clean stop.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A part of the gate found that the process must end, and why. The store was not closed: what is in doubt is looked at
    /// by the next start.
    #[error("{0}")]
    Alarm(String),
    /// The store could not be closed. Nothing is lost, the next start does it.
    #[error(transparent)]
    Close(#[from] StoreError),
}

/// Serves until `stop` is ready, then drains and closes the gate. The admin address answers to the end. When the gate's
/// alarm is raised, connections end soon and nothing is closed.
///
/// # Errors
/// The alarm was raised; or the store could not be closed.
pub async fn serve(
    server: Arc<Server>,
    listeners: Listeners,
    stop: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let gate = Arc::clone(&server.gate);
    let Listeners { public, admin } = listeners;
    hold_many(&public);
    let admin = admin.map(|listener| {
        Supervised::endless(gate.alarm(), "admin address", admin::serve(Arc::clone(&server), listener))
    });
    let refusals =
        Supervised::endless(gate.alarm(), "refusal log", refusal_log::follow(Arc::clone(&server.refusal_log)));
    let certificates = server.tls.clone().map(|tls| Supervised::endless(gate.alarm(), "certificates", tls.follow()));
    let alarm = gate.alarm().clone();
    let alarmed = alarm.wait();
    tokio::pin!(alarmed);
    let entrance = Arc::new(Entrance::new(Arc::clone(&server)));
    let graceful = GracefulShutdown::new();
    let mut http = http1::Builder::new();
    // A client that has ended its half waits for its answer all the same. Answers are short, so one piece each.
    http.half_close(true).max_buf_size(READ_BUFFER_BYTES).writev(false);
    tokio::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = entrance.next(&public) => accepted,
            () = &mut stop => break,
            _ = &mut alarmed => break,
        };
        answer_on(accepted, &entrance, &http, &graceful);
    }
    drop(public);
    server.draining.store(true, Ordering::Relaxed);
    entrance.closing.send_replace(true);
    // Either may find the alarm raised: before it began, or meanwhile.
    let drained = if alarm.is_raised() {
        give_up(graceful).await;
        Ok(())
    } else {
        tokio::select! {
            drained = drain(gate, graceful) => drained,
            _ = &mut alarmed => Ok(()),
        }
    };
    for part in admin.iter().chain(&certificates).chain([&refusals]) {
        part.abort();
    }
    match alarm.raised() {
        Some(reason) => Err(ServeError::Alarm(reason)),
        None => Ok(drained?),
    }
}

/// Answers the requests of a connection, in a task of its own.
fn answer_on(accepted: Accepted, entrance: &Arc<Entrance>, http: &http1::Builder, graceful: &GracefulShutdown) {
    let Accepted { stream, address, activity, place, counted } = accepted;
    let (entrance, http, watcher) = (Arc::clone(entrance), http.clone(), graceful.watcher());
    tokio::spawn(async move {
        let server = Arc::clone(&entrance.server);
        server.metrics.connections.inc();
        if let Some(stream) = entrance.opened(stream, address, &activity).await {
            let stream = TimedStream::new(stream, Arc::clone(&activity), &server.gate.settings.limits);
            let service = service_fn(move |request| {
                let (entrance, activity) = (Arc::clone(&entrance), Arc::clone(&activity));
                async move { entrance.answer(address, &activity, request).await }
            });
            if let Err(error) = watcher.watch(http.serve_connection(TokioIo::new(stream), service)).await {
                tracing::debug!(%address, %error, "connection ended");
            }
        }
        server.metrics.connections.dec();
        drop((place, counted));
    });
}

/// Nothing is acknowledged any more: a sender that waits for a reply gets a 503, and connections end.
async fn give_up(graceful: GracefulShutdown) {
    if tokio::time::timeout(GIVE_UP_WITHIN, graceful.shutdown()).await.is_err() {
        tracing::warn!("some connections did not end in time");
    }
}

async fn drain(gate: Arc<Gate>, graceful: GracefulShutdown) -> Result<(), StoreError> {
    tracing::info!("stopping: finishing what is in flight");
    if tokio::time::timeout(gate.settings.limits.drain_timeout, graceful.shutdown()).await.is_err() {
        tracing::warn!("some connections did not end in time");
    }
    gate.stop().await
}

/// What every connection goes through, and every request on it.
struct Entrance {
    server: Arc<Server>,
    routes: Routes,
    places: Arc<ConnectionPlaces>,
    addresses: Arc<Addresses>,
    /// What replies say of how long a connection is kept. None below a second, which cannot be said.
    keep_alive: Option<HeaderValue>,
    /// True once no new connections are wanted.
    closing: watch::Sender<bool>,
}

/// A connection that was let in.
struct Accepted {
    stream: TcpStream,
    address: IpAddr,
    activity: Arc<Activity>,
    place: ConnectionPlace,
    /// None for a proxy that is trusted.
    counted: Option<CountedAddress>,
}

impl Entrance {
    fn new(server: Arc<Server>) -> Self {
        let limits = &server.gate.settings.limits;
        let keep_alive = Some(limits.idle_timeout.as_secs()).filter(|seconds| *seconds > 0);
        Entrance {
            places: ConnectionPlaces::new(server.connections_max),
            addresses: Addresses::new(limits.connections_per_address_max),
            keep_alive: keep_alive.and_then(|seconds| HeaderValue::try_from(format!("timeout={seconds}")).ok()),
            routes: Routes::new(Arc::clone(&server)),
            closing: watch::Sender::new(false),
            server,
        }
    }

    /// The next connection that finds a place.
    async fn next(&self, listener: &TcpListener) -> Accepted {
        loop {
            let (stream, peer) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    // There may be no file descriptors left: that passes when connections end.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            let address = peer.ip().to_canonical();
            let is_proxy = self.server.trusted_proxies.trusts(address);
            let counted = if is_proxy { None } else { self.addresses.count(address) };
            if !is_proxy && counted.is_none() {
                self.turn_away(stream, address);
                continue;
            }
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "TCP_NODELAY could not be set");
            }
            let activity = Arc::new(Activity::new());
            let place = self.places.take(&activity).await;
            return Accepted { stream, address, activity, place, counted };
        }
    }

    /// The stream that requests come through: with TLS after its handshake, which has as long as a header has, gives way to
    /// others as a connection that waits does, and is not waited for at the end.
    async fn opened(&self, stream: TcpStream, address: IpAddr, activity: &Activity) -> Option<Transport> {
        let Some(tls) = &self.server.tls else { return Some(Transport::Plain(stream)) };
        let mut closing = self.closing.subscribe();
        let opened = tokio::select! {
            opened = tokio::time::timeout(self.server.gate.settings.limits.header_timeout, transport::open(tls, stream)) => opened,
            () = activity.closed() => return None,
            _ = closing.wait_for(|is_closing| *is_closing) => return None,
        };
        match opened {
            Ok(Ok(Opened::Secure(stream))) => return Some(stream),
            Ok(Ok(Opened::NotTls(stream))) => {
                self.note_tls_failure(address, "it spoke no TLS");
                self.refuse_plain(stream).await;
            }
            // A probe of whoever looks whether the port is open.
            Ok(Err(error)) if error.kind() == ErrorKind::UnexpectedEof => {}
            Ok(Err(error)) => self.note_tls_failure(address, &error.to_string()),
            Err(_) => self.note_tls_failure(address, "it took too long"),
        }
        None
    }

    fn note_tls_failure(&self, address: IpAddr, reason: &str) {
        self.server.metrics.tls_failures.inc();
        if self.server.refusal_log.admits("TlsHandshake", address) {
            tracing::warn!(%address, reason, "no TLS connection came about");
        }
    }

    /// Says to a sender of plain HTTP that it is to speak TLS.
    async fn refuse_plain(&self, stream: TcpStream) {
        let (seqno, node) = (self.server.gate.next_seqno(), &self.server.gate.settings.node);
        let json = ReplyCode::BadRequest.to_json(ReplyStyle::Ignoring, Some(SPEAK_TLS), seqno, node, "");
        if let Err(error) = transport::answer_plain(stream, "application/json; charset=UTF-8", &json).await {
            tracing::debug!(%error, "a sender without TLS was not answered");
        }
    }

    /// Sends a 503 as far as that costs nothing: what the sender sends is not read. With TLS it would cost a handshake.
    fn turn_away(&self, stream: TcpStream, address: IpAddr) {
        self.note_turned_away(address);
        if self.server.tls.is_some() {
            return;
        }
        let (seqno, node) = (self.server.gate.next_seqno(), &self.server.gate.settings.node);
        let json = ReplyCode::Unavailable.to_json(ReplyStyle::Ignoring, Some(TOO_MANY), seqno, node, "");
        let reply = format!(
            "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json; charset=UTF-8\r\n\
             retry-after: {RETRY_AFTER_SECONDS}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{json}",
            json.len(),
        );
        // Without waiting: nothing was sent on it yet, so it is written whole.
        drop(stream.into_std().and_then(|mut stream| stream.write(reply.as_bytes())));
    }

    fn note_turned_away(&self, address: IpAddr) {
        self.server.metrics.turned_away.inc();
        if self.server.refusal_log.admits("TooManyConnections", address) {
            let max = self.server.gate.settings.limits.connections_per_address_max;
            tracing::warn!(%address, max, "turned away: connections_per_address_max are open from there");
        }
    }

    async fn answer(
        &self,
        peer: IpAddr,
        activity: &Activity,
        request: Request<Incoming>,
    ) -> Result<Response, Infallible> {
        activity.request_begins();
        let is_kept = is_kept(request.version(), request.headers());
        let client = self.server.trusted_proxies.client_of(peer, request.headers());
        let is_behind_proxy = client.0 != peer && !self.server.trusted_proxies.trusts(client.0);
        let counted = if is_behind_proxy { self.addresses.count(client.0) } else { None };
        let mut response = if is_behind_proxy && counted.is_none() {
            self.note_turned_away(client.0);
            busy(&self.server, request.uri().path(), TOO_MANY)
        } else {
            self.routes.answer(client, request).await?
        };
        if is_kept && !self.server.draining.load(Ordering::Relaxed) {
            self.announce(response.headers_mut());
        }
        activity.request_is_answered();
        Ok(response)
    }

    /// Clients that know how long a connection is kept do not send on it when it is about to end.
    fn announce(&self, headers: &mut HeaderMap) {
        if let Some(keep_alive) = &self.keep_alive
            && !headers.contains_key(CONNECTION)
        {
            headers.insert(CONNECTION, HeaderValue::from_static("keep-alive"));
            headers.insert(KEEP_ALIVE, keep_alive.clone());
        }
    }
}

/// A flood of one address must not fill the queue in front of us for all others.
fn hold_many(listener: &TcpListener) {
    if let Err(error) = rustix::net::listen(listener, BACKLOG) {
        tracing::warn!(%error, "the system holds fewer connections for us than it could");
    }
}

/// Does the sender of this request want to keep the connection?
fn is_kept(version: Version, headers: &HeaderMap) -> bool {
    let says = |word: &str| {
        let lines = headers.get_all(CONNECTION).iter().filter_map(|line| line.to_str().ok());
        lines.flat_map(|line| line.split(',')).any(|said| said.trim().eq_ignore_ascii_case(word))
    };
    !says("close") && (version >= Version::HTTP_11 || says("keep-alive"))
}
