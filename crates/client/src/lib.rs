//! The client half of the push protocol: build, sign, send, judge the reply.
//!
//! ```no_run
//! # async fn example() -> Result<(), parkgate_client::ClientError> {
//! use parkgate_client::{Client, Draft, Outcome};
//! use parkgate_wire::{PushKind, Secret};
//!
//! let client = Client::new("http://127.0.0.1:8080", Secret::new("123"))?;
//! let draft = Draft::default()
//!     .param("park_uuid", "49f0cc52-e8c7-41e3-b54d-af666b8cc11a")
//!     .param("parking_serial", "202106028000000007")
//!     .param("plate_color", "1")
//!     .param("enter_time", "1624874732253")
//!     .param("leave_time", "1624937505093")
//!     .param("car_type", "1")
//!     .param("car_desc", "临时车")
//!     .file("leave_image_file", "leave.jpg");
//! match client.push(PushKind::Leave, draft).await? {
//!     Outcome::Accepted(reply) => println!("recorded as {}", reply.seqno),
//!     Outcome::AcceptedWithHint(reply) => println!("taken, but: {:?}", reply.hint),
//!     Outcome::Refused(reply) => println!("mend it: {:?}", reply.hint),
//!     Outcome::TryLater { reason, .. } => println!("keep it and send it again: {reason}"),
//! }
//! # Ok(()) }
//! ```

mod draft;
mod outcome;

pub use draft::Draft;
pub use outcome::{Outcome, judge};

use std::path::PathBuf;
use std::time::Duration;

use parkgate_wire::{PushKind, Secret};

/// Long enough for four pictures on a bad line.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// What is wrong on this side of the line.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// A picture cannot be read.
    #[error("{0}: {1}")]
    File(PathBuf, std::io::Error),
    /// No HTTP client can be made, or the URL is none.
    #[error("{0}")]
    Setup(String),
}

/// Pushes to one platform with one secret.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    url: String,
    secret: Secret,
}

impl Client {
    /// A client of the platform at `url`: its root, or the full address of a call.
    ///
    /// # Errors
    /// No HTTP client can be made.
    pub fn new(url: &str, secret: Secret) -> Result<Client, ClientError> {
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| ClientError::Setup(error.to_string()))?;
        Ok(Client { http, url: url.to_owned(), secret })
    }

    /// Signs and sends one push: as a form, or with files as multipart.
    ///
    /// # Errors
    /// Something on this side; a platform that cannot be reached is [`Outcome::TryLater`].
    pub async fn push(&self, kind: PushKind, draft: Draft) -> Result<Outcome, ClientError> {
        let request = draft.request(&self.http, &self.address(kind), &self.secret).await?;
        let sent = match request.send().await {
            Err(error) => return Ok(Outcome::unreachable(&error)),
            Ok(sent) => sent,
        };
        let status = sent.status().as_u16();
        let retry_after = sent.headers().get("retry-after").and_then(|value| value.to_str().ok()).map(str::to_owned);
        // Also a 4xx or 5xx has a body that says why.
        match sent.text().await {
            Ok(body) => Ok(judge(status, retry_after.as_deref(), &body)),
            Err(error) => Ok(Outcome::unreachable(&error)),
        }
    }

    fn address(&self, kind: PushKind) -> String {
        if self.url.contains("/gate/") {
            return self.url.clone();
        }
        format!("{}{}", self.url.trim_end_matches('/'), kind.path())
    }
}
