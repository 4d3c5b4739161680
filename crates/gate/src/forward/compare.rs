//! Answering with another platform's words (`subscriber add --compare`): a car park moves over while the platform it came from
//! still says what becomes of each push, and where this one would have said otherwise is written down.

use std::sync::Arc;

use http::HeaderValue;
use parkgate_client::{classify, now};
use parkgate_ledger::ParkId;
use parkgate_store::images::FinishedImage;
use parkgate_store::{Difference, Format, Inline, Settled, Store, StoreError, Subscriber};
use parkgate_wire::{Form, PushKind, Reply, UnixMillis};

use super::message::Params;
use super::plan::{Answer, Now, settle};
use super::request::{File, Files, Heard};
use super::{Forwarder, Parts, SEND_GRACE, joined};
use crate::fault::Fault;
use crate::registry::Registry;

/// A push that is also asked of another platform.
pub struct Compared {
    subscriber: Arc<Subscriber>,
    kind: PushKind,
    park_uuid: String,
    parking_serial: String,
    params: Params,
    files: Files,
}

/// What the other platform answered, to the letter.
pub struct Upstream {
    /// HTTP status.
    pub status: u16,
    /// As it named its type.
    pub content_type: Option<HeaderValue>,
    /// The JSON.
    pub body: Vec<u8>,
}

impl Compared {
    /// If a platform is asked about this park's pushes of this kind: everything it needs, as it came.
    pub async fn of(
        registry: &Registry,
        form: &Form,
        kind: PushKind,
        files: &[(String, FinishedImage)],
    ) -> Result<Option<Compared>, Fault> {
        let Some((subscriber, park_uuid)) = asked(registry, form, kind) else { return Ok(None) };
        let params = form.params().map(|param| (param.name.to_owned(), param.value.to_owned())).collect();
        let mut opened = Files::with_capacity(files.len());
        for (part, file) in files {
            let content_type = file.content_type().to_owned();
            let body = reqwest::Body::wrap_stream(file.stream().await?);
            opened.push(File { part: part.clone(), content_type, size: file.size(), body });
        }
        let parking_serial = form.get("parking_serial").unwrap_or_default().to_owned();
        Ok(Some(Compared { subscriber, kind, park_uuid, parking_serial, params, files: opened }))
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
    /// So long the gate keeps the push to itself, if the other platform is not known to be away.
    pub fn inline(&self, compared: &Compared) -> Option<Inline> {
        let subscriber = compared.subscriber.id;
        let until = now().after(self.parts.settings.timeout + SEND_GRACE).0;
        (!self.parts.circuits.is_away(subscriber)).then_some(Inline { subscriber, until })
    }

    /// Asks the other platform. `recorded` is the key the push was recorded under, if it was; `ours` what would have been
    /// answered. `None` if it gave no answer: if the push was recorded, it is delivered later.
    pub async fn ask(&self, compared: Compared, recorded: Option<ParkId>, ours: &str) -> Option<Upstream> {
        let parts = &self.parts;
        if parts.circuits.is_away(compared.subscriber.id) || self.must_wait(&compared, recorded).await {
            return None;
        }
        let Compared { subscriber, kind, park_uuid, parking_serial, params, files } = compared;
        let (answer, upstream) = match parts.sender.pass_on(&subscriber.told.settings.url, kind, params, files).await {
            Err(told) => (Answer::Failed { told, retry_after: None }, None),
            Ok(Heard { status, content_type, body, .. }) => {
                let answer = Answer::of_protocol(classify(status, None, &body));
                (answer, Some(Upstream { status, content_type, body }))
            }
        };
        parts.figures.count(&subscriber.told.name, answer.name());
        parts.circuits.note(subscriber.id, answer.contact(), &parts.settings.schedule.asking());
        let upstream = upstream.filter(|_| answer.is_answered());
        let theirs = upstream.as_ref().map(|upstream| summary(&upstream.body));
        let difference = theirs.filter(|theirs| theirs != ours).map(|theirs| Difference {
            subscriber: subscriber.id,
            park_uuid,
            kind,
            parking_serial: parking_serial.clone(),
            at: now().0,
            ours: ours.to_owned(),
            theirs,
        });
        let recorded = recorded.map(|park| (park, parking_serial, kind));
        if let Err(error) = note(parts, subscriber.id, recorded, answer, difference).await {
            tracing::warn!(subscriber = subscriber.told.name, %error, "what was answered could not be noted");
        }
        upstream
    }

    /// A leave whose enter has not arrived there: it goes after that one, by the subscriber's loop.
    async fn must_wait(&self, compared: &Compared, recorded: Option<ParkId>) -> bool {
        let (PushKind::Leave, Some(park)) = (compared.kind, recorded) else { return false };
        let (subscriber, serial) = (compared.subscriber.id, compared.parking_serial.clone());
        let looked = self.parts.in_store(move |store| {
            if store.delivery_of(subscriber, park, &serial, PushKind::Enter)?.is_none() {
                return Ok(false);
            }
            if let Some(due) = store.delivery_of(subscriber, park, &serial, PushKind::Leave)? {
                let now = now().0;
                store.settle(subscriber, &[Settled::Unsent { due, next_at: now, told: None }], now)?;
            }
            Ok(true)
        });
        match joined(looked.await) {
            Ok(waits) => waits,
            Err(error) => {
                tracing::warn!(subscriber = compared.subscriber.told.name, %error, "not known whether its enter arrived");
                true
            }
        }
    }
}

/// What of an answer is compared: success or not, and the beginning of its hint, which repeats what was sent.
pub fn summary(body: &[u8]) -> String {
    let Some(reply) = Reply::from_bytes(body) else { return String::new() };
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
) -> Result<(), StoreError> {
    let schedule = parts.settings.schedule;
    let clock = Arc::clone(&parts.clock);
    let noted = parts.in_store(move |store: &dyn Store| {
        let now = now();
        if let Some((park, parking_serial, kind)) = recorded
            && let Some(due) = store.delivery_of(subscriber, park, &parking_serial, kind)?
        {
            store.settle(
                subscriber,
                &[settle(due, answer, &schedule, 0.5, Now { system: now, confirmed: UnixMillis(clock.now()) })],
                now.0,
            )?;
        }
        difference.map_or(Ok(()), |difference| store.add_difference(&difference))
    });
    joined(noted.await)
}
