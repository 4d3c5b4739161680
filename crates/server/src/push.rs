//! The way of a push, from the request to the reply: each check in its order (`DESIGN.md` 3.3).
//!
//! Nothing here decides business: [`parkgate_wire`] says what is genuine and well formed, the ledger behind the recorder
//! what becomes of it. An answer `200` without a hint is only made of a [`Recorded`], and that only of a committed batch.

mod access;
mod answer;
mod intake;

use std::sync::Arc;
use std::time::Instant;

use axum::response::Response;
use futures_util::future::try_join_all;
use http::Request;
use hyper::body::Incoming;
use parkgate_ledger::Arrival;
use parkgate_store::images::FinishedImage;
use parkgate_store::{Entry, Recorded, StoredImage};
use parkgate_wire::push::{check_required, image_of_part};
use parkgate_wire::{Mismatch, Push, PushKind, Refusal, Seqno, Variant, Verified, verify};

use crate::accept::Peer;
use crate::fault::Fault;
use crate::gate::{Gate, now_ms};
use crate::registry::KnownPark;
use crate::settings::Mode;

pub(crate) use answer::json_response;

/// What became of a request.
#[derive(Debug)]
enum Outcome {
    /// Judged by the ledger, and on disk.
    Recorded(Recorded),
    /// Genuine and well formed, in a gate that records nothing.
    Verified,
    /// The signature is wrong: ignored, with the document's hint.
    Ignored(Mismatch),
}

/// Why a request went no further.
#[derive(Debug)]
enum Stop {
    /// The sender's to mend.
    Refused(Refusal),
    /// Ours.
    Failed(Fault),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Stop::Refused(refusal)
    }
}

impl<E: Into<Fault>> From<E> for Stop {
    fn from(fault: E) -> Self {
        Stop::Failed(fault.into())
    }
}

/// Receives one push and answers it.
pub(crate) async fn receive(gate: &Gate, kind: PushKind, peer: Peer, request: Request<Incoming>) -> Response {
    let started = Instant::now();
    let seqno = gate.next_seqno();
    let mut park = None;
    let outcome = judge(gate, kind, seqno, peer, request, &mut park).await;
    answer::answer(gate, kind, seqno, park.as_deref(), &outcome, started)
}

/// The checks, in order. `park` is told as soon as it is known: some parks want every answer with HTTP status 200.
async fn judge(
    gate: &Gate,
    kind: PushKind,
    seqno: Seqno,
    peer: Peer,
    request: Request<Incoming>,
    park: &mut Option<Arc<KnownPark>>,
) -> Result<Outcome, Stop> {
    let received_at = now_ms();
    let intake = intake::read(gate, request).await?;
    let access = {
        let registry = gate.registry.load();
        access::authorise(&registry, &intake.form, peer.0.ip(), park)?
    };
    check_required(&intake.form, kind, access.park.park.strict)?;
    access::check_sign_type(&intake.form)?;
    let verified = match verify(intake.form, kind, &access.secret) {
        Verified::Matched(verified) => verified,
        Verified::Mismatched(mismatch) => return Ok(Outcome::Ignored(mismatch)),
        Verified::Refused(refusal) => return Err(refusal.into()),
    };
    let variant = verified.variant();
    let push = Push::read(verified, kind)?;
    if gate.settings.mode == Mode::VerifyOnly {
        return Ok(Outcome::Verified);
    }
    let pictures = store_pictures(gate, intake.files).await?;
    let entry = entry(gate, &access.park, push, seqno, variant, received_at, pictures);
    Ok(Outcome::Recorded(gate.recorder.record(entry).await?))
}

/// Makes the pictures durable, several at a time: a record must never point at a picture that is not there.
async fn store_pictures(
    gate: &Gate,
    files: Vec<(String, FinishedImage)>,
) -> Result<Vec<(String, Arc<StoredImage>)>, Stop> {
    let stored = files.into_iter().map(|(part, file)| async move {
        let name = image_of_part(&part).unwrap_or(&part).to_owned();
        let picture = file.store().await?;
        gate.metrics.image_bytes.inc_by(picture.size);
        Ok::<_, Stop>((name, Arc::new(picture)))
    });
    try_join_all(stored).await
}

/// Everything the writer needs, made ready here: its thread does only what nobody else can.
fn entry(
    gate: &Gate,
    park: &KnownPark,
    push: Push,
    seqno: Seqno,
    variant: Variant,
    received_at: i64,
    pictures: Vec<(String, Arc<StoredImage>)>,
) -> Entry {
    Entry {
        params: push.params.to_json(),
        personal: push.params.personal_json(),
        variant: variant.code(),
        received_at,
        pictures,
        plate: push.plate.clone(),
        arrival: Arrival {
            park: park.park.id,
            kind: push.kind,
            digest: push.params.digest(push.kind, &gate.content_key),
            seqno,
            event_time: push.event_time(),
            enter_time: push.enter_time,
            parking_serial: push.parking_serial,
            payments: push.payments,
            space: push.space,
        },
    }
}
