//! The accept loop: a bound on connections, time-outs that fire, and a stop that finishes what is in flight.
//!
//! `axum::serve` installs no timer, so a sender that never ends its header would hold a connection for ever.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutStream;

use crate::admin;
use crate::gate::Gate;
use crate::router::Routes;
use crate::settings::Limits;

/// A header may be this long, and no more than this is read ahead of a body.
const READ_BUFFER_BYTES: usize = 64 * 1024;

/// Where a request comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// The addresses of a gate.
#[derive(Debug)]
pub struct Listeners {
    /// For everybody: the protocol.
    pub public: TcpListener,
    /// For whoever looks after the gate: figures, and what readiness found.
    pub admin: Option<TcpListener>,
}

/// Serves until `stop` is ready, then drains and closes the gate. The admin address answers to the end.
///
/// # Errors
/// The store could not be closed.
pub async fn serve(gate: Arc<Gate>, listeners: Listeners, stop: impl Future<Output = ()>) -> io::Result<()> {
    let Listeners { public: listener, admin } = listeners;
    let admin = admin.map(|listener| tokio::spawn(admin::serve(Arc::clone(&gate), listener)));
    let routes = Arc::new(Routes::new(Arc::clone(&gate)));
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(gate.settings.limits.connections_max));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(gate.settings.limits.header_timeout)
        .max_buf_size(READ_BUFFER_BYTES)
        .pipeline_flush(true);
    tokio::pin!(stop);
    loop {
        let accepted = async {
            // The semaphore is never closed.
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            accepted = accepted => accepted,
            () = &mut stop => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, say: that passes when connections end.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let answering = Arc::clone(&routes);
        let service = service_fn(move |request| {
            let routes = Arc::clone(&answering);
            async move { routes.answer(Peer(peer), request).await }
        });
        let connection = http.serve_connection(TokioIo::new(prepared(stream, &gate.settings.limits)), service);
        let connection = graceful.watch(connection);
        let gate = Arc::clone(&gate);
        tokio::spawn(async move {
            gate.metrics.connections.inc();
            if let Err(error) = connection.await {
                tracing::debug!(%peer, %error, "connection ended");
            }
            gate.metrics.connections.dec();
            drop(place);
        });
    }
    drop(listener);
    let drained = drain(gate, graceful).await;
    if let Some(admin) = admin {
        admin.abort();
    }
    drained
}

async fn drain(gate: Arc<Gate>, graceful: GracefulShutdown) -> io::Result<()> {
    gate.draining.store(true, Ordering::Relaxed);
    tracing::info!("stopping: finishing what is in flight");
    if tokio::time::timeout(gate.settings.limits.drain_timeout, graceful.shutdown()).await.is_err() {
        tracing::warn!("some connections did not end in time");
    }
    if let Some(forwarder) = &gate.forwarder {
        forwarder.stop().await;
    }
    let closed = tokio::task::spawn_blocking(move || gate.close()).await;
    closed.map_err(io::Error::other)?.map_err(io::Error::other)
}

/// A sender that does not read its replies is let go, as one that does not send is.
fn prepared(stream: TcpStream, limits: &Limits) -> Pin<Box<TimeoutStream<TcpStream>>> {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(limits.body_idle_timeout));
    Box::pin(stream)
}
