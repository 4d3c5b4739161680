//! Admission: whose a form is, whether it is genuine, and what it says; checks 2 to 6 of `DESIGN.md` 3.3. Nothing is
//! recorded here, so a request and a replay from the quarantine are admitted by the same code.

use std::net::IpAddr;
use std::sync::Arc;

use parkgate_intake::ParkName;
use parkgate_ledger::{Arrival, counts_as_of};
use parkgate_store::{Entry, Inline};
use parkgate_wire::call::{Call, ReplyStyle};
use parkgate_wire::push::{check_required, check_times};
use parkgate_wire::refusal::Reason;
use parkgate_wire::signature::accept_unsigned;
use parkgate_wire::{
    Form, Mismatch, Params, Push, PushKind, Refusal, Secret, Seqno, UnixMillis, Variant, Verified, verify,
};

use crate::pictures::StoredPictures;
use crate::registry::{KnownPark, Registry};

/// A push that is genuine and well formed.
#[derive(Debug)]
pub struct Admitted {
    /// The park it is of.
    pub park: Arc<KnownPark>,
    pub(crate) push: Push,
    pub(crate) variant: Variant,
    /// Signed with the secret before the last rotation.
    pub(crate) by_old_secret: bool,
    /// What was signed, as JSON, where the parameters say something else.
    pub(crate) original: Option<String>,
}

/// A push that is not admitted.
#[derive(Debug)]
pub struct Rejected {
    /// The park it is of, if that is known.
    pub park: Option<Arc<KnownPark>>,
    /// The form as it came.
    pub form: Form,
    /// What is wrong with it.
    pub rejection: Rejection,
}

/// Why a push is not admitted.
#[derive(Debug)]
pub enum Rejection {
    /// Something other than its signature is wrong.
    Refused(Refusal),
    /// Its signature is wrong, or it has none.
    Mismatched(Mismatch),
}

impl Rejection {
    /// As the reply says it.
    #[must_use]
    pub fn hint(&self, style: ReplyStyle) -> String {
        match self {
            Rejection::Refused(refusal) => refusal.hint(),
            Rejection::Mismatched(mismatch) => mismatch.hint(style),
        }
    }

    /// In a word: for lists and the log.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Rejection::Refused(refusal) => refusal.name(),
            Rejection::Mismatched(_) => Reason::Signature.name(),
        }
    }
}

/// The hint of a push that is ignored for its key (`leave.md`, note 1): its serial, of an update `flow_no`.
#[must_use]
pub fn key_taken(kind: PushKind, key: &str) -> String {
    match kind {
        PushKind::Enter | PushKind::Leave => format!("重复的停车流水`{key}`"),
        PushKind::Release => format!("重复的放行记录`{key}`"),
        PushKind::Update => format!("重复的变更流水`{key}`"),
    }
}

/// Admits a form that came from `address` at `now`, or says why not.
///
/// # Errors
/// It is not admitted.
pub fn admit(
    registry: &Registry,
    form: Form,
    kind: PushKind,
    address: IpAddr,
    now: UnixMillis,
    payments_max: usize,
) -> Result<Admitted, Box<Rejected>> {
    let access = match authorise(registry, &form, address, now) {
        Ok(access) => access,
        Err(Denied { park, refusal }) => {
            return Err(Box::new(Rejected { park, form, rejection: Rejection::Refused(refusal) }));
        }
    };
    let rejected = |form, rejection| Box::new(Rejected { park: Some(Arc::clone(&access.park)), form, rejection });
    let checked = check_required(&form, kind.call(), access.park.park.strict).and_then(|()| check_sign_type(&form));
    if let Err(refusal) = checked {
        return Err(rejected(form, Rejection::Refused(refusal)));
    }
    let (verified, by_old_secret) = match verified(&access, form, kind.call()) {
        (Verified::Matched(verified), by_old_secret) => (verified, by_old_secret),
        (Verified::Mismatched(mismatch, form), _) => return Err(rejected(form, Rejection::Mismatched(mismatch))),
        (Verified::Refused(refusal, form), _) => return Err(rejected(form, Rejection::Refused(refusal))),
    };
    let variant = verified.variant();
    let original = verified.signed_values().and_then(|values| serde_json::to_string(&values).ok());
    match Push::read(verified, kind, payments_max) {
        Ok(push) => Ok(Admitted { park: access.park, push, variant, by_old_secret, original }),
        Err(refused) => {
            let (refusal, form) = *refused;
            Err(rejected(form, Rejection::Refused(refusal)))
        }
    }
}

