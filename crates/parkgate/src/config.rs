//! Settings: flags, then `PARKGATE_*` variables, then `parkgate.toml`, then defaults, as one checked [`ServeConfig`].

mod check;
mod given;
mod http;
mod listed;
mod origin;
mod retention;
#[cfg(test)]
mod tests;
mod tls;

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use parkgate_gate::{BeforeSettings, Forward, Limits};
use parkgate_ledger::retention::RetentionDefaults;
use parkgate_store::Store;
use parkgate_text::texts;
use parkgate_web::{TlsFiles, TrustedProxies};
use serde::Deserialize;
use toml::{Table, Value};

pub(crate) use self::check::{faults, unknown_variables};
use self::given::{CONNECTIONS_MAX, Given, GivenBefore, GivenForward, GivenLimits, LANES_MAX};
use self::http::GivenHttp;
pub(crate) use self::http::network;
pub(crate) use self::listed::{Setting, settings};
pub(crate) use self::origin::Origin;
use self::retention::GivenRetention;
use self::tls::GivenTls;
pub(crate) use self::tls::tls_fault;
use crate::cli::{SettingArgs, StoreArgs};
use crate::output::misuse;

/// Looked for in the working directory.
const FILE: &str = "parkgate.toml";
/// Looked for if there is none: where the Debian package has it.
const SYSTEM_FILE: &str = "/etc/parkgate/parkgate.toml";
const LISTEN: &str = "127.0.0.1:8080";
/// Local by default: metrics name parks and subscribers.
pub(crate) const ADMIN_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8081);
const DATA: &str = "parkgate-data";

/// The checked settings.
#[derive(Debug)]
pub(crate) struct ServeConfig {
    pub(crate) listen: SocketAddr,
    pub(crate) admin_listen: AdminListen,
    pub(crate) state: State,
    pub(crate) images: ImagesAt,
    pub(crate) node: String,
    pub(crate) trusted_proxies: TrustedProxies,
    pub(crate) tls: Option<TlsFiles>,
    pub(crate) limits: Limits,
    pub(crate) forward: Forward,
    pub(crate) before: BeforeSettings,
    pub(crate) retention: RetentionDefaults,
}

/// Where metrics and the detailed readiness are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AdminListen {
    /// Not given: [`ADMIN_LISTEN`], or a free port of this machine if that is taken.
    Default,
    /// There and nowhere else.
    At(SocketAddr),
    /// Nowhere.
    Off,
}

impl AdminListen {
    fn read(given: Option<&str>) -> Result<AdminListen, String> {
        match given {
            None => Ok(AdminListen::Default),
            Some("off") => Ok(AdminListen::Off),
            Some(text) => text
                .parse()
                .map(AdminListen::At)
                .map_err(|_| (texts().state.write_admin_address)(text, &ADMIN_LISTEN.to_string())),
        }
    }
}

/// Where the state is kept: a data folder, and the database if that is not in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) data: PathBuf,
    pub(crate) url: Option<Url>,
}

/// A database's URL. Never shown whole, since it may hold a password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Url(pub(crate) String);

impl std::fmt::Debug for Url {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("postgres://…")
    }
}

impl State {
    /// For people.
    pub(crate) fn name(&self) -> String {
        match self.url {
            None => (texts().state.data_folder)(&self.data.display().to_string()),
            Some(_) => format!("PostgreSQL (master.key: {})", self.data.display()),
        }
    }

    /// Opens it, creating it on first use.
    pub(crate) fn open(&self) -> anyhow::Result<Arc<Store>> {
        let url = self.url.as_ref().map(|url| url.0.as_str());
        parkgate_store::open(&self.data, url).with_context(|| self.name())
    }
}

/// Where pictures are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ImagesAt {
    /// In a folder.
    Folder(PathBuf),
    /// In a bucket of an S3-compatible server, `s3://BUCKET/PREFIX`.
    Bucket(String),
}

