//! Settings: flags, then `PARKGATE_*` variables, then `parkgate.toml`, then defaults, as one checked [`Config`].

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use parkgate_server::Limits;
use serde::Deserialize;
use toml::{Table, Value};

use crate::cli::{Place, Serve};

/// Looked for where the program is started.
const FILE: &str = "parkgate.toml";
const LISTEN: &str = "127.0.0.1:8080";
const DATA: &str = "parkgate-data";

/// Settings as meant.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) listen: SocketAddr,
    pub(crate) data: PathBuf,
    pub(crate) images: PathBuf,
    pub(crate) node: String,
    pub(crate) limits: Limits,
}

/// Settings as given in the file or the environment.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    listen: Option<String>,
    data: Option<PathBuf>,
    store: Option<String>,
    images: Option<String>,
    node: Option<String>,
    #[serde(default)]
    limits: GivenLimits,
}

macro_rules! limits {
    ($($name:ident: $type:ty),* $(,)?) => {
        #[derive(Debug, Default, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct GivenLimits { $($name: Option<$type>),* }

        impl GivenLimits {
            const NAMES: &[&str] = &[$(stringify!($name)),*];

            fn meant(self) -> Limits {
                let default = Limits::default();
                Limits { $($name: self.$name.map_or(default.$name, Into::into)),* }
            }
        }
    };
}

limits! {
    body_bytes_max: u64,
    file_bytes_max: u64,
    files_max: usize,
    params_max: usize,
    unlisted_max: usize,
    value_bytes_max: usize,
    fields_bytes_max: usize,
    header_timeout: Span,
    body_idle_timeout: Span,
    body_timeout: Span,
    connections_max: usize,
    queue_max: usize,
    batch_max: usize,
    drain_timeout: Span,
}

/// `"500ms"`, `"30s"`, `"5m"`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
struct Span(Duration);

impl From<Span> for Duration {
    fn from(span: Span) -> Self {
        span.0
    }
}

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let units = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)];
        let split = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(split);
        let ms = units.iter().find(|(name, _)| *name == unit).map(|(_, ms)| ms);
        match (number.parse::<u64>(), ms) {
            (Ok(number), Some(ms)) => Ok(Span(Duration::from_millis(number.saturating_mul(*ms)))),
            _ => Err(format!("`{text}` is no duration: write \"500ms\", \"30s\" or \"5m\"")),
        }
    }
}

impl Config {
    /// The settings of `serve`.
    pub(crate) fn of(serve: &Serve) -> anyhow::Result<Config> {
        let given = given(serve.config.as_deref(), &|name| std::env::var(name).ok())?;
        let data = data_of(&serve.place, &given)?;
        let listen = serve.listen.clone().or(given.listen).unwrap_or_else(|| LISTEN.into());
        let images = match serve.images.clone().or(given.images) {
            None => data.join("images"),
            Some(url) if url.contains("://") && !url.starts_with("file://") => {
                bail!("{url}: pictures go into a folder; other stores come with a later version")
            }
            Some(url) => PathBuf::from(url.trim_start_matches("file://")),
        };
        Ok(Config {
            listen: listen
                .parse()
                .with_context(|| format!("listen = {listen}: write an address and a port, as in 127.0.0.1:8080"))?,
            data,
            images,
            node: serve.node.clone().or(given.node).unwrap_or_else(host_name),
            limits: given.limits.meant(),
        })
    }
}

/// The data folder of a command that reads or changes state.
pub(crate) fn data_folder(place: &Place) -> anyhow::Result<PathBuf> {
    if place.data.is_some() {
        return data_of(place, &Given::default());
    }
    data_of(place, &given(None, &|name| std::env::var(name).ok())?)
}

fn data_of(place: &Place, given: &Given) -> anyhow::Result<PathBuf> {
    match place.store.as_ref().or(given.store.as_ref()) {
        Some(url) => match url.strip_prefix("sqlite:") {
            Some(folder) => Ok(PathBuf::from(folder.trim_start_matches("//"))),
            None => bail!("--store {url}: write sqlite:DIR; PostgreSQL comes with a later version"),
        },
        None => Ok(place.data.clone().or_else(|| given.data.clone()).unwrap_or_else(|| DATA.into())),
    }
}

/// The file, and over it the environment.
fn given(file: Option<&Path>, variable: &dyn Fn(&str) -> Option<String>) -> anyhow::Result<Given> {
    let path = file.map_or_else(|| PathBuf::from(FILE), Path::to_owned);
    let mut table = match std::fs::read_to_string(&path) {
        Ok(text) => text.parse::<Table>().with_context(|| format!("{}", path.display()))?,
        Err(_) if file.is_none() => Table::new(),
        Err(error) => bail!("{}: {error}", path.display()),
    };
    for name in ["listen", "data", "store", "images", "node"] {
        if let Some(value) = variable(&format!("PARKGATE_{}", name.to_uppercase())) {
            table.insert(name.into(), Value::String(value));
        }
    }
    for name in GivenLimits::NAMES {
        let variable_name = format!("PARKGATE_LIMITS_{}", name.to_uppercase());
        if let Some(value) = variable(&variable_name) {
            let value = value.parse().map_or(Value::String(value), Value::Integer);
            let limits = table.entry("limits").or_insert_with(|| Value::Table(Table::new()));
            if let Some(limits) = limits.as_table_mut() {
                limits.insert((*name).into(), value);
            }
        }
    }
    Given::deserialize(table).with_context(|| format!("settings ({} and PARKGATE_*)", path.display()))
}

fn host_name() -> String {
    let name = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "parkgate".into() } else { name.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_goes_before_the_file_and_the_file_before_defaults() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("p.toml");
        std::fs::write(
            &file,
            "node = \"a\"\nlisten = \"127.0.0.1:1\"\n[limits]\nbody_timeout = \"5m\"\nfiles_max = 2\n",
        )
        .unwrap();
        let variable = |name: &str| match name {
            "PARKGATE_NODE" => Some("b".to_owned()),
            "PARKGATE_LIMITS_FILES_MAX" => Some("3".to_owned()),
            "PARKGATE_LIMITS_HEADER_TIMEOUT" => Some("500ms".to_owned()),
            _ => None,
        };
        let given = given(Some(&file), &variable).unwrap();
        assert_eq!((given.node.as_deref(), given.listen.as_deref()), (Some("b"), Some("127.0.0.1:1")));
        let limits = given.limits.meant();
        assert_eq!((limits.files_max, limits.body_timeout), (3, Duration::from_secs(300)));
        assert_eq!(limits.header_timeout, Duration::from_millis(500));
        assert_eq!(limits.queue_max, Limits::default().queue_max);
    }

    #[test]
    fn unknown_and_wrong_settings_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("p.toml");
        for (text, named) in
            [("nod = 1", "nod"), ("[limits]\nx = 1", "x"), ("[limits]\nbody_timeout = \"1\"", "duration")]
        {
            std::fs::write(&file, text).unwrap();
            let error = format!("{:#}", given(Some(&file), &|_| None).unwrap_err());
            assert!(error.contains(named), "{error}");
        }
        assert!(given(Some(&folder.path().join("none")), &|_| None).is_err());
    }
}
