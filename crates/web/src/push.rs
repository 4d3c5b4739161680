//! The way of a push, from the request to the reply: each check in its order (`DESIGN.md` 3.3).
//!
//! Nothing here decides business: [`parkgate_wire`] says what is genuine and well formed, the ledger behind the recorder
//! what becomes of it. An answer `200` without a hint is only made of a [`Recorded`], and that only of a committed batch.

mod pictures;

use std::sync::Arc;
use std::time::Instant;

use axum::response::Response;
use http::{HeaderValue, Request, header};
use hyper::body::{Body, Incoming};
use parkgate_gate::admit::{Beside, Genuine, Why, judge};
use parkgate_gate::forward::Compared;
use parkgate_gate::quarantine::{Cause, Files, Kept, Pictures, Refused, Sent, is_kept};
use parkgate_gate::registry::KnownPark;
use parkgate_gate::{Fault, Gate, Mode, now_ms};
use parkgate_intake::{BodyShare, Unread};
use parkgate_ledger::quarantine::QuarantineFull;
use parkgate_ledger::{ParkId, Verdict};
use parkgate_store::images::FinishedImage;
use parkgate_store::{NO_PARK, Recorded};
use parkgate_wire::advisory::advise;
use parkgate_wire::{Form, PushKind, Seqno};

use self::pictures::{ImageSink, SinkError, store_pictures};
use crate::accept::ClientAddress;
use crate::reply;
use crate::server::Server;

/// What became of a request.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Judged by the ledger, and on disk.
    Recorded(Recorded),
    /// Genuine and well formed, in a gate that records nothing.
    Verified,
    /// Not taken; set aside where it is worth keeping.
    Refused { why: Why, kept: Option<Kept> },
    /// Ignored for its serial, as so many others before it that it is no conflict of the visit any more: set aside.
    Overflowed { parking_serial: String, kept: Kept },
    /// Its pictures were not received: the disk is nearly full, and the push had not proved to be a good one when they came.
    DiskLow,
    /// Our own fault.
    Failed(Fault),
}

impl<E: Into<Fault>> From<E> for Outcome {
    fn from(fault: E) -> Self {
        Outcome::Failed(fault.into())
    }
}

/// A request on its way.
pub(crate) struct Visit<'a> {
    pub(crate) server: &'a Server,
    gate: &'a Gate,
    pub(crate) kind: PushKind,
    pub(crate) seqno: Seqno,
    received_at: i64,
    pub(crate) client: ClientAddress,
    /// What its body keeps in memory, until it is answered.
    share: BodyShare,
    /// Known once the form is read: some parks want every answer with HTTP status 200.
    pub(crate) park: Option<Arc<KnownPark>>,
    /// Another platform is asked, too.
    compared: Option<Compared>,
    /// The key it was recorded under.
    recorded: Option<ParkId>,
    /// Not all of the body was read, or it was never asked for: what follows on the connection may be it or another request.
    is_body_unread: bool,
}

