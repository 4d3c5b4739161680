//! Answering with another platform's reply (`subscriber add --compare`): while a car park moves to this platform, the one it comes
//! from still decides what is answered, and every difference from our own reply is written down.

use std::sync::Arc;
use std::time::Instant;

use parkgate_client::{classify_call, lacks_call, now};
use parkgate_store::images::FinishedImage;
use parkgate_store::{Difference, Inline, Settled, Store, StoreError, Subscriber, SubscriberId};
use parkgate_wire::reply::own_words;
use parkgate_wire::{Form, PushKind, Reply, Seqno};
use reqwest::header::HeaderValue;

use super::message::FormParams;
use super::plan::{DeliveryAnswer, Now, settle};
use super::request::{PictureFile, PictureFiles, REPLY_BYTES_MAX, ReceivedReply};
use super::worker::log_attempt;
use super::{Forwarder, Parts, SEND_GRACE, joined};
use crate::fault::GateFault;
use crate::record::RecordedUnder;
use crate::registry::{Registry, has_park};

/// A push that is also sent to the compared platform.
pub struct Compared {
    subscriber: Arc<Subscriber>,
    kind: PushKind,
    park_uuid: String,
    parking_serial: String,
    params: FormParams,
    files: PictureFiles,
}

/// What the other platform answered, byte for byte.
pub struct Upstream {
    /// HTTP status.
    pub status: u16,
    /// Its content type, as sent.
    pub content_type: Option<HeaderValue>,
    /// The body.
    pub body: Vec<u8>,
}

impl Compared {
    /// The push as it came, if a platform is compared for pushes of this kind from this park.
    pub async fn of(
        registry: &Registry,
        form: &Form,
        kind: PushKind,
        files: &[(String, FinishedImage)],
    ) -> Result<Option<Compared>, GateFault> {
        let Some((subscriber, park_uuid)) = asked(registry, form, kind) else { return Ok(None) };
        let params = form.params().map(|param| (param.name.to_owned(), param.value.to_owned())).collect();
        let parking_serial = form.get("parking_serial").unwrap_or_default().to_owned();
        Ok(Some(Compared { subscriber, kind, park_uuid, parking_serial, params, files: opened(files).await? }))
    }
}

/// Pictures that have just arrived, to be passed on.
pub(super) async fn opened(files: &[(String, FinishedImage)]) -> Result<PictureFiles, GateFault> {
    let mut opened = PictureFiles::with_capacity(files.len());
    for (part, file) in files {
        let content_type = file.content_type().to_owned();
        let body = reqwest::Body::wrap_stream(file.stream().await?);
        opened.push(PictureFile { part: part.clone(), content_type, size: file.size(), body });
    }
    Ok(opened)
}

/// The subscriber that is compared, and the park.
fn asked(registry: &Registry, form: &Form, kind: PushKind) -> Option<(Arc<Subscriber>, String)> {
    let mut asked = registry.compared().filter(|one| one.registered.kinds.has(kind)).peekable();
    // There is none, nearly always.
    asked.peek()?;
    let by_merchant = || form.get("merchant").and_then(|merchant| registry.by_merchant(merchant));
    let park = form.get("park_uuid").and_then(|park_uuid| registry.park(park_uuid)).or_else(by_merchant)?;
    let park_uuid = park.park.park_uuid.clone();
    let mut of_park = asked.filter(|one| has_park(one, &park_uuid));
    of_park.next().map(|subscriber| (Arc::clone(subscriber), park_uuid.clone()))
}

impl Forwarder {
    /// The claim that keeps the delivery from the subscriber's loop meanwhile, if the other platform is not known to be away.
    pub fn inline(&self, compared: &Compared) -> Option<Inline> {
        let subscriber = compared.subscriber.id;
        let until = now().after(self.parts.settings.timeout + SEND_GRACE);
        let inline = Inline { subscriber: SubscriberId(subscriber), until };
        (!self.parts.circuits.is_away(subscriber)).then_some(inline)
    }