/// A question that may be asked, and of which park.
#[derive(Debug)]
pub struct Asked {
    /// The park it is about.
    pub park: Arc<KnownPark>,
    /// What is asked.
    pub params: Params,
}

/// A question that may not be asked.
#[derive(Debug)]
pub struct NotAsked {
    /// The park it is about, if that is known.
    pub park: Option<Arc<KnownPark>>,
    /// What is wrong with it.
    pub rejection: Rejection,
}

/// The park that a signed question names, if whoever signed it and sent it from `address` may know of it, and what it says. Of a
/// call with a page (`call`), its parameters are checked, too.
///
/// # Errors
/// The question is not admitted.
pub fn may_ask(
    registry: &Registry,
    form: Form,
    call: Option<&Call>,
    address: IpAddr,
    now: UnixMillis,
) -> Result<Asked, Box<NotAsked>> {
    let access = authorise(registry, &form, address, now)
        .map_err(|Denied { park, refusal }| NotAsked { park, rejection: Rejection::Refused(refusal) })?;
    let refused = |rejection| Box::new(NotAsked { park: Some(Arc::clone(&access.park)), rejection });
    let required = call.map_or(Ok(()), |call| check_required(&form, call, access.park.park.strict));
    let checked = required.and_then(|()| check_sign_type(&form));
    checked.map_err(|refusal| refused(Rejection::Refused(refusal)))?;
    match verified(&access, form, call.unwrap_or(PushKind::Enter.call())) {
        (Verified::Matched(verified), _) => {
            let times = call.map_or(Ok(()), |call| check_times(&verified, call));
            times.map_err(|refusal| refused(Rejection::Refused(refusal)))?;
            Ok(Asked { park: Arc::clone(&access.park), params: verified.into_params() })
        }
        (Verified::Mismatched(mismatch, _), _) => Err(refused(Rejection::Mismatched(mismatch))),
        (Verified::Refused(refusal, _), _) => Err(refused(Rejection::Refused(refusal))),
    }
}

/// Is this form, of which files may still be missing, genuine, and sent from an address that may push?
#[must_use]
pub fn may_push(registry: &Registry, form: Form, kind: PushKind, address: IpAddr, now: UnixMillis) -> bool {
    let access = authorise(registry, &form, address, now);
    access.is_ok_and(|access| matches!(verified(&access, form, kind.call()), (Verified::Matched(_), _)))
}

/// Who may push for a park, and with which secret.
struct PushAccess {
    park: Arc<KnownPark>,
    /// The app's where `app_id` is sent, else the park's.
    secret: Secret,
    /// The park's before the last rotation, while it is still good.
    old_secret: Option<Secret>,
    /// The park need not sign: it is known by its addresses.
    may_be_unsigned: bool,
}

/// Who may not, and of which park, if that is known.
struct Denied {
    park: Option<Arc<KnownPark>>,
    refusal: Refusal,
}

/// Checks 2 and 3: the park is named, known and enabled; app and address are allowed.
fn authorise(registry: &Registry, form: &Form, address: IpAddr, now: UnixMillis) -> Result<PushAccess, Denied> {
    let named = named_park(registry, form.get("park_uuid"), form.get("merchant"));
    let park = named.map_err(|refusal| Denied { park: None, refusal })?;
    let denied = |park, refusal| Err(Denied { park: Some(park), refusal });
    if !park.park.enabled {
        return denied(park, Refusal::UnknownPark);
    }
    let (secret, old_secret) = match form.get("app_id") {
        None => {
            let old = park.park.old_secret.as_ref().filter(|old| old.until > now.0);
            (park.park.secret.clone(), old.map(|old| old.secret.clone()))
        }
        Some(app_id) => {
            let app = registry.app(app_id);
            match app.filter(|app| app.enabled && app.parks.contains(&park.park.park_uuid)) {
                Some(app) => (app.secret.clone(), None),
                None => return denied(park, Refusal::AppNotAllowed),
            }
        }
    };
    if !park.allows(address) {
        return denied(park, Refusal::AddressNotAllowed);
    }
    let may_be_unsigned = !park.park.require_sign && !park.park.allow.is_empty();
    Ok(PushAccess { park, secret, old_secret, may_be_unsigned })
}

