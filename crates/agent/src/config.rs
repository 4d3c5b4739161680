//! The agent's file.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use parkgate_client::{Backoff, Client, ClientError, Credentials, parse_duration};
use parkgate_seal::disk::{keep_from_others, make_folder, make_shared_folder, tighten};
use parkgate_text::texts;
use parkgate_wire::Secret;
use serde::Deserialize;

use crate::outbox::{DiskLimits, OURS, Outbox, OutboxError};
use crate::space::SpaceSource;

/// The agent's file, as written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentConfig {
    /// Folder of the outbox and its pictures.
    pub data: PathBuf,
    /// The address of the local API.
    #[serde(default = "default_listen")]
    pub listen: SocketAddr,
    /// A folder for dropped JSON files.
    pub spool: Option<PathBuf>,
    /// How long a record of the spool folder waits for a picture that is not there yet; then it is sent without it.
    #[serde(default = "default_spool_picture_wait")]
    spool_picture_wait: String,
    /// If set, every request to the local API must carry it (`Authorization: Bearer …`).
    pub token: Option<String>,
    /// Host names under which others reach this machine. Addresses need not be listed.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// How a success with a hint is handled.
    #[serde(default)]
    pub on_hint: OnHint,
    /// What happens to a record that is too large for the platform.
    #[serde(default)]
    pub on_too_large: OnTooLarge,
    /// Pushes under way at the same time.
    #[serde(default = "default_concurrency")]
    pub concurrency: usize,
    /// Send the newest records first when there is a backlog.
    #[serde(default)]
    pub newest_first: bool,
    /// The platform.
    pub platform: Platform,
    /// When a push is tried again.
    #[serde(default)]
    pub retry: Retry,
    /// Limits on disk space.
    #[serde(default)]
    pub disk: DiskLimits,
    /// Where the number of free spaces comes from.
    #[serde(default)]
    pub space: SpaceFile,
}

/// Where the number of free spaces comes from, besides `POST /space`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SpaceFile {
    file: Option<PathBuf>,
    max_age: String,
}

impl Default for SpaceFile {
    fn default() -> Self {
        SpaceFile { file: None, max_age: "5m".into() }
    }
}

/// How a success with a hint is handled (`leave.md`, note 6).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnHint {
    /// As sent: in production nothing may get stuck.
    #[default]
    Accept,
    /// Held for a person to look at: for the time of integration.
    Hold,
}

/// What happens to a record that is too large for the platform or a proxy in front of it (413, 414, 431).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnTooLarge {
    /// It is sent once more without its pictures: its payments matter more.
    #[default]
    WithoutPictures,
    /// It becomes a dead letter.
    Dead,
}

/// The platform that records are sent to, and the credentials.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Platform {
    /// Its root, or the full address of a call.
    pub url: String,
    /// The park.
    pub park_uuid: String,
    /// `APP_SECRET`.
    pub secret: Option<String>,
    /// A file that holds it.
    pub secret_file: Option<PathBuf>,
    /// If the platform assigned one.
    pub app_id: Option<String>,
    /// Assigned with the app.
    pub api_type: Option<String>,
    /// How long one push may take, pictures and all.
    #[serde(default = "default_timeout")]
    timeout: String,
}

/// When a push is tried again.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    first: String,
    max: String,
}

impl Default for Retry {
    fn default() -> Self {
        Retry { first: "1s".into(), max: "5m".into() }
    }
}

/// What is wrong with the file.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("{0}: {1}")]
    File(PathBuf, std::io::Error),
    /// It is not as it must be.
    #[error("{0}: {1}")]
    Wrong(PathBuf, String),
}

fn default_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 8070))
}

fn default_spool_picture_wait() -> String {
    "30s".into()
}

fn default_timeout() -> String {
    "60s".into()
}

fn default_concurrency() -> usize {
    32
}

impl Platform {
    /// A park's own secret at the platform of this address.
    #[must_use]
    pub fn new(url: &str, park_uuid: &str, secret: &str) -> Platform {
        Platform {
            url: url.to_owned(),
            park_uuid: park_uuid.to_owned(),
            secret: Some(secret.to_owned()),
            secret_file: None,
            app_id: None,
            api_type: None,
            timeout: default_timeout(),
        }
    }
}

impl AgentConfig {
    /// The defaults for everything else.
    #[must_use]
    pub fn new(data: PathBuf, listen: SocketAddr, platform: Platform) -> AgentConfig {
        AgentConfig {
            data,
            listen,
            spool: None,
            spool_picture_wait: default_spool_picture_wait(),
            token: None,
            hosts: Vec::new(),
            on_hint: OnHint::default(),
            on_too_large: OnTooLarge::default(),
            concurrency: default_concurrency(),
            newest_first: false,
            platform,
            retry: Retry::default(),
            disk: DiskLimits::default(),
            space: SpaceFile::default(),
        }
    }

