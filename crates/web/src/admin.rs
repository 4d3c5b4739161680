//! The admin address, for what is not the protocol: figures, and readiness in detail. It takes few and short connections,
//! in a loop of its own that never slows pushes down.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Request, StatusCode, Uri};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use parkgate_intake::{hosts_named, is_own_host};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::router;
use crate::server::Server;
use crate::tls::Tls;
use crate::transport::{self, Opened, Transport};

const SPEAK_TLS: &str = "this address speaks TLS: write https://\n";
/// Open connections; more wait. Whoever watches a gate needs two or three.
const CONNECTIONS_MAX: usize = 64;
/// From the first byte awaited to the end of the header; also how long a kept connection may be idle.
const HEADER_TIMEOUT: Duration = Duration::from_secs(75);
/// Whatever is asked and however slowly it is read: a connection ends, or it would hold a place for ever.
const CONNECTION_MAX: Duration = Duration::from_secs(60 * 60);

/// From the opening of a connection to the end of its TLS handshake. Whoever asks is near, and few may wait.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Answers until it is dropped.
pub(crate) async fn serve(server: Arc<Server>, listener: TcpListener) {
    let listens_on = listener.local_addr().map_or(IpAddr::from([127, 0, 0, 1]), |address| address.ip());
    let tls = server.tls.clone();
    let router = router::admin(server);
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        // The semaphore is never closed.
        let place = Arc::clone(&places).acquire_owned().await;
        match listener.accept().await {
            Ok((stream, peer)) => {
                let (router, tls) = (router.clone(), tls.clone());
                tokio::spawn(async move {
                    let answered = async {
                        if let Some(stream) = opened(stream, peer, tls.as_deref()).await {
                            answer(stream, peer, router, listens_on).await;
                        }
                    };
                    if tokio::time::timeout(CONNECTION_MAX, answered).await.is_err() {
                        tracing::debug!(%peer, "a connection to the admin address was open too long");
                    }
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection to the admin address could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// The stream that requests come through: with TLS after its handshake.
async fn opened(stream: TcpStream, peer: SocketAddr, tls: Option<&Tls>) -> Option<Transport> {
    let Some(tls) = tls else { return Some(Transport::Plain(stream)) };
    match tokio::time::timeout(HANDSHAKE_TIMEOUT, transport::open(tls, stream)).await {
        Ok(Ok(Opened::Secure(stream))) => return Some(stream),
        Ok(Ok(Opened::NotTls(stream))) => {
            let answered = transport::answer_plain(stream, "text/plain; charset=utf-8", SPEAK_TLS).await;
            tracing::debug!(%peer, ?answered, "a connection to the admin address spoke no TLS");
        }
        Ok(Err(error)) => tracing::debug!(%peer, %error, "no TLS connection to the admin address came about"),
        Err(_) => tracing::debug!(%peer, "a TLS handshake with the admin address took too long"),
    }
    None
}

async fn answer(stream: Transport, peer: SocketAddr, router: Router, listens_on: IpAddr) {
    let service = service_fn(move |request: Request<Incoming>| {
        let mut router = router.clone();
        async move {
            if !is_meant_for(listens_on, request.uri(), request.headers()) {
                return Ok::<Response, Infallible>(foreign_host());
            }
            tower_service::Service::call(&mut router, request.map(Body::new)).await
        }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
    if let Err(error) = http.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%peer, %error, "a connection to the admin address ended");
    }
}

/// A browser on this machine can be made to ask an address of this machine under a name of somebody else's, and would then
/// show that site's script the answer. So a gate that listens on loopback answers to `localhost` and to addresses, which
/// cannot be given to another machine, and to no other name. Who listens on other addresses chose to be reached by any.
fn is_meant_for(listens_on: IpAddr, uri: &Uri, headers: &HeaderMap) -> bool {
    if !listens_on.is_loopback() {
        return true;
    }
    hosts_named(uri, headers).all(is_own_name)
}

/// `localhost` or an address, with a port or without.
fn is_own_name(host: &str) -> bool {
    is_own_host(host, |_| true, &[])
}

fn foreign_host() -> Response {
    let text = "Host must be localhost or an IP address: this address answers to no other name\n";
    (StatusCode::MISDIRECTED_REQUEST, text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_loopback_only_this_machines_own_names_are_answered() {
        for host in
            ["localhost", "LOCALHOST:8081", "localhost.", "127.0.0.1", "127.0.0.1:8081", "[::1]:8081", "10.1.2.3:80"]
        {
            assert!(is_own_name(host), "{host}");
        }
        for host in [
            "",
            ":8081",
            "evil.example",
            "evil.example:8081",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "127.0.0.1@evil.example",
            "x:y",
        ] {
            assert!(!is_own_name(host), "{host}");
        }
        let headers = |hosts: &[&str]| {
            let mut headers = HeaderMap::new();
            for host in hosts {
                headers.append(http::header::HOST, host.parse().unwrap());
            }
            headers
        };
        let (loopback, any) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([0, 0, 0, 0]));
        let (path, whole) = (Uri::from_static("/metrics"), Uri::from_static("http://evil.example/metrics"));
        assert!(is_meant_for(loopback, &path, &headers(&["localhost"])));
        // Only HTTP/1.0 may have none, and no browser speaks that.
        assert!(is_meant_for(loopback, &path, &headers(&[])));
        assert!(!is_meant_for(loopback, &path, &headers(&["localhost", "evil.example"])));
        assert!(!is_meant_for(loopback, &whole, &headers(&["localhost"])));
        assert!(is_meant_for(any, &path, &headers(&["gate-1.example"])));
    }
}
