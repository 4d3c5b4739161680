//! A platform, or a proxy in front of one, that answers as a function says.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A request that arrived.
#[derive(Debug, Clone)]
pub struct ScriptedRequest {
    /// Counted from 1.
    pub number: usize,
    /// Its first line and headers.
    pub head: String,
    /// Its bytes.
    pub body: Vec<u8>,
}

/// What it answers.
#[derive(Debug, Clone)]
pub struct ScriptedReply {
    /// HTTP status.
    pub status: u16,
    /// More header lines, each with its line end.
    pub headers: &'static str,
    /// The bytes.
    pub body: Vec<u8>,
}

impl ScriptedReply {
    /// This status and body.
    #[must_use]
    pub fn says(status: u16, body: &str) -> ScriptedReply {
        ScriptedReply { status, headers: "", body: body.as_bytes().to_vec() }
    }
}

/// A running one.
pub struct Scripted {
    /// `http://127.0.0.1:PORT`
    pub url: String,
    requests: Arc<AtomicUsize>,
}

impl Scripted {
    /// Answers each request with what `answer` makes of it.
    #[must_use]
    pub fn start(answer: impl Fn(&ScriptedRequest) -> ScriptedReply + Send + Sync + 'static) -> Scripted {
        Scripted::writing(move |request, line| {
            let ScriptedReply { status, headers, body } = answer(request);
            let head = format!("HTTP/1.1 {status} So\r\n{headers}content-length: {}\r\n\r\n", body.len());
            line.write_all(&[head.as_bytes(), &body].concat())
        })
    }

    /// Has `answer` write each answer itself, as slowly and as wrongly as it likes. After an error the connection is closed.
    #[must_use]
    pub fn writing(
        answer: impl Fn(&ScriptedRequest, &mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static,
    ) -> Scripted {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(AtomicUsize::new(0));
        let (counted, answer) = (Arc::clone(&requests), Arc::new(answer));
        std::thread::spawn(move || {
            for line in listener.incoming().flatten() {
                let (counted, answer) = (Arc::clone(&counted), Arc::clone(&answer));
                // If a connection ends early, that is the other side's matter.
                std::thread::spawn(move || serve(line, &counted, answer.as_ref()));
            }
        });
        Scripted { url, requests }
    }

    /// How many requests arrived.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

type Answering = dyn Fn(&ScriptedRequest, &mut TcpStream) -> std::io::Result<()>;

fn serve(mut line: TcpStream, counted: &AtomicUsize, answer: &Answering) -> Option<()> {
    let mut reader = BufReader::new(line.try_clone().ok()?);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            reader.read_line(&mut head).ok().filter(|read| *read > 0)?;
        }
        let lower = head.to_ascii_lowercase();
        let length = lower.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.trim().parse().ok());
        let body = if lower.contains("transfer-encoding: chunked") {
            chunked(&mut reader)?
        } else {
            let mut body = vec![0; length.unwrap_or(0)];
            reader.read_exact(&mut body).ok()?;
            body
        };
        let number = counted.fetch_add(1, Ordering::SeqCst) + 1;
        answer(&ScriptedRequest { number, head, body }, &mut line).ok()?;
    }
}

fn chunked(reader: &mut BufReader<TcpStream>) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut size = String::new();
        reader.read_line(&mut size).ok()?;
        let size = usize::from_str_radix(size.trim(), 16).ok()?;
        let mut chunk = vec![0; size + 2];
        reader.read_exact(&mut chunk).ok()?;
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(&chunk[..size]);
    }
}
