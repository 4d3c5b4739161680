//! The client half of the push protocol: build, sign, send, classify the reply.
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
//!     Outcome::Denied { told, .. } => println!("keep it, and check the secret and the park: {told}"),
//!     Outcome::TooLarge { told } => println!("send it without its pictures: {told}"),
//!     Outcome::TryLater { reason, .. } => println!("keep it and send it again: {reason}"),
//! }
//! # Ok(()) }
//! ```

mod backoff;
mod circuit;
mod draft;
mod outcome;
mod record;

pub use backoff::{Backoff, http_date, retry_after};
pub use circuit::{Circuit, after};
pub use draft::{Draft, Signing, text_part};
pub use outcome::{Denial, Outcome, classify};
pub use record::{CarType, Enter, Leave, PayType, Payment, PlateColor};

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parkgate_wire::{PushKind, Secret, endpoint};

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
    timeout: Duration,
}

impl Client {
    /// A client of the platform at `url`: its root, or the full address of a call. `park_uuid`, `app_id` and
    /// `api_type` are sent with every draft that does not set them itself.
    ///
    /// # Errors
    /// The URL is none, or no HTTP client can be made.
    pub fn new(url: &str, park_uuid: Option<&str>, credentials: Credentials) -> Result<Client, ClientError> {
        host_of(url)?;
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| ClientError::Setup(error.to_string()))?;
        Ok(Client {
            http,
            url: url.to_owned(),
            park_uuid: park_uuid.map(str::to_owned),
            credentials,
            signing: Signing::Plain,
            timeout: REQUEST_TIMEOUT,
        })
    }

    /// How long one push may take, pictures and reply included; a minute unless set.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Client {
        Client { timeout, ..self }
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
        Ok(self.push_dated(kind, draft).await?.0)
    }

    /// The same, and what the platform's clock said (`Date`, ms since 1970), if it told.
    ///
    /// # Errors
    /// As [`Client::push`].
    pub async fn push_dated(
        &self,
        kind: PushKind,
        draft: impl Into<Draft>,
    ) -> Result<(Outcome, Option<i64>), ClientError> {
        let Credentials { secret, app_id, api_type } = &self.credentials;
        let draft = draft
            .into()
            .unless_set("park_uuid", &self.park_uuid)
            .unless_set("app_id", app_id)
            .unless_set("api_type", api_type);
        let request = draft.request(&self.http, &endpoint(&self.url, kind), secret, self.signing).await?;
        match request.timeout(self.timeout).send().await {
            Err(error) => Ok((Outcome::unreachable(&error), None)),
            Ok(sent) => {
                let date = header(&sent, "date").and_then(http_date);
                Ok((read_answer(sent, date).await, date))
            }
        }
    }
}

fn header<'a>(sent: &'a reqwest::Response, name: &str) -> Option<&'a str> {
    sent.headers().get(name).and_then(|value| value.to_str().ok())
}

/// Also a 4xx or 5xx has a body that says why. `date` is the platform's clock, ms since 1970.
async fn read_answer(mut sent: reqwest::Response, date: Option<i64>) -> Outcome {
    let status = sent.status().as_u16();
    let asked = header(&sent, "retry-after").and_then(|value| retry_after(value, date, now_ms()));
    let mut body = Vec::new();
    loop {
        match sent.chunk().await {
            Ok(Some(piece)) if body.len() + piece.len() <= REPLY_BYTES_MAX => body.extend_from_slice(&piece),
            Ok(Some(_)) => return classify(status, asked, &[]),
            Ok(None) => return classify(status, asked, &body),
            Err(error) => return Outcome::unreachable(&error),
        }
    }
}

/// Milliseconds since 1970.
fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// The host and port of a platform's URL.
///
/// # Errors
/// It is no `http` or `https` URL.
pub fn host_of(url: &str) -> Result<(String, u16), ClientError> {
    let wrong = |what: String| ClientError::Setup(format!("{url}: {what}; write http://… or https://…"));
    let parsed = reqwest::Url::parse(url).map_err(|error| wrong(error.to_string()))?;
    match (parsed.scheme(), parsed.host_str(), parsed.port_or_known_default()) {
        ("http" | "https", Some(host), Some(port)) => {
            Ok((host.trim_start_matches('[').trim_end_matches(']').to_owned(), port))
        }
        (scheme, ..) => Err(wrong(format!("`{scheme}`"))),
    }
}

#[cfg(test)]
mod tests;
