//! Where the database is, and how its server proves who it is.
//!
//! The URL is PostgreSQL's own (`postgres://USER:PASSWORD@HOST,HOST/DATABASE?…`). Of TLS there is one kind only, the safe
//! one: encrypted, the certificate of an authority that is trusted, and for this host. `sslmode=require` is that here.
//!
//! Of several hosts one is asked after the other, beginning with the one that was good last: a server that hangs takes
//! connections and says nothing more, so each has a short time for all that a connection needs.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use percent_encoding::percent_decode_str;
use rustls_native_certs::{CertificateResult, load_certs_from_paths, load_native_certs};
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::fault::Fault;
use crate::StoreError;

/// For a connection, ready to work, where there is no other host to ask: a call is tried for five seconds.
const CONNECT_MAX: Duration = Duration::from_secs(3);
/// For each of several: three that hang leave a call time for a fourth.
const HOST_MAX: Duration = Duration::from_millis(1500);

/// What is connected to. Clones know together which host was good last.
#[derive(Clone)]
pub(super) struct Address {
    config: Config,
    /// One for each host.
    hosts: Vec<Config>,
    good: Arc<AtomicUsize>,
    /// The authorities' certificates, if not those that this machine trusts.
    roots: Option<PathBuf>,
    tls: Arc<OnceLock<MakeRustlsConnect>>,
}

impl Address {
    /// Reads a URL; also its name without the password.
    pub(super) fn read(url: &str) -> Result<(Address, String), StoreError> {
        // Not what is wrong with it: that could be part of the password.
        let unreadable = || {
            StoreError::Broken(
                "the store's URL cannot be read: write postgres://USER:PASSWORD@HOST/DATABASE, special characters as %XX"
                    .into(),
            )
        };
        let (url, roots) = without_tls_files(url);
        let mut config = Config::from_str(&url).map_err(|_| unreadable())?;
        config.target_session_attrs(TargetSessionAttrs::ReadWrite).keepalives_idle(Duration::from_secs(10));
        config.tcp_user_timeout(Duration::from_secs(15));
        if roots.is_some() {
            config.ssl_mode(SslMode::Require);
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(if config.get_hosts().len() > 1 { HOST_MAX } else { CONNECT_MAX });
        }
        if config.get_application_name().is_none() {
            config.application_name("parkgate");
        }
        let names = config.get_hosts().iter().map(|host| match host {
            Host::Tcp(name) => name.clone(),
            Host::Unix(path) => path.display().to_string(),
        });
        let names: Vec<String> = names.collect();
        // A password with an @ in it, cut in two.
        if names.is_empty() || names.iter().any(|host| host.contains('@')) {
            return Err(unreadable());
        }
        let hosts = (0..names.len()).map(|index| of_host(&config, index)).collect();
        let name = format!("postgres://{}/{}", places(&config, names), config.get_dbname().unwrap_or_default());
        Ok((Address { config, hosts, good: Arc::default(), roots, tls: Arc::default() }, name))
    }

    /// How to connect to each host, with its number, in the order in which to ask.
    pub(super) fn in_turn(&self) -> impl Iterator<Item = (usize, &Config)> {
        let hosts = || self.hosts.iter().enumerate();
        hosts().cycle().skip(self.good_host()).take(self.hosts.len())
    }

    /// How many hosts there are to ask.
    pub(super) fn hosts(&self) -> usize {
        self.hosts.len()
    }

    /// The host that was good last.
    pub(super) fn good_host(&self) -> usize {
        self.good.load(Ordering::Relaxed)
    }

    pub(super) fn is_good(&self, host: usize) {
        self.good.store(host, Ordering::Relaxed);
    }

    /// The time for one host, all included.
    pub(super) fn host_max(&self) -> Duration {
        self.config.get_connect_timeout().copied().unwrap_or(CONNECT_MAX)
    }

    /// How to encrypt, if the URL says so.
    pub(super) fn tls(&self) -> Result<Option<MakeRustlsConnect>, Fault> {
        if self.config.get_ssl_mode() != SslMode::Require {
            return Ok(None);
        }
        if let Some(made) = self.tls.get() {
            return Ok(Some(made.clone()));
        }
        let wrong = |what: String| Fault::Final(StoreError::Away(format!("TLS: {what}")));
        let found = match &self.roots {
            Some(file) => load_certs_from_paths(Some(file), None),
            None => load_native_certs(),
        };
        let CertificateResult { certs, errors, .. } = found;
        let mut roots = rustls::RootCertStore::empty();
        let (added, _) = roots.add_parsable_certificates(certs);
        if added == 0 {
            let cause = match (&self.roots, errors.first()) {
                (Some(_), Some(error)) => format!("sslrootcert: {error}"),
                (Some(file), None) => format!("sslrootcert: {} has no certificate in PEM", file.display()),
                (None, _) => {
                    "no certificate of an authority is trusted here (apt-get install ca-certificates)".to_owned()
                }
            };
            return Err(wrong(cause));
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Some(self.tls.get_or_init(|| MakeRustlsConnect::new(config)).clone()))
    }
}

/// Hosts as the URL has them; two servers on one host are told apart by their ports.
fn places(config: &Config, hosts: Vec<String>) -> String {
    let port = |index: usize| config.get_ports().get(index).or(config.get_ports().last()).filter(|port| **port != 5432);
    let places = hosts.into_iter().enumerate().map(|(index, host)| match port(index) {
        Some(port) => format!("{host}:{port}"),
        None => host,
    });
    places.collect::<Vec<_>>().join(",")
}