    /// Asks the other platform. `recorded` is where the push was recorded, if it was; `ours` is our own reply. `None`
    /// if it gave no answer: the push is delivered later if it was recorded.
    pub async fn ask(
        &self,
        compared: Compared,
        recorded: Option<RecordedUnder>,
        ours: &str,
        seqno: Seqno,
    ) -> Option<Upstream> {
        let parts = &self.parts;
        if parts.circuits.is_away(compared.subscriber.id) || self.must_wait(&compared, recorded.as_ref(), seqno).await {
            return None;
        }
        let Compared { subscriber, kind, park_uuid, parking_serial, params, files } = compared;
        let begun = Instant::now();
        let (answer, upstream) = match parts
            .sender
            .pass_on(&subscriber.registered.settings.url, kind.call(), params, files, REPLY_BYTES_MAX)
            .await
        {
            Err(reason) => (DeliveryAnswer::Failed { reason, retry_after: None }, None),
            Ok(ReceivedReply { status, content_type, body, .. }) => {
                let call = kind.call();
                let answer = DeliveryAnswer::of_protocol(classify_call(call, status, None, &body));
                // Where it lacks the call, ours is the answer, if we have recorded the push.
                let is_theirs = recorded.is_none() || !lacks_call(call, status, &body);
                (answer, is_theirs.then_some(Upstream { status, content_type, body }))
            }
        };
        log_attempt(&subscriber, seqno, &answer, begun.elapsed());
        parts.figures.count(&subscriber.registered.name, answer.name());
        parts.figures.took(answer.name(), begun.elapsed());
        parts.circuits.note(subscriber.id, answer.contact(), &parts.settings.schedule.asking());
        let upstream = upstream.filter(|_| answer.is_answered());
        let theirs = upstream.as_ref().map(|upstream| summary(&upstream.body));
        let difference = theirs.filter(|theirs| theirs != ours).map(|theirs| Difference {
            subscriber: subscriber.id,
            park_uuid,
            kind,
            parking_serial,
            at: now().0,
            ours: ours.to_owned(),
            theirs,
        });
        let recorded = recorded.map(|under| (under, kind));
        if let Err(error) = note(parts, subscriber.id, recorded, answer, difference).await {
            tracing::warn!(%seqno, subscriber = subscriber.registered.name, %error, "what was answered could not be noted");
        }
        upstream
    }

    /// Must this leave, release or update wait because its enter has not arrived there? The subscriber's loop then delivers both in
    /// order.
    async fn must_wait(&self, compared: &Compared, recorded: Option<&RecordedUnder>, seqno: Seqno) -> bool {
        let (subscriber, kind) = (compared.subscriber.id, compared.kind);
        let Some(under) = recorded.filter(|_| kind != PushKind::Enter).cloned() else { return false };
        let looked = self.parts.in_store(move |store| {
            if store.delivery_of(subscriber, under.epoch, under.stay(), PushKind::Enter)?.is_none() {
                return Ok(false);
            }
            if let Some(due) = store.delivery_of(subscriber, under.epoch, &under.key, kind)? {
                let now = now().0;
                store.settle(subscriber, &[Settled::Unsent { due, next_at: now, answer: None }], now)?;
            }
            Ok(true)
        });
        match joined(looked.await) {
            Ok(waits) => waits,
            Err(error) => {
                tracing::warn!(%seqno, subscriber = compared.subscriber.registered.name, %error, "not known whether its enter arrived");
                true
            }
        }
    }
}

/// The part of a reply that is compared: success or not, and the beginning of its hint, without what it repeats of the push.
pub fn summary(body: &[u8]) -> String {
    let Some(reply) = Reply::from_bytes(body) else { return String::new() };
    let code = if reply.is_success() { "200" } else { reply.code.as_str() };
    let hint = own_words(reply.hint.as_deref().unwrap_or_default());
    let hint: String = hint.split(' ').next().unwrap_or_default().chars().take(80).collect();
    format!("{code} {hint}").trim_end().to_owned()
}

async fn note(
    parts: &Parts,
    subscriber: i64,
    recorded: Option<(RecordedUnder, PushKind)>,
    answer: DeliveryAnswer,
    difference: Option<Difference>,
) -> Result<(), StoreError> {
    let schedule = parts.settings.schedule;
    let clock = Arc::clone(&parts.clock);
    let noted = parts.in_store(move |store: &Store| {
        let now = now();
        if let Some((under, kind)) = recorded
            && let Some(due) = store.delivery_of(subscriber, under.epoch, &under.key, kind)?
        {
            store.settle(
                subscriber,
                &[settle(due, answer, &schedule, 0.5, Now { system: now, confirmed: clock.now() })],
                now.0,
            )?;
        }
        difference.map_or(Ok(()), |difference| store.add_difference(&difference))
    });
    joined(noted.await)
}