impl ServeConfig {
    /// The settings of `serve`, or all that is wrong with them.
    pub(crate) fn of(serve: &SettingArgs) -> anyhow::Result<ServeConfig> {
        let (given, mut wrong) = given(serve.config.as_deref(), &environment())?;
        let state = state_of(&serve.place, &given).unwrap_or_else(|what| {
            wrong.push(what);
            State { data: PathBuf::new(), url: None }
        });
        let listen = serve.listen.clone().or(given.listen).unwrap_or_else(|| LISTEN.into());
        let images = image_place(serve.images.clone().or(given.images), &state.data).unwrap_or_else(|what| {
            wrong.push(what);
            ImagesAt::Folder(PathBuf::new())
        });
        let listen = listen.parse().map_err(|_| {
            wrong.push((texts().state.write_address)("listen", &listen, LISTEN));
        });
        let admin_listen = serve.admin_listen.clone().or(given.admin_listen);
        let admin_listen = AdminListen::read(admin_listen.as_deref()).unwrap_or_else(|what| {
            wrong.push(what);
            AdminListen::Off
        });
        let tls = given.tls.files().unwrap_or_else(|what| {
            wrong.push(what);
            None
        });
        let retention = given.retention.meant(given.limits.quarantine_days).unwrap_or_else(|what| {
            wrong.push(what);
            RetentionDefaults::default()
        });
        match (listen, wrong.is_empty()) {
            (Ok(listen), true) => {
                let node = serve.node.clone().or(given.node).unwrap_or_else(parkgate_seal::disk::host_name);
                let (limits, forward, before) = (given.limits.meant(), given.forward.meant(), given.before.meant());
                let trusted_proxies = given.http.trusted_proxies();
                Ok(ServeConfig {
                    listen,
                    admin_listen,
                    state,
                    images,
                    node,
                    trusted_proxies,
                    tls,
                    limits,
                    forward,
                    before,
                    retention,
                })
            }
            (Ok(_) | Err(()), _) => Err(all(&wrong)),
        }
    }
}

/// Where pictures are stored, as given on the command line.
pub(crate) fn images_at(given: Option<String>, data: &Path) -> anyhow::Result<ImagesAt> {
    image_place(given, data).map_err(|what| all(&[what]))
}

/// Where the pictures of a gate are: as named, else as its settings have it.
pub(crate) fn images_by(named: Option<String>, data: &Path, file: Option<&Path>) -> anyhow::Result<ImagesAt> {
    let (given, wrong) = given(file, &environment())?;
    if wrong.is_empty() { images_at(named.or(given.images), data) } else { Err(all(&wrong)) }
}

fn image_place(given: Option<String>, data: &Path) -> Result<ImagesAt, String> {
    let folder = match given {
        None => data.join("images"),
        Some(url) if url.starts_with("s3://") => return Ok(ImagesAt::Bucket(url)),
        Some(url) => PathBuf::from(url.strip_prefix("file://").unwrap_or(&url)),
    };
    if folder.to_string_lossy().contains("://") {
        return Err((texts().state.write_images)(&folder.display().to_string()));
    }
    Ok(ImagesAt::Folder(folder))
}

/// May subscribers be at private addresses, by the settings that the gate runs with?
pub(crate) fn allows_private(file: Option<&Path>) -> anyhow::Result<bool> {
    let (given, wrong) = given(file, &environment())?;
    if wrong.is_empty() { Ok(given.forward.meant().allow_private) } else { Err(all(&wrong)) }
}

/// The state for a command that reads or changes it.
pub(crate) fn state(place: &StoreArgs) -> anyhow::Result<State> {
    state_by(place, None)
}

/// The same, with a settings file that was named.
pub(crate) fn state_by(place: &StoreArgs, file: Option<&Path>) -> anyhow::Result<State> {
    let is_database = place.store.as_deref().is_some_and(is_postgres);
    if place.store.is_some() && (place.data.is_some() || !is_database) {
        return state_of(place, &Given::default()).map_err(|what| all(&[what]));
    }
    let environment = environment();
    let file = file.map(Path::to_owned).or_else(|| environment.get("PARKGATE_CONFIG").map(PathBuf::from));
    let (given, mut wrong) = given(file.as_deref(), &environment)?;
    match state_of(place, &given) {
        Ok(state) if wrong.is_empty() => Ok(state),
        Ok(_) => Err(all(&wrong)),
        Err(what) => {
            wrong.push(what);
            Err(all(&wrong))
        }
    }
}

