//! Sends records to a platform or to an agent, and counts the answers.

use std::time::Duration;

use anyhow::{Context, bail};
use parkgate_agent::config::{AgentConfig, Platform};
use parkgate_client::{Backoff, Client, Draft, Outcome};
use parkgate_wire::PushKind;
use parkgate_wire::field::CAPTURE_IMAGE;
use reqwest::multipart::{Form, Part};
use serde_json::{Map, Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::picture;
use super::traffic::Upload;

/// As a car park's software would; after that the record counts as given up.
const BACKOFF: Backoff =
    Backoff { first: Duration::from_millis(200), max: Duration::from_secs(10), asked_max: Duration::from_secs(10) };
const TRIES: u32 = 12;
/// How often an agent is asked whether it is done.
const ASK_EVERY: Duration = Duration::from_millis(200);

/// The way the records go.
#[derive(Clone)]
pub(super) enum Path {
    Platform(Client),
    Agent { http: reqwest::Client, url: String },
}

/// What became of the uploads.
#[derive(Debug, Default, Clone)]
pub(super) struct UploadTally {
    pub(super) uploads: u64,
    accepted: u64,
    /// Accepted with a hint, or known to the agent as another record: repeated serials.
    hinted: u64,
    pub(super) refused: u64,
    retries: u64,
    pub(super) given_up: u64,
    last_hint: Option<String>,
}

impl UploadTally {
    pub(super) fn add(&mut self, other: &UploadTally) {
        self.uploads += other.uploads;
        self.accepted += other.accepted;
        self.hinted += other.hinted;
        self.refused += other.refused;
        self.retries += other.retries;
        self.given_up += other.given_up;
        self.last_hint = other.last_hint.clone().or(self.last_hint.take());
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "uploads": self.uploads,
            "accepted": self.accepted,
            "hinted": self.hinted,
            "refused": self.refused,
            "retries": self.retries,
            "given_up": self.given_up,
            "last_hint": self.last_hint,
        })
    }
}

/// The sender of a serial.
pub(super) fn lane(serial: &str, lanes: usize) -> usize {
    serial.bytes().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into())) % lanes.max(1)
}

/// Sends its uploads one after the other.
pub(super) async fn carry(path: Path, mut uploads: mpsc::Receiver<Upload>, pictures: f64) -> UploadTally {
    let mut tally = UploadTally::default();
    while let Some(upload) = uploads.recv().await {
        tally.uploads += 1;
        let picture = picture_of(&upload, pictures);
        for failures in 1..=TRIES {
            match path.send(&upload, picture.as_deref()).await {
                SendResult::Accepted => tally.accepted += 1,
                SendResult::Hinted(hint) => {
                    tally.hinted += 1;
                    tally.last_hint = Some(hint);
                }
                SendResult::Refused(hint) => {
                    tally.refused += 1;
                    tally.last_hint = Some(hint);
                }
                SendResult::Later(reason) if failures == TRIES => {
                    tally.given_up += 1;
                    tally.last_hint = Some(reason);
                }
                SendResult::Later(_) => {
                    tally.retries += 1;
                    tokio::time::sleep(BACKOFF.wait(failures, None, 0.5)).await;
                    continue;
                }
            }
            break;
        }
    }
    tally
}

/// Always the same picture for the same record: the serial decides which records have one.
fn picture_of(upload: &Upload, share: f64) -> Option<Vec<u8>> {
    let lot = lane(&upload.serial, 1000) as f64 / 1000.0;
    if lot >= share || part(upload.kind).is_none() {
        return None;
    }
    let at = jiff::Timestamp::from_millisecond(upload.happened_at).ok()?.to_string();
    let caption = at.get(5..16).unwrap_or_default().replace('T', " ");
    picture::drawn(&upload.plate, &caption)
        .inspect_err(|error| tracing::warn!(%error, "no picture could be drawn"))
        .ok()
}

enum SendResult {
    Accepted,
    Hinted(String),
    Refused(String),
    Later(String),
}

impl Path {
    pub(super) fn platform(client: Client) -> Path {
        Path::Platform(client)
    }

    pub(super) fn agent(url: &str) -> Path {
        Path::Agent { http: reqwest::Client::new(), url: url.trim_end_matches('/').to_owned() }
    }

    async fn send(&self, upload: &Upload, picture: Option<&[u8]>) -> SendResult {
        match self {
            Path::Platform(client) => push(client, upload, picture).await,
            Path::Agent { http, url } => match give(http, url, upload, picture).await {
                Ok(sent) => sent,
                Err(error) => SendResult::Later(error.to_string()),
            },
        }
    }

