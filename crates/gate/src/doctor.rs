//! The sign doctor at the gate: asked off the way of good pushes, one patient at a time, and not for a park that fails
//! all the time.

use std::collections::HashMap;
use std::sync::Mutex;

use parkgate_ledger::ParkId;
use parkgate_wire::Secret;
use parkgate_wire::doctor::{Budget, Candidate, FindingKind, SecretRole, diagnose};
use tokio::sync::Semaphore;

use crate::gate::Gate;
use crate::quarantine::{Refused, lock};
use crate::registry::Registry;

/// More are not looked at: a reply must not wait long for a finding.
const WAITING_MAX: usize = 16;
const MINUTE_MS: i64 = 60_000;
/// Other parks' secrets tried at most.
const OTHERS_MAX: usize = 1000;

/// What the doctor said.
pub(crate) struct Finding {
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
    /// One at a time on the machine.
    surgery: Semaphore,
    /// Who is in there or waits.
    waiting_room: Semaphore,
}

impl Doctor {
    pub(crate) fn new(per_minute: u32) -> Doctor {
        Doctor {
            per_minute,
            asked: Mutex::default(),
            surgery: Semaphore::new(1),
            waiting_room: Semaphore::new(WAITING_MAX),
        }
    }

    pub(crate) async fn ask(&self, gate: &Gate, refused: &Refused<'_>) -> Option<Finding> {
        let (park, form) = (refused.park?, refused.sent.form()?);
        if !self.admits(park.park.id, refused.received_at) {
            return None;
        }
        let _seat = self.waiting_room.try_acquire().ok()?;
        let _one = self.surgery.acquire().await.ok()?;
        let registry = gate.registry.load_full();
        let (form, park, now) = (form.clone(), park.park.park_uuid.clone(), refused.received_at);
        let asked = tokio::task::spawn_blocking(move || {
            let secrets = secrets(&registry, &park, form.get("app_id"), now);
            let candidates: Vec<_> = secrets.iter().map(|(secret, role)| Candidate { secret, role: *role }).collect();
            let finding = diagnose(&form, &candidates, Budget::default()).finding;
            let code = finding.kinds.first().map_or("none", |kind| kind.code());
            let is_known = !finding.kinds.contains(&FindingKind::NoKnownMistake);
            Finding { code, sentence: format!("{} ({})", finding.zh, finding.en), is_known }
        });
        match asked.await {
            Ok(finding) => Some(finding),
            Err(error) => {
                tracing::error!(%error, "the sign doctor failed");
                None
            }
        }
    }

    fn admits(&self, park: ParkId, now: i64) -> bool {
        let mut asked = lock(&self.asked);
        let minute = now.div_euclid(MINUTE_MS);
        if asked.0 != minute {
            *asked = (minute, HashMap::new());
        }
        let count = asked.1.entry(park).or_default();
        *count += 1;
        *count <= self.per_minute
    }
}

/// Whoever's secret it may have been signed with, those that are wanted first.
fn secrets(registry: &Registry, park_uuid: &str, app_id: Option<&str>, now: i64) -> Vec<(Secret, SecretRole)> {
    let mut secrets = Vec::new();
    if let Some(app) = app_id.and_then(|app_id| registry.app(app_id)) {
        secrets.push((app.secret.clone(), SecretRole::App));
    }
    if let Some(known) = registry.park(park_uuid) {
        secrets.push((known.park.secret.clone(), SecretRole::Park));
        if let Some(old) = &known.park.old_secret {
            let role = if old.until > now { SecretRole::Park } else { SecretRole::RotatedPark };
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
