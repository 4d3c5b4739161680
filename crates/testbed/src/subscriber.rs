//! A platform that subscribes: it keeps what it is sent, and answers as the test says.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// How it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubscriberAnswer {
    /// With this status and body.
    Says(u16, &'static str),
    /// Keeps the request, and closes the connection without an answer.
    Drops,
    /// Keeps nothing, and never answers.
    Hangs,
    /// Redirects to this address.
    Redirects(String),
}

impl SubscriberAnswer {
    /// Accepted, in the words of the protocol.
    pub const TAKES: SubscriberAnswer = SubscriberAnswer::Says(200, r#"{"code":"1001","message":"OK"}"#);
}

/// A request it received.
#[derive(Debug, Clone)]
pub struct ReceivedDelivery {
    /// The path.
    pub path: String,
    /// By names in lower case.
    pub headers: HashMap<String, String>,
    /// The bytes.
    pub body: Vec<u8>,
}

impl ReceivedDelivery {
    /// A form's fields.
    #[must_use]
    pub fn form(&self) -> HashMap<String, String> {
        url::form_urlencoded::parse(&self.body).into_owned().collect()
    }

    /// A value of a form, or of a webhook's `data`.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<String> {
        if let Ok(json) = serde_json::from_slice::<serde_json::Value>(&self.body) {
            return json["data"][name].as_str().map(str::to_owned);
        }
        self.form().remove(name)
    }
}

struct SubscriberState {
    answer: Mutex<SubscriberAnswer>,
    received: Mutex<Vec<ReceivedDelivery>>,
    held: Mutex<Vec<TcpStream>>,
}

/// A running subscriber.
pub struct TestSubscriber {
    /// `http://127.0.0.1:PORT`
    pub url: String,
    shared: Arc<SubscriberState>,
}

impl TestSubscriber {
    /// Starts one that answers like this.
    #[must_use]
    pub fn start(answer: SubscriberAnswer) -> TestSubscriber {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(SubscriberState {
            answer: Mutex::new(answer),
            received: Mutex::default(),
            held: Mutex::default(),
        });
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            for line in listener.incoming().flatten() {
                let shared = Arc::clone(&serving);
                std::thread::spawn(move || serve(line, &shared));
            }
        });
        TestSubscriber { url, shared }
    }

    /// Answers differently from now on. Requests that it let hang are released.
    pub fn turns(&self, answer: SubscriberAnswer) {
        *self.shared.answer.lock().unwrap() = answer;
        self.shared.held.lock().unwrap().clear();
    }

    /// Everything it received and kept, in order.
    #[must_use]
    pub fn received(&self) -> Vec<ReceivedDelivery> {
        self.shared.received.lock().unwrap().clone()
    }
}

fn serve(line: TcpStream, shared: &SubscriberState) {
    let mut reader = BufReader::new(line.try_clone().unwrap());
    let mut writer = line;
    while let Some(request) = read(&mut reader) {
        let answer = shared.answer.lock().unwrap().clone();
        match answer {
            SubscriberAnswer::Hangs => return shared.held.lock().unwrap().push(writer),
            SubscriberAnswer::Drops => return shared.received.lock().unwrap().push(request),
            SubscriberAnswer::Redirects(to) => {
                let reply = format!("HTTP/1.1 307 Elsewhere\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n");
                if writer.write_all(reply.as_bytes()).is_err() {
                    return;
                }
            }
            SubscriberAnswer::Says(status, body) => {
                if status < 300 {
                    shared.received.lock().unwrap().push(request);
                }
                let reply = format!("HTTP/1.1 {status} So\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                if writer.write_all(reply.as_bytes()).is_err() {
                    return;
                }
            }
        }
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<ReceivedDelivery> {
    let mut first = String::new();
    reader.read_line(&mut first).ok().filter(|read| *read > 0)?;
    let path = first.split(' ').nth(1)?.to_owned();
    let mut headers = HashMap::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(ReceivedDelivery { path, headers, body })
}
