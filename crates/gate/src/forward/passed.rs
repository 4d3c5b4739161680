//! Calls that are not ours, passed on as they came to the platform that a car park comes from (`subscriber add --compare`), whose
//! answer goes back as it came: so a car park moves over whole.
//!
//! Nothing is kept of them but how often they came. They have places of their own, wait in no queue, ask the store for nothing and say
//! nothing of whether the subscriber is away, so that nothing else is slower for them. Bodies and answers are streamed.

mod answer;
mod headers;
mod places;
mod upload;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use parkgate_client::now;
use parkgate_intake::PassedBody;
use parkgate_store::Subscriber;
use parkgate_text::texts;
use parkgate_wire::{Refusal, endpoint_of_path, shown_path};
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};

pub use self::answer::CutOff;
use self::places::Places;
use self::upload::{PassedUpload, RefusedUpload};
use super::Forwarder;
use super::request::{Sender, causes};
use crate::notes::Notes;

/// A longer answer is cut off: what is asked of a platform are records and lists, a picture at most.
const ANSWER_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// A call is over by then, however slowly its bodies come.
const CALL_MAX: Duration = Duration::from_secs(10 * 60);

/// A call to pass on.
pub struct PassedCall {
    /// Its method.
    pub method: Method,
    /// Its path: one that [`parkgate_wire::may_be_passed_on`].
    pub path: String,
    /// Its query string.
    pub query: Option<String>,
    /// As they came.
    pub headers: HeaderMap,
    /// Its body.
    pub body: PassedBody,
}

/// An answer to pass back.
pub struct PassedAnswer {
    /// HTTP status.
    pub status: StatusCode,
    /// Without those of the connection.
    pub headers: HeaderMap,
    /// Its pieces; after an error the connection must end, since the answer had begun.
    pub body: Pin<Box<dyn Stream<Item = Result<Bytes, CutOff>> + Send>>,
    /// Was all of the request read? Else nothing can follow it on its connection.
    pub is_request_read: bool,
}

/// Why a call has no answer of the upstream's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotPassed {
    /// As many are under way as may be.
    Busy,
    /// Bodies keep as much in memory as they may.
    NoRoom,
    /// The sender's body is wrong, too long or too slow.
    Refused(Refusal),
    /// The upstream gave no answer, for this reason.
    NoAnswer(String),
    /// Its answer is longer than this.
    TooLarge(u64),
}

/// Passes calls on.
pub struct Passing {
    sender: Arc<Sender>,
    /// For the answer's head.
    timeout: Duration,
    /// Between two pieces of it.
    idle: Duration,
    places: Arc<Places>,
    notes: Arc<Notes>,
}

impl Passing {
    /// By the forwarder's own client, so that the same addresses are refused.
    pub(crate) fn by(forwarder: &Forwarder, idle: Duration, notes: Arc<Notes>) -> Passing {
        let parts = &forwarder.parts;
        let (sender, timeout) = (Arc::clone(&parts.sender), parts.settings.timeout);
        Passing { sender, timeout, idle, places: Arc::default(), notes }
    }

    /// Passes a call of this park, if it names one, on to a subscriber.
    ///
    /// # Errors
    /// It has no answer; the upstream may have received it all the same.
    pub async fn pass(&self, to: &Subscriber, park: Option<&str>, call: PassedCall) -> Result<PassedAnswer, NotPassed> {
        let place = self.places.take(to.id, park).ok_or(NotPassed::Busy)?;
        let (is_head, path) = (call.method == Method::HEAD, shown_path(&call.path));
        let upload = PassedUpload::new();
        let answered = self.answered(to, call, &upload).await;
        let status = answered.as_ref().map_or(0, |answer| answer.status().as_u16());
        self.notes.passed(to.id, &path, status, now());
        let answer = answered?;
        let length = headers::content_length(answer.headers()).filter(|_| !is_head);
        if length.is_some_and(|length| length > ANSWER_BYTES_MAX) {
            return Err(NotPassed::TooLarge(ANSWER_BYTES_MAX));
        }
        Ok(PassedAnswer {
            status: answer.status(),
            headers: headers::of_answer(answer.headers()),
            is_request_read: upload.is_over(),
            body: Box::pin(answer::pieces(answer, ANSWER_BYTES_MAX, self.idle, causes, place)),
        })
    }

    /// The head of the answer.
    async fn answered(
        &self,
        to: &Subscriber,
        call: PassedCall,
        upload: &Arc<PassedUpload>,
    ) -> Result<reqwest::Response, NotPassed> {
        let PassedCall { method, path, query, headers, body } = call;
        let url = endpoint_of_path(&to.registered.settings.url, &path, query.as_deref());
        let request = self.sender.request(method, &url).map_err(NotPassed::NoAnswer)?;
        let request = request.headers(headers::of_request(&headers, body.length())).timeout(CALL_MAX);
        let request = if body.length() == Some(0) {
            upload.skip();
            request
        } else {
            request.body(upload.of(body))
        };
        let sending = request.send();
        tokio::pin!(sending);
        let answer = loop {
            tokio::select! {
                sent = &mut sending => break sent,
                () = tokio::time::sleep_until(upload.due(self.timeout)) => {
                    if upload.due(self.timeout) <= tokio::time::Instant::now() {
                        return Err(NotPassed::NoAnswer(texts().answers.timed_out.trim_end_matches([':', ' ']).into()));
                    }
                }
            }
        };
        match (answer, upload.refused()) {
            // Nobody asked for another protocol, and nothing else may follow on the sender's connection.
            (Ok(answer), _) if answer.status().is_informational() => {
                Err(NotPassed::NoAnswer(format!("HTTP {}", answer.status().as_u16())))
            }
            (Ok(answer), _) => Ok(answer),
            (Err(_), Some(RefusedUpload::Refused(refusal))) => Err(NotPassed::Refused(refusal)),
            (Err(_), Some(RefusedUpload::NoRoom)) => Err(NotPassed::NoRoom),
            (Err(error), None) => Err(NotPassed::NoAnswer(causes(&error))),
        }
    }
}
