//! One attempt: a record is made a request and sent, and the answer is read.

use std::sync::Arc;
use std::time::Duration;

use super::Forward;
use super::address::{PublicOnly, refused};
use super::message::{self, FormParams};
use super::plan::DeliveryAnswer;
use crate::pictures::part_of;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use parkgate_client::{classify_call, http_date, now, retry_after, text_part};
use parkgate_store::{Format, Images, Outgoing, Picture, Subscriber};
use parkgate_text::texts;
use parkgate_wire::field::CAPTURE_IMAGE_HASH;
use parkgate_wire::value::says_nothing;
use parkgate_wire::{Call, PushKind, UnixMillis, call_endpoint, endpoint};
use reqwest::header::HeaderValue;
use reqwest::multipart::{Form, Part};
use reqwest::{Method, Url};
use sha2::Sha256;

/// A reply has some hundred bytes.
pub(super) const REPLY_BYTES_MAX: usize = 256 * 1024;
/// A webhook's answer is read up to this: a longer one costs a new connection.
const WEBHOOK_BYTES_MAX: usize = 64 * 1024;
/// Its body is waited for no longer than this.
const WEBHOOK_BODY_TIMEOUT: Duration = Duration::from_secs(1);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Sends to all subscribers.
pub(super) struct Sender {
    http: reqwest::Client,
    images: Images,
    allow_private: bool,
}

impl Sender {
    pub(super) fn new(settings: &Forward, images: Images) -> reqwest::Result<Sender> {
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT.min(settings.timeout))
            .timeout(settings.timeout)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .pool_max_idle_per_host(64);
        let http = if settings.allow_private { http } else { http.dns_resolver(Arc::new(PublicOnly)) };
        Ok(Sender { http: http.build()?, images, allow_private: settings.allow_private })
    }

    /// Makes one attempt.
    pub(super) async fn send(&self, subscriber: &Subscriber, outgoing: &Outgoing, now: UnixMillis) -> DeliveryAnswer {
        match self.sent(subscriber, outgoing, now).await {
            Ok(answer) => answer,
            Err(reason) => DeliveryAnswer::Failed { reason, retry_after: None },
        }
    }

    async fn sent(
        &self,
        subscriber: &Subscriber,
        outgoing: &Outgoing,
        now: UnixMillis,
    ) -> Result<DeliveryAnswer, String> {
        let settings = &subscriber.registered.settings;
        let url = address(&settings.url, settings.format, outgoing.record.kind)?;
        if let Some(why) = refused(&url, self.allow_private) {
            return Err(why);
        }
        match settings.format {
            Format::Relay => self.relay(url, outgoing).await,
            Format::OpenApi => {
                let params = message::open_platform(outgoing, settings, &subscriber.registered.secret, now);
                answer(outgoing.record.kind.call(), form(self.http.post(url), &params)).await
            }
            Format::Webhook => {
                let body = message::event(outgoing, settings);
                let id = format!("msg_{}", outgoing.due.id);
                let seconds = now.0 / 1000;
                let signature = signature(subscriber.registered.secret.expose(), &id, seconds, &body);
                let post = self.http.post(url).header("content-type", "application/json");
                let post = post.header("webhook-id", id).header("webhook-timestamp", seconds);
                answer_to_webhook(post.header("webhook-signature", signature).body(body)).await
            }
        }
    }

    /// Relays a push with its pictures, which are streamed. If it is too large it is sent once more without them; the hashes stay,
    /// since they are signed.
    async fn relay(&self, url: Url, outgoing: &Outgoing) -> Result<DeliveryAnswer, String> {
        let mut files = PictureFiles::with_capacity(outgoing.record.pictures.len());
        let params = message::relayed(outgoing);
        let has_hash = params.iter().any(|(name, value)| name == CAPTURE_IMAGE_HASH && !says_nothing(value));
        for picture in &outgoing.record.pictures {
            match self.file(picture, part_of(&picture.name, has_hash)).await {
                Ok(file) => files.push(file),
                Err(reason) => return Ok(DeliveryAnswer::Unready(reason)),
            }
        }
        let had_pictures = !files.is_empty();
        let call = outgoing.record.kind.call();
        let answered = answer(call, with_files(self.http.post(url.clone()), params.clone(), files)?).await?;
        match answered {
            DeliveryAnswer::TooLarge(reason) if had_pictures => {
                tracing::warn!(seqno = %outgoing.record.seqno, delivery = %outgoing.due.id, reason, "too large for the subscriber: sent once more without its pictures");
                answer(call, form(self.http.post(url), &params)).await
            }
            answered => Ok(answered),
        }
    }

    /// Passes a push or a question on as it came, and returns the reply byte for byte, if it has no more than these bytes.
    pub(super) async fn pass_on(
        &self,
        url: &str,
        call: &Call,
        params: FormParams,
        files: PictureFiles,
        bytes_max: usize,
    ) -> Result<ReceivedReply, String> {
        let url = parsed(&call_endpoint(url, call))?;
        if let Some(why) = refused(&url, self.allow_private) {
            return Err(why);
        }
        received(with_files(self.http.post(url), params, files)?, bytes_max).await
    }

    /// A request to an address that may be reached.
    pub(super) fn request(&self, method: Method, url: &str) -> Result<reqwest::RequestBuilder, String> {
        let url = Url::parse(url).map_err(|error| error.to_string())?;
        match refused(&url, self.allow_private) {
            Some(why) => Err(why),
            None => Ok(self.http.request(method, url)),
        }
    }

    async fn file(&self, picture: &Picture, part: String) -> Result<PictureFile, String> {
        let bytes = self.images.stream(&picture.key).await.map_err(|error| format!("{}: {error}", picture.name))?;
        let content_type = picture.content_type.clone();
        let body = reqwest::Body::wrap_stream(bytes);
        Ok(PictureFile { part, content_type, size: picture.size, body })
    }
}

