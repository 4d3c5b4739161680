//! Answering with another platform's words (`subscriber add --compare`): a car park moves over while the platform it came from
//! still says what becomes of each push, and where this one would have said otherwise is written down.

use std::sync::Arc;

use parkgate_client::judge;
use parkgate_ledger::ParkId;
use parkgate_store::images::FinishedImage;
use parkgate_store::{Difference, Format, Subscriber};
use parkgate_wire::{Form, PushKind, Reply};

use super::message::Params;
use super::plan::{Answer, settle};
use super::request::Files;
use super::{Forwarder, Parts};
use crate::fault::Fault;
use crate::gate::now_ms;
use crate::registry::Registry;

/// A push that is also asked of another platform.
pub(crate) struct Compared {
    subscriber: Arc<Subscriber>,
    kind: PushKind,
    park_uuid: String,
    parking_serial: String,
    params: Params,
    files: Files,
}

/// What the other platform answered.
pub(crate) struct Upstream {
    /// HTTP status.
    pub(crate) status: u16,
    /// The JSON, to the letter.
    pub(crate) body: String,
}

impl Compared {
    /// If a platform is asked about this park's pushes of this kind: everything it needs, as it came.
    pub(crate) async fn of(
        registry: &Registry,
        form: &Form,
        kind: PushKind,
        files: &[(String, FinishedImage)],
    ) -> Result<Option<Compared>, Fault> {
        let Some((subscriber, park_uuid)) = asked(registry, form, kind) else { return Ok(None) };
        let params = form.params().map(|param| (param.name.to_owned(), param.value.to_owned())).collect();
        let mut read = Files::with_capacity(files.len());
        for (part, file) in files {
            read.push((part.clone(), file.content_type().to_owned(), file.read().await?));
        }
        let parking_serial = form.get("parking_serial").unwrap_or_default().to_owned();
        Ok(Some(Compared { subscriber, kind, park_uuid, parking_serial, params, files: read }))
    }
}

/// Who is asked, and of which park.
fn asked(registry: &Registry, form: &Form, kind: PushKind) -> Option<(Arc<Subscriber>, String)> {
    let is_told = |subscriber: &&Arc<Subscriber>| {
        let told = &subscriber.told;
        let of_kind = match kind {
            PushKind::Enter => told.enters,
            PushKind::Leave => told.leaves,
        };
        told.settings.compare && told.settings.format == Format::Relay && of_kind && !subscriber.paused
    };
    let mut asked = registry.subscribers().iter().filter(is_told).peekable();
    // Nearly always.
    asked.peek()?;
    let by_merchant = || form.get("merchant").and_then(|merchant| registry.by_merchant(merchant));
    let park = form.get("park_uuid").and_then(|park_uuid| registry.park(park_uuid)).or_else(by_merchant)?;
    let park_uuid = park.park.park_uuid.clone();
    let mut of_park = asked.filter(|one| one.told.parks.as_ref().is_none_or(|parks| parks.contains(&park_uuid)));
    of_park.next().map(|subscriber| (Arc::clone(subscriber), park_uuid.clone()))
}

impl Forwarder {
    /// Asks the other platform. `recorded` is the key the push was recorded under, if it was; `ours` what would have been
    /// answered. `None` if it gave no answer: then ours stands, and the push is delivered later.
    pub(crate) async fn ask(&self, compared: Compared, recorded: Option<ParkId>, ours: &str) -> Option<Upstream> {
        let Compared { subscriber, kind, park_uuid, parking_serial, params, files } = compared;
        let parts = &self.parts;
        let bytes: u64 = files.iter().map(|(.., bytes)| bytes.len() as u64).sum();
        let _room = parts.sender.room(bytes).await.ok()?;
        let (answer, upstream) = match parts.sender.pass_on(&subscriber.told.settings.url, kind, params, files).await {
            Err(told) => (Answer::Failed { told, retry_after: None }, None),
            Ok((status, body)) => {
                let body = String::from_utf8_lossy(&body).into_owned();
                (Answer::of_protocol(judge(status, None, &body)), Some(Upstream { status, body }))
            }
        };
        parts.figures.count(&subscriber.told.name, answer.name());
        let upstream = upstream.filter(|_| answer.is_answered());
        let theirs = upstream.as_ref().map(|upstream| summary(&upstream.body));
        let difference = theirs.filter(|theirs| theirs != ours).map(|theirs| Difference {
            subscriber: subscriber.id,
            park_uuid,
            kind,
            parking_serial: parking_serial.clone(),
            at: now_ms(),
            ours: ours.to_owned(),
            theirs,
        });
        let recorded = recorded.map(|park| (park, parking_serial, kind));
        if let Err(error) = note(parts, subscriber.id, recorded, answer, difference).await {
            tracing::warn!(subscriber = subscriber.told.name, error, "what was answered could not be noted");
        }
        upstream
    }
}

/// What of an answer is compared: success or not, and the beginning of its hint, which repeats what was sent.
pub(crate) fn summary(body: &str) -> String {
    let Some(reply) = Reply::from_json(body) else { return String::new() };
    let code = if reply.is_success() { "200" } else { reply.code.as_str() };
    let hint = reply.hint.as_deref().unwrap_or_default();
    let hint: String = hint.split(['[', ' ']).next().unwrap_or_default().chars().take(80).collect();
    format!("{code} {hint}").trim_end().to_owned()
}

async fn note(
    parts: &Parts,
    subscriber: i64,
    recorded: Option<(ParkId, String, PushKind)>,
    answer: Answer,
    difference: Option<Difference>,
) -> Result<(), String> {
    let (store, schedule) = (Arc::clone(&parts.store), parts.settings.schedule);
    let noted = tokio::task::spawn_blocking(move || {
        let now = now_ms();
        if let Some((park, parking_serial, kind)) = recorded
            && let Some(due) = store.delivery_of(subscriber, park, &parking_serial, kind)?
        {
            store.settle(subscriber, &[settle(due, answer, &schedule, 0.5, now)], now)?;
        }
        difference.map_or(Ok(()), |difference| store.add_difference(&difference))
    });
    match noted.await {
        Ok(done) => done.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    }
}
