//! The sign doctor at the gate: asked beside the way of good pushes, about one push at a time, and only so often a minute
//! for each park.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use parkgate_ledger::ParkId;
use parkgate_wire::doctor::{Budget, Candidate, FindingKind, SecretRole, diagnose};
use parkgate_wire::{Form, Secret, Seqno, UnixMillis};
use tokio::sync::Semaphore;

use crate::registry::{KnownPark, Registry};

/// More are not looked at: a reply must not wait long for a finding.
const WAITING_MAX: usize = 16;
const MINUTE_MS: i64 = 60_000;
/// Other parks' secrets tried at most.
const OTHERS_MAX: usize = 1000;

/// What the doctor says, as it is kept.
pub(crate) struct KeptFinding {
    pub(crate) code: &'static str,
    /// In Chinese and English.
    pub(crate) sentence: String,
    /// A mistake was found. Else the hint stays the document's own, to the letter.
    pub(crate) is_known: bool,
}

/// Bounds on the doctor's work.
pub(crate) struct Doctor {
    per_minute: u32,
    /// The minute, and how often it was asked for each park in it.
    asked: Mutex<(i64, HashMap<ParkId, u32>)>,
    /// One search at a time on this machine.
    running: Semaphore,
    /// Pushes that are searched or wait for it.
    waiting: Semaphore,
}

impl Doctor {
    pub(crate) fn new(per_minute: u32) -> Doctor {
        Doctor { per_minute, asked: Mutex::default(), running: Semaphore::new(1), waiting: Semaphore::new(WAITING_MAX) }
    }

    /// Why the signature of this form, received at `now`, may be wrong. `None` if the doctor was asked too often or has too
    /// much to do.
    pub(crate) async fn ask(
        &self,
        registry: Arc<Registry>,
        park: &KnownPark,
        form: &Form,
        now: UnixMillis,
        seqno: Seqno,
    ) -> Option<KeptFinding> {
        if !self.may_ask(park.park.id, now) {
            return None;
        }
        let _waiting = self.waiting.try_acquire().ok()?;
        let _running = self.running.acquire().await.ok()?;
        let (form, park) = (form.clone(), park.park.park_uuid.clone());
        let asked = tokio::task::spawn_blocking(move || {
            let secrets = secrets(&registry, &park, form.get("app_id"), now);
            let candidates: Vec<_> = secrets.iter().map(|(secret, role)| Candidate { secret, role: *role }).collect();
            let finding = diagnose(&form, &candidates, Budget::default()).finding;
            let code = finding.kinds.first().map_or("none", |kind| kind.code());
            let is_known = !finding.kinds.contains(&FindingKind::NoKnownMistake);
            KeptFinding { code, sentence: format!("{} ({})", finding.zh, finding.en), is_known }
        });
        match asked.await {
            Ok(finding) => Some(finding),
            Err(error) => {
                tracing::error!(%seqno, %error, "the sign doctor failed");
                None
            }
        }
    }

    fn may_ask(&self, park: ParkId, now: UnixMillis) -> bool {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let minute = now.0.div_euclid(MINUTE_MS);
        if asked.0 != minute {
            *asked = (minute, HashMap::new());
        }
        let count = asked.1.entry(park).or_default();
        *count += 1;
        *count <= self.per_minute
    }
}

/// Secrets it may have been signed with, the expected ones first.
fn secrets(registry: &Registry, park_uuid: &str, app_id: Option<&str>, now: UnixMillis) -> Vec<(Secret, SecretRole)> {
    let mut secrets = Vec::new();
    if let Some(app) = app_id.and_then(|app_id| registry.app(app_id)) {
        secrets.push((app.secret.clone(), SecretRole::App));
    }
    if let Some(known) = registry.park(park_uuid) {
        secrets.push((known.park.secret.clone(), SecretRole::Park));
        if let Some(old) = &known.park.old_secret {
            let role = if old.until > now.0 { SecretRole::Park } else { SecretRole::RotatedPark };
            secrets.push((old.secret.clone(), role));
        }
    }
    let others = registry.other_secrets(park_uuid, app_id).take(OTHERS_MAX);
    secrets.extend(
        others.map(|(secret, is_app)| {
            (secret.clone(), if is_app { SecretRole::OtherApp } else { SecretRole::OtherPark })
        }),
    );
    secrets
}
