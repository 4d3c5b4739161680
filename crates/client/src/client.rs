//! Pushes to one platform: signed, sent, and the answer read.

use std::time::Duration;

use parkgate_text::texts;
use parkgate_wire::call::BEFORE;
use parkgate_wire::{Call, PushKind, Secret, UnixMillis, call_endpoint};

use crate::backoff::{http_date, retry_after};
use crate::before::EntryAnswer;
use crate::clock::now;
use crate::draft::{Draft, Signing};
use crate::error::ClientError;
use crate::outcome::{Outcome, classify_call};

/// Long enough for four pictures on a slow connection.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A vehicle waits at the barrier: later, the car park has decided by itself.
pub(crate) const ASK_TIMEOUT: Duration = Duration::from_secs(3);
/// A reply has some hundred bytes, and its hint repeats what was sent. Anything longer is no reply of the protocol.
pub(crate) const REPLY_BYTES_MAX: usize = 1024 * 1024;

/// What the platform assigned: a park's secret, or an app's with its id.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The secret that signs every push.
    pub secret: Secret,
    /// The app, if it is an app's secret.
    pub app_id: Option<String>,
    /// Assigned with the app.
    pub api_type: Option<String>,
}

impl Credentials {
    /// A park's own secret.
    #[must_use]
    pub fn of_park(secret: Secret) -> Credentials {
        Credentials { secret, app_id: None, api_type: None }
    }
}

/// Sends pushes to one platform with one secret.
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
    /// The URL is invalid, or no HTTP client can be made.
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
    /// Something is wrong on this side. A platform that cannot be reached is [`Outcome::TryLater`].
    pub async fn push(&self, kind: PushKind, draft: impl Into<Draft>) -> Result<Outcome, ClientError> {
        Ok(self.push_dated(kind, draft).await?.0)
    }

    /// The same, with the platform's time (`Date`), if it was sent.
    ///
    /// # Errors
    /// As [`Client::push`].
    pub async fn push_dated(
        &self,
        kind: PushKind,
        draft: impl Into<Draft>,
    ) -> Result<(Outcome, Option<UnixMillis>), ClientError> {
        let call = kind.call();
        let request = self.request(call, draft.into()).await?;
        match request.timeout(self.timeout).send().await {
            Err(error) => Ok((Outcome::unreachable(&error), None)),
            Ok(sent) => {
                let date = header(&sent, "date").and_then(http_date);
                Ok((read_answer(call, sent, date).await.0, date))
            }
        }
    }

    /// Asks whether a vehicle may enter, before the barrier opens (入场前查询). Waits for at most three seconds, or the client's
    /// own timeout if that is shorter; whatever goes wrong on the way or at the platform, the car park decides locally.
    ///
    /// # Errors
    /// Something is wrong on this side.
    pub async fn ask_before(&self, question: impl Into<Draft>) -> Result<EntryAnswer, ClientError> {
        let request = self.request(&BEFORE, question.into()).await?;
        Ok(match request.timeout(self.timeout.min(ASK_TIMEOUT)).send().await {
            Err(error) => EntryAnswer::none(Outcome::unreachable(&error)),
            Ok(sent) => {
                let (outcome, body) = read_answer(&BEFORE, sent, None).await;
                EntryAnswer::of(outcome, body)
            }
        })
    }

    async fn request(&self, call: &Call, draft: Draft) -> Result<reqwest::RequestBuilder, ClientError> {
        let Credentials { secret, app_id, api_type } = &self.credentials;
        let draft = draft
            .unless_set("park_uuid", &self.park_uuid)
            .unless_set("app_id", app_id)
            .unless_set("api_type", api_type);
        draft.request(&self.http, &call_endpoint(&self.url, call), secret, self.signing).await
    }
}

fn header<'a>(sent: &'a reqwest::Response, name: &str) -> Option<&'a str> {
    sent.headers().get(name).and_then(|value| value.to_str().ok())
}

/// A 4xx or 5xx has a body that says why, too. `date` is the platform's time. What it means, and the body as far as it is a reply.
async fn read_answer(call: &Call, mut sent: reqwest::Response, date: Option<UnixMillis>) -> (Outcome, Vec<u8>) {
    let status = sent.status().as_u16();
    let asked = header(&sent, "retry-after").and_then(|value| retry_after(value, date, now()));
    let mut body = Vec::new();
    loop {
        match sent.chunk().await {
            Ok(Some(piece)) if body.len() + piece.len() <= REPLY_BYTES_MAX => body.extend_from_slice(&piece),
            Ok(Some(_)) => return (classify_call(call, status, asked, &[]), Vec::new()),
            Ok(None) => return (classify_call(call, status, asked, &body), body),
            Err(error) => return (Outcome::unreachable(&error), Vec::new()),
        }
    }
}

/// The host and port of a platform's URL.
///
/// # Errors
/// It is no `http` or `https` URL.
pub fn host_of(url: &str) -> Result<(String, u16), ClientError> {
    let wrong = || ClientError::Setup((texts().answers.write_url)(url));
    let parsed = reqwest::Url::parse(url).map_err(|_| wrong())?;
    match (parsed.scheme(), parsed.host_str(), parsed.port_or_known_default()) {
        ("http" | "https", Some(host), Some(port)) => {
            Ok((host.trim_start_matches('[').trim_end_matches(']').to_owned(), port))
        }
        _ => Err(wrong()),
    }
}