fn is_postgres(url: &str) -> bool {
    url.starts_with("postgres://") || url.starts_with("postgresql://")
}

/// The first source that names the place decides, by either of its two names; `store` takes precedence over `data` only
/// if both come from the same source. A database is not such a place: it has a data folder beside it for the master key
/// and the pictures. Naming one must not hide the other, or pushes would be recorded where nobody looks.
fn state_of(place: &StoreArgs, given: &Given) -> Result<State, String> {
    let names_database = |store: &Option<String>| store.as_deref().is_some_and(is_postgres);
    let store = match &place.store {
        None if place.data.is_none() || names_database(&given.store) => &given.store,
        flag => flag,
    };
    let data = match &place.data {
        None if place.store.is_none() || names_database(&place.store) => &given.data,
        flag => flag,
    };
    let data = || data.clone().unwrap_or_else(|| DATA.into());
    match store {
        None => Ok(State { data: data(), url: None }),
        Some(url) if is_postgres(url) => Ok(State { data: data(), url: Some(Url(url.clone())) }),
        Some(url) => match url.strip_prefix("sqlite:") {
            Some(folder) => Ok(State { data: PathBuf::from(folder.strip_prefix("//").unwrap_or(folder)), url: None }),
            // Only its beginning: a password may follow.
            None => {
                let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
                Err((texts().state.write_store)(scheme))
            }
        },
    }
}

fn all(wrong: &[String]) -> anyhow::Error {
    misuse((texts().state.settings)(&wrong.join("\n  ")))
}

type Environment = BTreeMap<String, String>;

/// The `PARKGATE_*` variables. An empty one counts as not set.
fn environment() -> Environment {
    let ours =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    ours.filter(|(name, value)| name.starts_with("PARKGATE_") && !value.is_empty()).collect()
}

/// The settings file that was named, or else the first that is there.
fn file_text(file: Option<&Path>) -> anyhow::Result<Option<(PathBuf, String)>> {
    if let Some(path) = file {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        return Ok(Some((path.to_owned(), text)));
    }
    for name in [FILE, SYSTEM_FILE] {
        match std::fs::read_to_string(name) {
            Ok(text) => return Ok(Some((name.into(), text))),
            Err(error) if [ErrorKind::NotFound, ErrorKind::NotADirectory].contains(&error.kind()) => {}
            // To go on without it would be to work on another store.
            Err(error) if name == SYSTEM_FILE && error.kind() == ErrorKind::PermissionDenied => {
                bail!((texts().config.may_not_read)(name))
            }
            Err(error) => return Err(error).context(name),
        }
    }
    Ok(None)
}

/// The file, overridden by the environment; and every fault in either, with its origin.
fn given(file: Option<&Path>, environment: &Environment) -> anyhow::Result<(Given, Vec<String>)> {
    let (good, wrong) = given_values(file, environment)?;
    Ok((Given::deserialize(good).context("settings")?, wrong))
}

/// The same as they stand there.
fn given_values(file: Option<&Path>, environment: &Environment) -> anyhow::Result<(Table, Vec<String>)> {
    let (name, mut table) = match file_text(file)? {
        Some((path, text)) => {
            let name = path.display().to_string();
            let table = text.parse::<Table>().map_err(|error| all(&[format!("{name}: {error}")]))?;
            (name, table)
        }
        None => (FILE.to_owned(), Table::new()),
    };
    let mut wrong = Vec::new();
    let mut good = checked(&name, std::mem::take(&mut table), &mut wrong);
    let (from_environment, unknown) = variables(environment);
    wrong.extend(unknown);
    for (variable, one) in from_environment {
        let one = checked(&variable, one, &mut wrong);
        hide_other_name(&mut good, &one, environment);
        merge(&mut good, one);
    }
    Ok((good, wrong))
}

/// Two names for one place: the environment's hides both of the file's. A database and its data folder are two places.
fn hide_other_name(file: &mut Table, one: &Table, environment: &Environment) {
    let is_database = |table: &Table| table.get("store").and_then(Value::as_str).is_some_and(is_postgres);
    let (name, hidden) = match (one.contains_key("data"), one.contains_key("store")) {
        (true, _) => ("store", !is_database(file)),
        (_, true) => ("data", !is_database(one)),
        (false, false) => return,
    };
    if hidden && !environment.contains_key(&variable_of(name)) {
        file.remove(name);
    }
}