    /// Waits until an agent has sent everything it was given.
    pub(super) async fn finish(&self) -> anyhow::Result<()> {
        let Path::Agent { http, url } = self else { return Ok(()) };
        loop {
            let status = http.get(format!("{url}/status")).send().await?.text().await?;
            let status: Value = serde_json::from_str(&status).context("the agent's status")?;
            if status.get("queued") == Some(&Value::from(0)) {
                return Ok(());
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    }
}

/// The part of a record's picture; an update has none.
fn part(kind: PushKind) -> Option<&'static str> {
    match kind {
        PushKind::Enter => Some("enter_image_file"),
        PushKind::Leave => Some("leave_image_file"),
        PushKind::Release => Some(CAPTURE_IMAGE),
        PushKind::Update => None,
    }
}

async fn push(client: &Client, upload: &Upload, picture: Option<&[u8]>) -> SendResult {
    let draft = upload.params.iter().fold(Draft::default(), |draft, (name, value)| draft.param(name, value));
    let draft = match part(upload.kind).zip(picture) {
        Some((part, bytes)) => draft.file_bytes(part, bytes.to_vec()),
        None => draft,
    };
    match client.push(upload.kind, draft).await {
        Ok(Outcome::Accepted(_)) => SendResult::Accepted,
        Ok(Outcome::AcceptedWithHint(reply)) => SendResult::Hinted(reply.hint.unwrap_or_default()),
        Ok(Outcome::Refused(reply)) => SendResult::Refused(reply.hint.unwrap_or(reply.message)),
        Ok(Outcome::Denied { reason, .. } | Outcome::TooLarge { reason }) => SendResult::Refused(reason),
        Ok(Outcome::TryLater { reason, .. }) => SendResult::Later(reason),
        Err(error) => SendResult::Later(error.to_string()),
    }
}

async fn give(
    http: &reqwest::Client,
    url: &str,
    upload: &Upload,
    picture: Option<&[u8]>,
) -> reqwest::Result<SendResult> {
    let request = http.post(format!("{url}/{}", upload.kind.name()));
    let request = match part(upload.kind).zip(picture) {
        Some((part, bytes)) => {
            let form = upload.params.iter().cloned().fold(Form::new(), |form, (name, value)| form.text(name, value));
            request.multipart(form.part(part, Part::bytes(bytes.to_vec()).file_name("car.jpg")))
        }
        None => {
            let object: Map<String, Value> =
                upload.params.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
            request.header("content-type", "application/json").body(Value::Object(object).to_string())
        }
    };
    let answer = request.send().await?;
    let (status, text) = (answer.status().as_u16(), answer.text().await?);
    let answer = serde_json::from_str::<Value>(&text).ok();
    let answer = answer.as_ref().and_then(|answer| answer.get("error")?.as_str()).unwrap_or(&text).to_owned();
    Ok(match status {
        202 => SendResult::Accepted,
        409 => SendResult::Hinted(answer),
        400 => SendResult::Refused(answer),
        _ => SendResult::Later(answer),
    })
}

/// An agent in this process, with a temporary folder.
pub(super) struct OwnAgent {
    pub(super) url: String,
    folder: std::path::PathBuf,
    stop: oneshot::Sender<()>,
    running: JoinHandle<Result<(), parkgate_agent::RunError>>,
}

impl OwnAgent {
    pub(super) async fn start(platform: Platform) -> anyhow::Result<OwnAgent> {
        let mut unique = [0; 8];
        getrandom::fill(&mut unique).context("no random bytes to be had")?;
        let folder = std::env::temp_dir().join(format!("parkgate-simulate-{}", hex::encode(unique)));
        let config = AgentConfig::new(folder.clone(), ([127, 0, 0, 1], 0).into(), platform);
        let (stop, stopped) = oneshot::channel::<()>();
        let (sender, receiver) = oneshot::channel();
        let running = tokio::spawn(parkgate_agent::run(
            config,
            async {
                // Also when the sender is dropped.
                let _ = stopped.await;
            },
            // Nobody is waiting if the start was given up.
            |address, _| sender.send(address).unwrap_or_default(),
        ));
        match receiver.await {
            Ok(address) => Ok(OwnAgent { url: format!("http://{address}"), folder, stop, running }),
            Err(_) => match running.await? {
                Ok(()) => bail!("the agent ended"),
                Err(error) => Err(error.into()),
            },
        }
    }

    pub(super) async fn stop(self) -> anyhow::Result<()> {
        drop(self.stop);
        self.running.await??;
        std::fs::remove_dir_all(&self.folder).with_context(|| self.folder.display().to_string())
    }
}