/// The same, of one of its hosts. The library has no way to take the others out.
fn of_host(all: &Config, index: usize) -> Config {
    let mut one = Config::new();
    match all.get_hosts().get(index) {
        Some(Host::Tcp(name)) => drop(one.host(name)),
        Some(Host::Unix(path)) => drop(one.host_path(path)),
        None => {}
    }
    if let Some(address) = all.get_hostaddrs().get(index) {
        one.hostaddr(*address);
    }
    // One port for all, or one for each.
    if let Some(port) = all.get_ports().get(index).or(all.get_ports().first()) {
        one.port(*port);
    }
    one.ssl_mode(all.get_ssl_mode()).ssl_negotiation(all.get_ssl_negotiation());
    one.channel_binding(all.get_channel_binding()).target_session_attrs(all.get_target_session_attrs());
    one.keepalives(all.get_keepalives()).keepalives_idle(all.get_keepalives_idle());
    all.get_user().map(|user| one.user(user));
    all.get_password().map(|password| one.password(password));
    all.get_dbname().map(|name| one.dbname(name));
    all.get_options().map(|options| one.options(options));
    all.get_application_name().map(|name| one.application_name(name));
    all.get_connect_timeout().map(|time| one.connect_timeout(*time));
    all.get_tcp_user_timeout().map(|time| one.tcp_user_timeout(*time));
    all.get_keepalives_interval().map(|time| one.keepalives_interval(time));
    all.get_keepalives_retries().map(|retries| one.keepalives_retries(retries));
    one
}

/// Takes `sslrootcert` out, which the library does not know, and calls the strictest `sslmode`s by the name that it does.
fn without_tls_files(url: &str) -> (String, Option<PathBuf>) {
    let Some((place, query)) = url.split_once('?') else { return (url.to_owned(), None) };
    let (mut roots, mut rest) = (None, Vec::new());
    for pair in query.split('&') {
        match pair.split_once('=') {
            Some(("sslrootcert", "system")) => {}
            Some(("sslrootcert", file)) => {
                roots = Some(PathBuf::from(&*percent_decode_str(file).decode_utf8_lossy()));
            }
            Some(("sslmode", "verify-full" | "verify-ca")) => rest.push("sslmode=require"),
            _ => rest.push(pair),
        }
    }
    (format!("{place}?{}", rest.join("&")), roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(url: &str) -> Result<String, StoreError> {
        Address::read(url).map(|(_, name)| name)
    }

    #[test]
    fn a_password_is_in_no_name_and_no_error() {
        let url = "postgres://user:hidden@one,two:5433/gate?connect_timeout=1";
        assert_eq!(name(url).unwrap(), "postgres://one,two:5433/gate");
        let odd =
            ["user:hidden@host/gate?hid=1", "user:hid/den@host/gate", "user:h@hid@host/gate", "user:%zzhid@host/gate"];
        for url in odd {
            let shown = name(&format!("postgres://{url}")).unwrap_or_else(|error| error.to_string());
            assert!(!shown.contains("hid"), "{url}: {shown}");
        }
    }

    #[test]
    fn each_host_is_asked_beginning_with_the_one_that_was_good_last() {
        let url = "postgres://user:hidden@one,two:5433,three/gate?connect_timeout=2&options=-csearch_path%3Dcell";
        let (address, _) = Address::read(url).unwrap();
        let order = || address.in_turn().map(|(host, _)| host).collect::<Vec<_>>();
        assert_eq!(order(), [0, 1, 2]);
        address.clone().is_good(1);
        assert_eq!(order(), [1, 2, 0]);
        let (_, config) = address.in_turn().next().unwrap();
        assert_eq!((config.get_hosts(), config.get_ports()), (&[Host::Tcp("two".into())][..], &[5433][..]));
        assert_eq!((config.get_user(), config.get_password()), (Some("user"), Some(&b"hidden"[..])));
        assert_eq!((config.get_dbname(), config.get_options()), (Some("gate"), Some("-csearch_path=cell")));
        assert_eq!((config.get_application_name(), address.host_max()), (Some("parkgate"), Duration::from_secs(2)));
    }

    #[test]
    fn tls_is_asked_for_by_any_of_its_names_and_by_a_file_of_authorities() {
        let read = |query: &str| Address::read(&format!("postgres://user@host/gate{query}")).unwrap().0;
        for query in ["?sslmode=require", "?sslmode=verify-full", "?sslmode=verify-ca&connect_timeout=1"] {
            let address = read(query);
            assert_eq!((address.config.get_ssl_mode(), address.roots), (SslMode::Require, None), "{query}");
        }
        let address = read("?connect_timeout=2&sslrootcert=/etc/a%20ca.pem");
        assert_eq!(address.config.get_ssl_mode(), SslMode::Require);
        assert_eq!(address.roots, Some(PathBuf::from("/etc/a ca.pem")));
        assert_eq!(address.config.get_connect_timeout(), Some(&Duration::from_secs(2)));
        assert!(read("").tls().unwrap().is_none());
        let fault = read("?sslrootcert=/nowhere.pem").tls().err().map(|fault| format!("{fault:?}")).unwrap();
        assert!(fault.contains("sslrootcert") && fault.contains("/nowhere.pem"), "{fault}");
    }
}
