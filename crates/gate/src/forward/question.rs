//! Asking another platform what a car park asks (`subscriber add --compare`): while a car park moves to this platform, the one it
//! comes from still says who may enter. Nothing of it is recorded, delivered or tried again.

use std::sync::Arc;
use std::time::Duration;

use parkgate_client::classify;
use parkgate_store::Subscriber;
use parkgate_store::images::FinishedImage;
use parkgate_wire::{Call, Form, Seqno};

use super::Forwarder;
use super::compare::{Upstream, opened};
use super::message::FormParams;
use super::plan::DeliveryAnswer;
use super::request::PictureFiles;
use crate::registry::Registry;

/// An answer is some hundred bytes, and a car park's software reads it while a vehicle waits.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// A question as it came, and who is asked.
pub struct PassedQuestion {
    subscriber: Arc<Subscriber>,
    call: &'static Call,
    params: FormParams,
    files: PictureFiles,
    seqno: Seqno,
}

impl PassedQuestion {
    /// The question as it came, if a platform is asked in place of this one for the park it names. A picture that cannot be read
    /// stays here: it is not signed.
    pub async fn of(
        registry: &Registry,
        call: &'static Call,
        form: &Form,
        files: &[(String, FinishedImage)],
        seqno: Seqno,
    ) -> Option<PassedQuestion> {
        let subscriber = asked(registry, form)?;
        let params = form.params().map(|param| (param.name.to_owned(), param.value.to_owned())).collect();
        let files = opened(files).await.unwrap_or_else(|error| {
            tracing::warn!(%seqno, %error, "a question is passed on without its picture");
            PictureFiles::default()
        });
        Some(PassedQuestion { subscriber, call, params, files, seqno })
    }
}

/// The platform that is asked about this park, whichever pushes it is sent.
fn asked(registry: &Registry, form: &Form) -> Option<Arc<Subscriber>> {
    if !registry.is_compared() {
        return None;
    }
    let by_merchant = || form.get("merchant").and_then(|merchant| registry.by_merchant(merchant));
    let park = form.get("park_uuid").and_then(|park_uuid| registry.park(park_uuid)).or_else(by_merchant)?;
    registry.upstream(Some(&park.park.park_uuid)).cloned()
}

impl Forwarder {
    /// Asks the other platform. `None` if it gave no answer within `deadline`; what it says later is not read.
    pub async fn ask_question(&self, question: PassedQuestion, deadline: Duration) -> Option<Upstream> {
        let PassedQuestion { subscriber, call, params, files, seqno } = question;
        let name = &subscriber.registered.name;
        if self.parts.circuits.is_away(subscriber.id) {
            return None;
        }
        let url = &subscriber.registered.settings.url;
        let asking = self.parts.sender.pass_on(url, call, params, files, ANSWER_BYTES_MAX);
        let reply = match tokio::time::timeout(deadline, asking).await {
            Ok(Ok(reply)) => reply,
            Ok(Err(reason)) => {
                tracing::debug!(%seqno, subscriber = name, reason, "a question was not answered");
                return None;
            }
            Err(_) => {
                tracing::debug!(%seqno, subscriber = name, "a question was not answered in time");
                return None;
            }
        };
        let is_answered = DeliveryAnswer::of_protocol(classify(reply.status, None, &reply.body)).is_answered();
        is_answered.then_some(Upstream { status: reply.status, content_type: reply.content_type, body: reply.body })
    }
}
