//! The client half of the push protocol: build, sign, send, judge the reply.
//!
//! ```no_run
//! # async fn example() -> Result<(), parkgate_client::ClientError> {
//! use parkgate_client::{CarType, Client, Credentials, Leave, Outcome, PayType, Payment, PlateColor};
//! use parkgate_wire::{PushKind, Secret};
//!
//! let park_uuid = "49f0cc52-e8c7-41e3-b54d-af666b8cc11a";
//! let client = Client::new("http://127.0.0.1:8080", Some(park_uuid), Credentials::of_park(Secret::new("123")))?;
//! let leave = Leave::new("202106028000000007", 1624874732253, 1624937505093, CarType::Temporary, "临时车")
//!     .plate("粤B12345", PlateColor::Blue)
//!     .payment(Payment::new("PO1624937505093", PayType::Online, 500, 1624937505093).free(100))
//!     .total(600)
//!     .space(100, 10)
//!     .image("leave.jpg");
//! match client.push(PushKind::Leave, leave).await? {
//!     Outcome::Accepted(reply) => println!("recorded as {}", reply.seqno),
//!     Outcome::AcceptedWithHint(reply) => println!("taken, but: {:?}", reply.hint),
//!     Outcome::Refused(reply) => println!("mend it: {:?}", reply.hint),
//!     Outcome::TryLater { reason, .. } => println!("keep it and send it again: {reason}"),
//! }
//! # Ok(()) }
//! ```

mod backoff;
mod draft;
mod outcome;
mod record;

pub use backoff::Backoff;
pub use draft::{Draft, Signing};
pub use outcome::{Outcome, judge};
pub use record::{CarType, Enter, Leave, PayType, Payment, PlateColor};

use std::path::PathBuf;
use std::time::Duration;

use parkgate_wire::{PushKind, Secret};

/// Long enough for four pictures on a bad line.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A reply is some hundred bytes; its hint repeats what was sent. More is no reply, whatever the other side is.
const REPLY_BYTES_MAX: usize = 1024 * 1024;

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

/// What the platform gave: a park's secret, or an app's with its id.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// Signs every push.
    pub secret: Secret,
    /// Whose secret it is, if an app's.
    pub app_id: Option<String>,
    /// Given with the app.
    pub api_type: Option<String>,
}

impl Credentials {
    /// A park's own secret.
    #[must_use]
    pub fn of_park(secret: Secret) -> Credentials {
        Credentials { secret, app_id: None, api_type: None }
    }
}

/// Pushes to one platform with one secret.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    url: String,
    park_uuid: Option<String>,
    credentials: Credentials,
    signing: Signing,
}

impl Client {
    /// A client of the platform at `url`: its root, or the full address of a call. `park_uuid`, `app_id` and
    /// `api_type` are sent with every draft that does not set them itself.
    ///
    /// # Errors
    /// The URL is none, or no HTTP client can be made.
    pub fn new(url: &str, park_uuid: Option<&str>, credentials: Credentials) -> Result<Client, ClientError> {
        match reqwest::Url::parse(url) {
            Ok(parsed) if matches!(parsed.scheme(), "http" | "https") => {}
            Ok(_) => return Err(ClientError::Setup(format!("{url}: write http://… or https://…"))),
            Err(error) => return Err(ClientError::Setup(format!("{url}: {error}; write http://… or https://…"))),
        }
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| ClientError::Setup(error.to_string()))?;
        Ok(Client {
            http,
            url: url.to_owned(),
            park_uuid: park_uuid.map(str::to_owned),
            credentials,
            signing: Signing::Plain,
        })
    }

    /// How values are sent and signed; [`Signing::Plain`] unless a platform wants otherwise.
    #[must_use]
    pub fn signing(self, signing: Signing) -> Client {
        Client { signing, ..self }
    }

    /// Signs and sends one push: as a form, or with files as multipart.
    ///
    /// # Errors
    /// Something on this side; a platform that cannot be reached is [`Outcome::TryLater`].
    pub async fn push(&self, kind: PushKind, draft: impl Into<Draft>) -> Result<Outcome, ClientError> {
        let Credentials { secret, app_id, api_type } = &self.credentials;
        let draft = draft
            .into()
            .unless_set("park_uuid", &self.park_uuid)
            .unless_set("app_id", app_id)
            .unless_set("api_type", api_type);
        let request = draft.request(&self.http, &self.address(kind), secret, self.signing).await?;
        let mut sent = match request.send().await {
            Err(error) => return Ok(Outcome::unreachable(&error)),
            Ok(sent) => sent,
        };
        let status = sent.status().as_u16();
        let retry_after = sent.headers().get("retry-after").and_then(|value| value.to_str().ok()).map(str::to_owned);
        // Also a 4xx or 5xx has a body that says why.
        let mut body = Vec::new();
        loop {
            match sent.chunk().await {
                Ok(Some(piece)) if body.len() + piece.len() <= REPLY_BYTES_MAX => body.extend_from_slice(&piece),
                Ok(Some(_)) => return Ok(judge(status, retry_after.as_deref(), "")),
                Ok(None) => return Ok(judge(status, retry_after.as_deref(), &String::from_utf8_lossy(&body))),
                Err(error) => return Ok(Outcome::unreachable(&error)),
            }
        }
    }

    fn address(&self, kind: PushKind) -> String {
        if self.url.contains("/gate/") {
            return self.url.clone();
        }
        format!("{}{}", self.url.trim_end_matches('/'), kind.path())
    }
}

#[cfg(test)]
mod tests;
