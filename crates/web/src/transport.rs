//! The stream below HTTP: the connection itself, or TLS over it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use crate::tls::Tls;

/// The first byte of a TLS connection: a record of the handshake.
const HANDSHAKE: u8 = 22;
/// How long, and how much, of what a sender without TLS goes on sending is still read, so that it gets its reply.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES_MAX: u64 = 1024 * 1024;

/// What a connection's bytes come through.
pub(crate) enum Transport {
    /// As they are.
    Plain(TcpStream),
    /// Decrypted.
    Tls(Box<TlsStream<TcpStream>>),
}

/// What became of a connection on an address with TLS.
pub(crate) enum Opened {
    /// The handshake is done.
    Secure(Transport),
    /// Its sender speaks something else, HTTP most likely.
    NotTls(TcpStream),
}

/// Waits for the handshake, as long as it takes.
pub(crate) async fn open(tls: &Tls, stream: TcpStream) -> io::Result<Opened> {
    let mut first = [0];
    if stream.peek(&mut first).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if first != [HANDSHAKE] {
        return Ok(Opened::NotTls(stream));
    }
    let stream = tls.acceptor().accept(stream).await?;
    Ok(Opened::Secure(Transport::Tls(Box::new(stream))))
}

/// Sends a reply to whoever speaks HTTP where TLS is spoken, and ends the connection.
pub(crate) async fn answer_plain(mut stream: TcpStream, content_type: &str, body: &str) -> io::Result<()> {
    let head = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: {content_type}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await?;
    stream.shutdown().await?;
    let rest = async { tokio::io::copy(&mut (&mut stream).take(LINGER_BYTES_MAX), &mut tokio::io::sink()).await };
    // Whether it reads its reply is its own affair.
    let _ = tokio::time::timeout(LINGER, rest).await;
    Ok(())
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Transport::Plain(stream) => Pin::new(stream).poll_read(context, into),
            Transport::Tls(stream) => Pin::new(stream).poll_read(context, into),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Transport::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Transport::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Transport::Plain(stream) => Pin::new(stream).poll_flush(context),
            Transport::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Transport::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Transport::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