fn variable_of(name: &str) -> String {
    format!("PARKGATE_{}", name.to_uppercase().replace('.', "_"))
}

/// Each variable that is a setting, as the file would have it; and unknown limits. Other unknown variables are ignored:
/// orchestrators set `PARKGATE_PORT` and the like for a service of that name.
fn variables(environment: &Environment) -> (Vec<(String, Table)>, Vec<String>) {
    let mut found = Vec::new();
    for name in TOP {
        let variable = variable_of(name);
        if let Some(value) = environment.get(&variable) {
            found.push((variable, one(name, Value::String(value.clone()))));
        }
    }
    let mut unknown = Vec::new();
    for (variable, value) in environment {
        let of_table = |(table, names): &(&'static str, &'static [&'static str])| {
            let name = variable.strip_prefix(&format!("{}_", variable_of(table)))?.to_lowercase();
            Some((*table, *names, name))
        };
        let Some((table, names, name)) = TABLES.iter().find_map(of_table) else { continue };
        if names.contains(&name.as_str()) {
            found.push((variable.clone(), one(table, Value::Table(one(&name, read(value))))));
        } else {
            unknown.push((texts().state.unknown_setting)(variable, table, &names.join(", ")));
        }
    }
    (found, unknown)
}

/// Settings that belong to no table of the file.
const TOP: [&str; 6] = ["listen", "admin_listen", "data", "store", "images", "node"];

/// Variables of ours that are no settings of the file.
const OTHER_VARIABLES: [&str; 4] = ["PARKGATE_CONFIG", "PARKGATE_LANG", "PARKGATE_LOG", "PARKGATE_MASTER_KEY"];

/// Settings that belong to a table of the file.
const TABLES: [(&str, &[&str]); 6] = [
    ("limits", GivenLimits::NAMES),
    ("forward", GivenForward::NAMES),
    ("before", GivenBefore::NAMES),
    ("http", GivenHttp::NAMES),
    ("tls", GivenTls::NAMES),
    ("retention", GivenRetention::NAMES),
];

/// A variable's text as the file would write it.
fn read(text: &str) -> Value {
    match (text.parse(), text.parse()) {
        (Ok(number), _) => Value::Integer(number),
        (_, Ok(truth)) => Value::Boolean(truth),
        _ => Value::String(text.to_owned()),
    }
}

fn one(name: &str, value: Value) -> Table {
    Table::from_iter([(name.to_owned(), value)])
}

fn merge(into: &mut Table, from: Table) {
    for (name, value) in from {
        match (into.get_mut(&name), value) {
            (Some(Value::Table(into)), Value::Table(from)) => merge(into, from),
            (_, value) => drop(into.insert(name, value)),
        }
    }
}

/// What can be read of a table, each setting alone, so that every fault is reported at once.
fn checked(origin: &str, table: Table, wrong: &mut Vec<String>) -> Table {
    let mut good = Table::new();
    for (name, value) in table {
        let ones = match value {
            Value::Table(inner) if TABLES.iter().any(|(table, _)| *table == name) => inner
                .into_iter()
                .map(|(limit, value)| (format!("{name}.{limit}"), one(&name, Value::Table(one(&limit, value)))))
                .collect(),
            value => vec![(name.clone(), one(&name, value))],
        };
        for (name, one) in ones {
            let what = match Given::deserialize(one.clone()) {
                Err(error) => error.message().to_owned(),
                Ok(given) if given.forward.has_none() || given.before.has_none() => {
                    texts().state.longer_than_nothing.into()
                }
                Ok(given) if given.limits.has_none() => texts().state.at_least_one.into(),
                Ok(given) if given.limits.connections_max > Some(CONNECTIONS_MAX) => {
                    (texts().state.at_most)(CONNECTIONS_MAX)
                }
                Ok(given) if given.limits.lanes > Some(LANES_MAX) => (texts().state.at_most)(LANES_MAX),
                Ok(_) => {
                    merge(&mut good, one);
                    continue;
                }
            };
            wrong.push(format!("{origin}: {name}: {what}"));
        }
    }
    good
}