    /// Reads and checks the file. Relative paths in it start from its own folder.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn read(path: &Path) -> Result<AgentConfig, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError::File(path.into(), error))?;
        let wrong = |text: String| ConfigError::Wrong(path.into(), text);
        let mut config: AgentConfig = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        config.data = folder.join(&config.data);
        config.spool = config.spool.map(|spool| folder.join(spool));
        config.platform.secret_file = config.platform.secret_file.map(|file| folder.join(file));
        config.space.file = config.space.file.map(|file| folder.join(file));
        config.backoff().map_err(wrong)?;
        config.space_source().map_err(wrong)?;
        config.spool_picture_wait().map_err(wrong)?;
        span("[platform] timeout", &config.platform.timeout).map_err(wrong)?;
        if config.token.as_deref().is_some_and(|token| token.trim().is_empty()) {
            return Err(wrong(texts().agent_half.empty_token.into()));
        }
        if config.concurrency == 0 {
            return Err(wrong(texts().agent_half.concurrency.into()));
        }
        Ok(config)
    }

    /// When a push is tried again.
    ///
    /// # Errors
    /// A setting is no duration.
    pub fn backoff(&self) -> Result<Backoff, String> {
        let max = span("[retry] max", &self.retry.max)?;
        Ok(Backoff { first: span("[retry] first", &self.retry.first)?, max, asked_max: max })
    }

    /// How long a record waits for a picture that is not in the spool folder yet.
    ///
    /// # Errors
    /// The setting is no duration.
    pub fn spool_picture_wait(&self) -> Result<Duration, String> {
        span("spool_picture_wait", &self.spool_picture_wait)
    }

    /// Where the number of free spaces comes from.
    ///
    /// # Errors
    /// The setting is no duration.
    pub fn space_source(&self) -> Result<SpaceSource, String> {
        let max_age = span("[space] max_age", &self.space.max_age)?;
        Ok(SpaceSource { file: self.space.file.clone(), max_age })
    }

    /// Makes the outbox's folder and closes it to other users. If the spool folder or the file of free spaces lies inside, others
    /// must be able to pass through: then only the agent's own files in it are closed.
    pub(crate) fn make_folder(&self) -> std::io::Result<()> {
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let data = absolute(&self.data);
        if self.spool.iter().chain(&self.space.file).any(|shared| absolute(shared).starts_with(&data)) {
            make_shared_folder(&data)?;
            OURS.iter().map(|name| data.join(name)).filter(|path| path.exists()).for_each(|path| tighten(&path));
            return Ok(());
        }
        make_folder(&data)?;
        keep_from_others(&data, &OURS);
        Ok(())
    }

    /// The outbox in its folder.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn outbox(&self) -> Result<Outbox, OutboxError> {
        self.make_folder().map_err(|error| OutboxError::File(self.data.clone(), error))?;
        Outbox::open(&self.data, self.disk.clone(), self.space_source().unwrap_or_default())
    }

    /// A client of the platform.
    ///
    /// # Errors
    /// The secret is missing, or the URL is invalid.
    pub fn client(&self) -> Result<Client, String> {
        let platform = &self.platform;
        let secret = match (&platform.secret, &platform.secret_file) {
            (Some(secret), None) => secret.clone(),
            (None, Some(path)) => std::fs::read_to_string(path)
                .map_err(|error| format!("[platform] secret_file {}: {error}", path.display()))?
                .trim_end_matches(['\r', '\n'])
                .to_owned(),
            _ => return Err(texts().agent_half.one_secret.into()),
        };
        let timeout = span("[platform] timeout", &platform.timeout)?;
        let credentials = Credentials {
            secret: Secret::new(secret),
            app_id: platform.app_id.clone(),
            api_type: platform.api_type.clone(),
        };
        Client::new(&platform.url, Some(&platform.park_uuid), credentials)
            .map(|client| client.timeout(timeout))
            .map_err(|error: ClientError| error.to_string())
    }
}

/// A setting that says how long; none of them may be nothing.
fn span(name: &str, text: &str) -> Result<Duration, String> {
    match parse_duration(text) {
        Ok(duration) if duration.is_zero() => Err((texts().agent_half.more_than_nothing)(name, text)),
        Ok(duration) => Ok(duration),
        Err(error) => Err(format!("{name} = {error}")),
    }
}