/// The URL for a record of this kind. A platform of the protocol can be named by its root or by one of its calls.
fn address(url: &str, format: Format, kind: PushKind) -> Result<Url, String> {
    let url = match format {
        Format::Relay => endpoint(url, kind),
        Format::OpenApi | Format::Webhook => url.replace("{event}", kind.name()),
    };
    parsed(&url)
}

fn parsed(url: &str) -> Result<Url, String> {
    Url::parse(url).map_err(|error| format!("{url}: {error}"))
}

fn form(post: reqwest::RequestBuilder, params: &FormParams) -> reqwest::RequestBuilder {
    let mut body = url::form_urlencoded::Serializer::new(String::new());
    body.extend_pairs(params);
    post.header("content-type", "application/x-www-form-urlencoded; charset=UTF-8").body(body.finish())
}

/// A picture that is being sent.
pub(super) struct PictureFile {
    pub(super) part: String,
    pub(super) content_type: String,
    pub(super) size: u64,
    pub(super) body: reqwest::Body,
}

/// The pictures of a push.
pub(super) type PictureFiles = Vec<PictureFile>;

fn with_files(
    post: reqwest::RequestBuilder,
    params: FormParams,
    files: PictureFiles,
) -> Result<reqwest::RequestBuilder, String> {
    if files.is_empty() {
        return Ok(form(post, &params));
    }
    let mut multipart = params.into_iter().fold(Form::new(), |form, (name, value)| form.part(name, text_part(value)));
    for PictureFile { part, content_type, size, body } in files {
        let file = Part::stream_with_length(body, size).file_name(part.clone()).mime_str(&content_type);
        multipart = multipart.part(part, file.map_err(|error| error.to_string())?);
    }
    Ok(post.multipart(multipart))
}

/// A reply as it was received.
pub(super) struct ReceivedReply {
    pub(super) status: u16,
    pub(super) content_type: Option<HeaderValue>,
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Vec<u8>,
}