/// Receives one push and answers it.
pub(crate) async fn receive(
    server: &Server,
    kind: PushKind,
    client: ClientAddress,
    request: Request<Incoming>,
) -> Response {
    let started = Instant::now();
    let gate = &*server.gate;
    let (seqno, received_at) = (gate.next_seqno(), now_ms());
    let mut visit = Visit {
        server,
        gate,
        kind,
        seqno,
        received_at,
        client,
        share: server.bodies.share(client.host()),
        park: None,
        compared: None,
        recorded: None,
        is_body_unread: false,
    };
    let outcome = visit.outcome(request).await;
    let mut response = visit.answered(&outcome, started).await;
    if visit.is_body_unread {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

impl Visit<'_> {
    async fn answered(&mut self, outcome: &Outcome, started: Instant) -> Response {
        let ours = reply::answer(self, outcome, started);
        let (gate, park) = (self.gate, self.park.as_deref());
        let (Some(compared), Some(forwarder)) = (self.compared.take(), &gate.forwarder) else { return ours };
        // What could not be kept here must come again, whatever others say of it.
        let Some(summary) = reply::kept_summary(outcome, self.seqno) else { return ours };
        match (forwarder.ask(compared, self.recorded, &summary).await, outcome) {
            (Some(upstream), _) => reply::of_upstream(upstream, park),
            (None, Outcome::Recorded(_)) => ours,
            // Nobody would deliver it later.
            (None, _) => reply::unheard(self.server, self.kind, self.seqno, park),
        }
    }

    /// The checks, in order.
    async fn outcome(&mut self, request: Request<Incoming>) -> Outcome {
        let (head, mut body) = request.into_parts();
        let limits = self.gate.settings.limits.intake();
        let (gate, kind, address, received_at) = (self.gate, self.kind, self.client.0, self.received_at);
        let sink = ImageSink { gate, kind, address, received_at };
        let read = parkgate_intake::read(&head, &mut body, &limits, &mut self.share, &sink).await;
        // Of a body whose length nobody told, only one that became a form is known to have ended.
        let may_have_rest = read.is_err() || body.size_hint().exact().is_some();
        self.is_body_unread = may_have_rest && !body.is_end_stream();
        let intake = match read {
            Ok(intake) => intake,
            Err(Unread::NoRoom) => return Outcome::Failed(Fault::TooManyBodies),
            Err(Unread::Failed(SinkError::Image(error))) => return Outcome::Failed(error.into()),
            Err(Unread::Failed(SinkError::DiskLow)) => {
                self.gate.quarantine.turn_away(self.gate, NO_PARK, QuarantineFull::Disk).await;
                return Outcome::DiskLow;
            }
            Err(Unread::Refused { refusal, arrived, files }) => {
                let sent = arrived.map(|arrived| Box::new(Sent::Unread(*arrived)));
                let registry = self.gate.registry.load();
                let named = sent.as_deref().and_then(Sent::park_uuid);
                self.park = named.and_then(|park_uuid| registry.park(&park_uuid).cloned());
                return self.refused(Why::Refused(refusal), sent.map(|sent| *sent), files).await;
            }
        };
        if self.gate.forwarder.is_some() {
            let registry = self.gate.registry.load_full();
            match Compared::of(&registry, &intake.form, self.kind, &intake.files).await {
                Ok(compared) => self.compared = compared,
                Err(fault) => return Outcome::Failed(fault),
            }
        }
        let judged = {
            let registry = self.gate.registry.load();
            judge(&registry, intake.form, self.kind, self.client.0, self.received_at, limits.form.payments_max)
        };
        match judged {
            Ok(genuine) => self.record(genuine, intake.files).await.unwrap_or_else(Outcome::Failed),
            Err(not_taken) => {
                self.park = not_taken.park;
                self.refused(not_taken.why, Some(Sent::Form(not_taken.form)), intake.files).await
            }
        }
    }

    async fn record(&mut self, genuine: Genuine, files: Vec<(String, FinishedImage)>) -> Result<Outcome, Fault> {
        let gate = self.gate;
        self.park = Some(Arc::clone(&genuine.park));
        if genuine.by_old_secret {
            gate.note_old_secret(&genuine.park, self.received_at);
        }
        if gate.settings.mode == Mode::VerifyOnly {
            return Ok(Outcome::Verified);
        }
        let advisories = advise(self.kind, &genuine.push.params, self.received_at);
        let pictures = store_pictures(gate, files).await?;
        let beside = Beside { seqno: self.seqno, received_at: self.received_at, pictures: pictures.clone() };
        let (mut entry, form) = genuine.into_entry(beside, &gate.content_key);
        entry.inline = gate.forwarder.as_ref().zip(self.compared.as_ref()).and_then(|(to, push)| to.inline(push));
        let park = entry.arrival.park;
        let recorded = gate.recorder.record(entry).await?;
        if matches!(recorded.verdict(), Verdict::Recorded { .. } | Verdict::Repeated { .. }) {
            self.recorded = Some(park);
        }
        match (recorded.verdict(), &self.park) {
            (Verdict::Conflict { .. }, Some(park)) => gate.note_conflict(park),
            (Verdict::Overflowing, Some(park)) => {
                gate.note_conflict(park);
                return self.overflowed(form, pictures).await;
            }
            (Verdict::Recorded { .. }, Some(park)) => {
                if let Some(forwarder) = &gate.forwarder {
                    forwarder.wake();
                }
                advisories.iter().for_each(|advisory| gate.figures.advise(&park.park.park_uuid, advisory.code));
            }
            _ => {}
        }
        Ok(Outcome::Recorded(recorded))
    }

    /// Nobody gets stuck on a serial, however often it was sent with other content.
    async fn overflowed(&self, form: Form, pictures: Pictures) -> Result<Outcome, Fault> {
        let parking_serial = form.get("parking_serial").unwrap_or_default().to_owned();
        let by_part = pictures.into_iter().map(|(name, picture)| (format!("{name}_file"), picture));
        let files = Files::Stored(by_part.collect());
        let cause = Cause::SerialTaken(&parking_serial);
        let kept = self.gate.quarantine.keep(self.gate, self.set_aside(cause, Sent::Form(form), files)).await?;
        Ok(Outcome::Overflowed { parking_serial, kept })
    }

    async fn refused(&self, why: Why, sent: Option<Sent>, files: Vec<(String, FinishedImage)>) -> Outcome {
        let (Some(sent), true, Mode::Record) = (sent, is_kept(&why), self.gate.settings.mode) else {
            return Outcome::Refused { why, kept: None };
        };
        let refused = self.set_aside(Cause::NotTaken(&why), sent, Files::Arrived(files));
        match self.gate.quarantine.keep(self.gate, refused).await {
            Ok(kept) => Outcome::Refused { why, kept: Some(kept) },
            Err(fault) => Outcome::Failed(fault),
        }
    }

    fn set_aside<'a>(&'a self, cause: Cause<'a>, sent: Sent, files: Files) -> Refused<'a> {
        Refused {
            park: self.park.as_ref(),
            kind: self.kind,
            seqno: self.seqno,
            received_at: self.received_at,
            address: self.client.0,
            cause,
            sent,
            files,
        }
    }
}