/// The park that a call of which no page is known names, if that is known, enabled, and may send from `address`.
///
/// # Errors
/// [`Refusal::UnknownPark`] or [`Refusal::AddressNotAllowed`].
pub fn park_of_call(registry: &Registry, name: &ParkName, address: IpAddr) -> Result<Arc<KnownPark>, Refusal> {
    let park = match name {
        ParkName::Uuid(park_uuid) => named_park(registry, Some(park_uuid), None)?,
        ParkName::Merchant(merchant) => named_park(registry, None, Some(merchant))?,
    };
    match (park.park.enabled, park.allows(address)) {
        (false, _) => Err(Refusal::UnknownPark),
        (true, false) => Err(Refusal::AddressNotAllowed),
        (true, true) => Ok(park),
    }
}

fn named_park(registry: &Registry, park_uuid: Option<&str>, merchant: Option<&str>) -> Result<Arc<KnownPark>, Refusal> {
    let by_uuid = park_uuid.map(|park_uuid| registry.park(park_uuid));
    let by_merchant = merchant.map(|merchant| registry.by_merchant(merchant));
    match (by_uuid, by_merchant) {
        (None, None) => Err(Refusal::Missing { name: "park_uuid" }),
        (Some(park), None) | (None, Some(park)) => park.cloned().ok_or(Refusal::UnknownPark),
        (Some(Some(park)), Some(Some(merchant))) if park.park.id != merchant.park.id => Err(Refusal::TwoParks),
        (Some(Some(park)), Some(Some(_))) => Ok(Arc::clone(park)),
        (Some(None), Some(_)) | (Some(_), Some(None)) => Err(Refusal::UnknownPark),
    }
}

/// The protocol knows one way to sign.
fn check_sign_type(form: &Form) -> Result<(), Refusal> {
    match form.get("sign_type") {
        Some(found) if !found.eq_ignore_ascii_case("md5") => Err(Refusal::SignType { found: found.to_owned() }),
        Some(_) | None => Ok(()),
    }
}

/// Check 5: by the secret that is meant, else by the one before it while that is still good. True for the latter.
fn verified(access: &PushAccess, form: Form, call: &Call) -> (Verified, bool) {
    if access.may_be_unsigned && form.get("sign").is_none() {
        return (accept_unsigned(form, call), false);
    }
    match (verify(form, call, &access.secret), &access.old_secret) {
        (Verified::Mismatched(mismatch, form), Some(old)) => match verify(form, call, old) {
            // The hint is the same, whichever secret.
            Verified::Mismatched(_, form) => (Verified::Mismatched(mismatch, form), false),
            verified => (verified, true),
        },
        (verified, _) => (verified, false),
    }
}

/// What is recorded of a push beside what it says.
pub(crate) struct EntryContext {
    /// The name of the push.
    pub(crate) seqno: Seqno,
    /// When it came.
    pub(crate) received_at: UnixMillis,
    /// Who is asked about it before it is answered.
    pub(crate) inline: Option<Inline>,
    /// By parameter.
    pub(crate) pictures: StoredPictures,
}

impl Admitted {
    /// Everything the writer needs, made ready here: its thread does only what nobody else can. And the form as it was
    /// received.
    pub(crate) fn into_entry(self, context: EntryContext, content_key: &[u8; 32]) -> (Entry, Form) {
        let Admitted { park, mut push, variant, original, .. } = self;
        let entry = Entry {
            params: push.params.to_json(),
            personal: push.params.personal_json(),
            original,
            variant: variant.code(),
            inline: context.inline,
            pictures: context.pictures,
            plate: push.plate.take(),
            arrival: Arrival {
                park: park.park.records_of(push.entered_by(context.received_at)),
                kind: push.kind,
                gives_leave: push.kind == PushKind::Update && push.leave_time.is_some(),
                done_at: counts_as_of(push.done_time.unwrap_or(context.received_at), context.received_at),
                digest: push.digest(content_key),
                seqno: context.seqno,
                event_time: push.event_time(context.received_at),
                received_at: context.received_at,
                enter_time: push.entered_by(context.received_at),
                own_key: push.own_key.take(),
                parking_serial: std::mem::take(&mut push.parking_serial),
                payments: std::mem::take(&mut push.payments),
                space: push.space,
            },
        };
        (entry, push.into_form())
    }
}