async fn received(request: reqwest::RequestBuilder, bytes_max: usize) -> Result<ReceivedReply, String> {
    let mut reply = request.send().await.map_err(|error| causes(&error))?;
    let (status, retry_after) = (reply.status().as_u16(), retry_after_of(&reply));
    let content_type = reply.headers().get("content-type").cloned();
    let mut body = Vec::new();
    while let Some(piece) = reply.chunk().await.map_err(|error| causes(&error))? {
        if body.len() + piece.len() > bytes_max {
            return Err(format!("HTTP {status}: an answer of more than {bytes_max} bytes"));
        }
        body.extend_from_slice(&piece);
    }
    Ok(ReceivedReply { status, content_type, retry_after, body })
}

/// The wait that a reply asks for, if it does.
fn retry_after_of(reply: &reqwest::Response) -> Option<Duration> {
    let header = |name| reply.headers().get(name).and_then(|value| value.to_str().ok());
    let date = header("date").and_then(http_date);
    retry_after(header("retry-after")?, date, now())
}

async fn answer(call: &Call, request: reqwest::RequestBuilder) -> Result<DeliveryAnswer, String> {
    let ReceivedReply { status, retry_after, body, .. } = received(request, REPLY_BYTES_MAX).await?;
    Ok(DeliveryAnswer::of_protocol(classify_call(call, status, retry_after, &body)))
}

/// Classifies a webhook's answer by its status. The body is read only so that the connection can be used again; errors there do
/// not matter.
async fn answer_to_webhook(request: reqwest::RequestBuilder) -> Result<DeliveryAnswer, String> {
    let mut reply = request.send().await.map_err(|error| causes(&error))?;
    let answer = DeliveryAnswer::of_webhook(reply.status().as_u16(), retry_after_of(&reply));
    let rest = async {
        let mut read = 0;
        while let Ok(Some(piece)) = reply.chunk().await
            && read < WEBHOOK_BYTES_MAX
        {
            read += piece.len();
        }
    };
    if tokio::time::timeout(WEBHOOK_BODY_TIMEOUT, rest).await.is_err() {
        tracing::debug!("a webhook's answer did not end: its status was enough");
    }
    Ok(answer)
}

/// The causes of an error, without the URL, which may contain a key.
pub(super) fn causes(error: &reqwest::Error) -> String {
    let mut text = if error.is_timeout() {
        texts().answers.timed_out.trim_end_matches([':', ' ']).to_owned()
    } else {
        String::new()
    };
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&error.to_string());
        cause = error.source();
    }
    if text.is_empty() { "the request could not be sent".into() } else { text }
}

/// `v1,` and the HMAC, as Standard Webhooks has it. A secret without the prefix `whsec_` is used as it is.
fn signature(secret: &str, id: &str, seconds: i64, body: &str) -> String {
    let key = secret.strip_prefix("whsec_").and_then(|text| BASE64.decode(text).ok());
    let key = key.unwrap_or_else(|| secret.as_bytes().to_vec());
    match Hmac::<Sha256>::new_from_slice(&key) {
        Ok(mut mac) => {
            mac.update(format!("{id}.{seconds}.{body}").as_bytes());
            format!("v1,{}", BASE64.encode(mac.finalize().into_bytes()))
        }
        // An HMAC takes a key of any length.
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_is_signed_as_its_standard_has_it() {
        // The example of the specification's libraries.
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let made = signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(made, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn addresses_are_roots_full_ones_or_patterns() {
        let at = |url, format| address(url, format, PushKind::Leave).unwrap().to_string();
        assert_eq!(at("https://city.example/", Format::Relay), "https://city.example/gate/1.0/parking/internal/leave");
        let full = "https://city.example/gate/1.0/parking/internal/{event}";
        assert_eq!(at(full, Format::Relay), "https://city.example/gate/1.0/parking/internal/leave");
        let other = "https://city.example/v1/gate/1.0/parking/internal/enter";
        assert_eq!(at(other, Format::Relay), "https://city.example/v1/gate/1.0/parking/internal/leave");
        assert_eq!(at("https://city.example/sync-{event}", Format::OpenApi), "https://city.example/sync-leave");
        assert_eq!(at("https://city.example/hook", Format::Webhook), "https://city.example/hook");
    }
}
