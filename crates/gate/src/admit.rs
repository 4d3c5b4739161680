//! Whose a form is, whether it is genuine, and what it says: checks 2 to 6 of `DESIGN.md` 3.3. Records nothing; the same
//! for a request and for a replay from the quarantine.

mod access;

use std::net::IpAddr;
use std::sync::Arc;

use parkgate_ledger::Arrival;
use parkgate_store::{Entry, StoredImage};
use parkgate_wire::push::check_required;
use parkgate_wire::refusal::Reason;
use parkgate_wire::signature::accept_unsigned;
use parkgate_wire::{Form, Mismatch, Push, PushKind, Refusal, Seqno, UnixMillis, Variant, Verified, verify};

use crate::registry::{KnownPark, Registry};

/// A push that is genuine and well formed.
#[derive(Debug)]
pub struct Genuine {
    /// Whose it is.
    pub park: Arc<KnownPark>,
    /// What it says.
    pub push: Push,
    /// Which documented variant of the signature matched.
    pub variant: Variant,
    /// Signed with the secret before the last rotation.
    pub by_old_secret: bool,
    /// What was signed, as JSON, where the parameters say something else.
    pub original: Option<String>,
}

/// A push that is not taken, and the form as it came.
#[derive(Debug)]
pub struct NotTaken {
    /// Whose, if that is known.
    pub park: Option<Arc<KnownPark>>,
    /// As it came.
    pub form: Form,
    /// What is wrong with it.
    pub why: Why,
}

/// Why a push is not taken.
#[derive(Debug)]
pub enum Why {
    /// A check failed.
    Refused(Refusal),
    /// The signature is wrong.
    Mismatched(Mismatch),
}

impl Why {
    /// As the sender is told.
    pub fn hint(&self) -> String {
        match self {
            Why::Refused(refusal) => refusal.hint(),
            Why::Mismatched(mismatch) => mismatch.hint(),
        }
    }

    /// In a word: for lists and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Why::Refused(refusal) => refusal.name(),
            Why::Mismatched(_) => Reason::Signature.name(),
        }
    }
}

/// The hint of a push that is ignored for its serial (`leave.md`, note 1).
pub fn serial_taken(parking_serial: &str) -> String {
    format!("重复的停车流水`{parking_serial}`")
}

/// Judges a form that came from `address` at `now` (ms since 1970).
pub fn judge(
    registry: &Registry,
    form: Form,
    kind: PushKind,
    address: IpAddr,
    now: i64,
    payments_max: usize,
) -> Result<Genuine, Box<NotTaken>> {
    let mut park = None;
    let access = access::authorise(registry, &form, address, now, &mut park).and_then(|access| {
        check_required(&form, kind, access.park.park.strict)?;
        access::check_sign_type(&form)?;
        Ok(access)
    });
    let access = match access {
        Ok(access) => access,
        Err(refusal) => return Err(Box::new(NotTaken { park, form, why: Why::Refused(refusal) })),
    };
    let not_taken = |form, why| Box::new(NotTaken { park: Some(Arc::clone(&access.park)), form, why });
    let (verified, by_old_secret) = match verified(&access, form, kind) {
        (Verified::Matched(verified), by_old_secret) => (verified, by_old_secret),
        (Verified::Mismatched(mismatch, form), _) => return Err(not_taken(form, Why::Mismatched(mismatch))),
        (Verified::Refused(refusal, form), _) => return Err(not_taken(form, Why::Refused(refusal))),
    };
    let variant = verified.variant();
    let original = verified.signed_values().and_then(|values| serde_json::to_string(&values).ok());
    match Push::read(verified, kind, payments_max) {
        Ok(push) => Ok(Genuine { park: access.park, push, variant, by_old_secret, original }),
        Err(refused) => {
            let (refusal, form) = *refused;
            Err(not_taken(form, Why::Refused(refusal)))
        }
    }
}

/// May whoever signed this form and sent it from `address` know of the park it names?
pub fn may_ask(registry: &Registry, form: Form, address: IpAddr, now: i64) -> Result<Arc<KnownPark>, Why> {
    let access = access::authorise(registry, &form, address, now, &mut None).and_then(|access| {
        access::check_sign_type(&form)?;
        Ok(access)
    });
    let access = access.map_err(Why::Refused)?;
    match verified(&access, form, PushKind::Enter) {
        (Verified::Matched(_), _) => Ok(access.park),
        (Verified::Mismatched(mismatch, _), _) => Err(Why::Mismatched(mismatch)),
        (Verified::Refused(refusal, _), _) => Err(Why::Refused(refusal)),
    }
}

/// Is this form, of which files may be missing, genuine and from where it may come?
pub fn may_push(registry: &Registry, form: Form, kind: PushKind, address: IpAddr, now: i64) -> bool {
    let access = access::authorise(registry, &form, address, now, &mut None);
    access.is_ok_and(|access| matches!(verified(&access, form, kind), (Verified::Matched(_), _)))
}

/// By the secret that is meant, else by the one before it while that is still good.
fn verified(access: &access::Access, form: Form, kind: PushKind) -> (Verified, bool) {
    if access.may_be_unsigned && form.get("sign").is_none() {
        return (accept_unsigned(form, kind), false);
    }
    match (verify(form, kind, &access.secret), &access.old_secret) {
        (Verified::Mismatched(mismatch, form), Some(old)) => match verify(form, kind, old) {
            // The hint is the same, whichever secret.
            Verified::Mismatched(_, form) => (Verified::Mismatched(mismatch, form), false),
            verified => (verified, true),
        },
        (verified, _) => (verified, false),
    }
}

/// What was sent beside the form.
pub struct Beside {
    /// The name of the push.
    pub seqno: Seqno,
    /// When it came, ms since 1970.
    pub received_at: i64,
    /// Its pictures, durable, by parameter.
    pub pictures: Vec<(String, Arc<StoredImage>)>,
}

impl Genuine {
    /// Everything the writer needs, made ready here: its thread does only what nobody else can. And the form as it was
    /// received.
    pub fn into_entry(self, beside: Beside, content_key: &[u8; 32]) -> (Entry, Form) {
        let Genuine { park, mut push, variant, original, .. } = self;
        let entry = Entry {
            params: push.params.to_json(),
            personal: push.params.personal_json(),
            original,
            variant: variant.code(),
            inline: None,
            pictures: beside.pictures,
            plate: push.plate.take(),
            arrival: Arrival {
                park: park.park.records_of(push.enter_time),
                kind: push.kind,
                digest: push.params.digest(push.kind, content_key),
                seqno: beside.seqno,
                event_time: push.event_time(),
                received_at: UnixMillis(beside.received_at),
                enter_time: push.enter_time,
                parking_serial: std::mem::take(&mut push.parking_serial),
                payments: std::mem::take(&mut push.payments),
                space: push.space,
            },
        };
        (entry, push.into_form())
    }
}
