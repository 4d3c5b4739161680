//! TLS on both addresses, as clients of every kind see it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parkgate_testbed::{Authority, DEMO_PARK, TestGate, leave, parkgate, parkgate_with};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::PARKGATE;

/// A gate whose certificate this authority signed.
struct SecureGate {
    gate: TestGate,
    authority: Authority,
    folder: tempfile::TempDir,
}

/// How long a test waits for what must come.
const WAIT_MAX: Duration = Duration::from_secs(60);

impl SecureGate {
    fn start(more: &[(&str, &str)]) -> SecureGate {
        let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new("Parkgate tests"));
        let (certificate, key) = authority.certificate(folder.path(), "127.0.0.1");
        let mut gate = TestGate::stopped(PARKGATE, &folder.path().join("data"), &["--demo"]);
        let mut variables = vec![
            ("PARKGATE_TLS_CERTIFICATE".to_owned(), certificate.display().to_string()),
            ("PARKGATE_TLS_KEY".to_owned(), key.display().to_string()),
        ];
        variables.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        gate.set_variables(&variables);
        gate.trust(&authority);
        gate.start();
        SecureGate { gate, authority, folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn renew(&self) {
        let _ = self.authority.certificate(self.folder.path(), "127.0.0.1");
    }

    fn address(&self) -> &str {
        self.gate.url.strip_prefix("https://").unwrap()
    }

    /// A connection without TLS.
    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address()).unwrap();
        stream.set_read_timeout(Some(WAIT_MAX)).unwrap();
        stream
    }

    fn connect_securely(&self) -> SecureConnection {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.authority.file()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_root_certificates(roots).with_no_client_auth();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let mut connection =
            SecureConnection(StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), self.connect()));
        connection.healthy();
        connection
    }

    /// Waits until this stands in the log.
    fn until_logged(&self, text: &str) {
        wait_until(|| self.gate.log().contains(text));
    }
}

fn wait_until(is_so: impl Fn() -> bool) {
    let until = Instant::now() + WAIT_MAX;
    while !is_so() {
        assert!(Instant::now() < until, "it did not come about");
        std::thread::yield_now();
    }
}

/// One that is kept open.
struct SecureConnection(StreamOwned<ClientConnection, TcpStream>);

impl SecureConnection {
    fn healthy(&mut self) {
        self.0.write_all(b"GET /healthz HTTP/1.1\r\nhost: gate\r\n\r\n").unwrap();
        let mut reply = Vec::new();
        while !reply.ends_with(b"ok\n") {
            let mut piece = [0; 512];
            let length = self.0.read(&mut piece).unwrap();
            assert!(length > 0, "{}", String::from_utf8_lossy(&reply));
            reply.extend_from_slice(&piece[..length]);
        }
    }

    fn certificate(&self) -> Vec<u8> {
        self.0.conn.peer_certificates().unwrap()[0].to_vec()
    }
}

#[test]
fn pushes_and_figures_come_over_tls() {
    let secure = SecureGate::start(&[]);
    assert!(secure.gate.url.starts_with("https://") && secure.gate.admin_url.starts_with("https://"));
    secure.gate.taken("leave", leave("S1", &[]));
    assert_eq!(secure.gate.visit("S1")["parking_serial"], "S1");
    let metrics = secure.gate.metrics();
    assert!(metrics.contains("parkgate_tls_certificate_not_after_timestamp_seconds "), "{metrics}");
    assert!(metrics.contains("parkgate_tls_handshake_failures_total 0"), "{metrics}");
    assert!(secure.gate.readiness().0);
}

#[test]
fn a_private_authority_is_trusted_by_whoever_is_given_it() {
    let secure = SecureGate::start(&[]);
    let uuid = format!("park_uuid={DEMO_PARK}");
    let args =
        ["push", "enter", "--url", &secure.gate.url, "--secret", "123", &uuid, "parking_serial=S1", "plate=粤B1"];
    let args = [&args[..], &["plate_color=1", "enter_time=1624874732253", "car_type=1", "car_desc=x"]].concat();
    assert_eq!(parkgate(Path::new(PARKGATE), &args).status.code(), Some(4), "nobody knows that authority");
    let trusted = [("SSL_CERT_FILE".to_owned(), secure.authority.file().display().to_string())];
    let output = parkgate_with(Path::new(PARKGATE), &args, &trusted);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    wait_until(|| secure.gate.metrics().contains("parkgate_tls_handshake_failures_total 1"));
}

#[test]
fn a_renewed_certificate_is_used_while_kept_connections_go_on() {
    let secure = SecureGate::start(&[]);
    let mut kept = secure.connect_securely();
    secure.renew();
    wait_until(|| secure.connect_securely().certificate() != kept.certificate());
    kept.healthy();
    // Files that do not belong together change nothing; whoever asks by SIGHUP is answered at once.
    let second = secure.connect_securely().certificate();
    let key = std::fs::read(secure.path("server.key")).unwrap();
    secure.renew();
    let renewed = std::fs::read(secure.path("server.key")).unwrap();
    std::fs::write(secure.path("server.key"), key).unwrap();
    secure.gate.signal("HUP");
    secure.until_logged("do not belong together");
    assert_eq!(secure.connect_securely().certificate(), second);
    std::fs::write(secure.path("server.key"), renewed).unwrap();
    secure.gate.signal("HUP");
    wait_until(|| secure.connect_securely().certificate() != second);
    kept.healthy();
}

#[test]
fn a_certificate_that_vanishes_stays_in_use() {
    let secure = SecureGate::start(&[]);
    std::fs::remove_file(secure.path("server.pem")).unwrap();
    secure.until_logged("the one before stays in use");
    secure.connect_securely();
}

#[test]
fn wrong_files_end_the_start_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = Authority::new("tests").certificate(folder.path(), "127.0.0.1");
    let other = tempfile::tempdir().unwrap();
    let (_, other_key) = Authority::new("tests").certificate(other.path(), "127.0.0.1");
    let data = folder.path().join("data");
    let start = |files: &[(&str, &Path)]| {
        let variables: Vec<_> =
            files.iter().map(|(name, path)| ((*name).to_owned(), path.display().to_string())).collect();
        let args = ["--lang", "en", "serve", "--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()];
        let output = parkgate_with(Path::new(PARKGATE), &args, &variables);
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (named, missing) = ("PARKGATE_TLS_CERTIFICATE", folder.path().join("nowhere.pem"));
    for (files, said) in [
        (vec![(named, certificate.as_path())], "key is missing"),
        (vec![("PARKGATE_TLS_KEY", &key)], "certificate is missing"),
        (vec![(named, &missing), ("PARKGATE_TLS_KEY", &key)], "cannot read"),
        (vec![(named, &key), ("PARKGATE_TLS_KEY", &key)], "holds no certificate in PEM"),
        (vec![(named, &certificate), ("PARKGATE_TLS_KEY", &certificate)], "holds no private key in PEM"),
        (vec![(named, &certificate), ("PARKGATE_TLS_KEY", &other_key)], "do not belong together"),
    ] {
        let (code, text) = start(&files);
        assert_eq!(code, Some(2), "{text}");
        assert!(text.contains(said), "{said}: {text}");
    }
    assert!(!data.exists(), "nothing was made before");
}

#[test]
fn who_speaks_plain_http_is_answered() {
    let secure = SecureGate::start(&[]);
    let admin = secure.gate.admin_url.strip_prefix("https://").unwrap();
    for (address, said) in [(secure.address(), "\"code\":\"400\""), (admin, "this address speaks TLS")] {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(WAIT_MAX)).unwrap();
        stream
            .write_all(b"POST /gate/1.0/parking/internal/leave HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\na=b")
            .unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        assert!(reply.starts_with("HTTP/1.1 400 ") && reply.contains(said) && reply.contains("https://"), "{reply}");
    }
}

#[test]
fn slow_handshakes_hold_up_nobody_and_end() {
    let secure = SecureGate::start(&[("PARKGATE_LIMITS_HEADER_TIMEOUT", "500ms")]);
    let mut silent: Vec<TcpStream> = (0..8).map(|_| secure.connect()).collect();
    for stream in silent.iter_mut().skip(4) {
        // A handshake begins with this.
        stream.write_all(&[22, 3, 1]).unwrap();
    }
    secure.gate.taken("leave", leave("S1", &[]));
    for stream in &mut silent {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert!(rest.len() < 16, "no reply but an alert");
    }
    secure.until_logged("it took too long");
}

#[test]
fn handshakes_count_as_connections_of_their_address_and_give_way() {
    let per_address = SecureGate::start(&[("PARKGATE_LIMITS_CONNECTIONS_PER_ADDRESS_MAX", "2")]);
    let held = [per_address.connect(), per_address.connect()];
    wait_until(|| per_address.gate.metrics().contains("parkgate_connections 2"));
    let mut third = per_address.connect();
    assert_eq!(third.read(&mut [0; 8]).unwrap_or(0), 0, "turned away");
    drop(held);
    wait_until(|| per_address.gate.metrics().contains("parkgate_connections 0"));
    per_address.gate.taken("leave", leave("S1", &[]));

    let few = [("PARKGATE_LIMITS_CONNECTIONS_MAX", "2"), ("PARKGATE_LIMITS_HEADER_TIMEOUT", "1h")];
    let full = SecureGate::start(&few);
    let _held = [full.connect(), full.connect()];
    full.gate.taken("leave", leave("S1", &[]));
}

#[test]
fn a_stop_does_not_wait_for_handshakes() {
    let long = [("PARKGATE_LIMITS_HEADER_TIMEOUT", "1h"), ("PARKGATE_LIMITS_DRAIN_TIMEOUT", "1h")];
    let mut secure = SecureGate::start(&long);
    let _held = secure.connect();
    wait_until(|| secure.gate.metrics().contains("parkgate_connections 1"));
    assert_eq!(secure.gate.stop(), Some(0));
}

#[test]
fn a_key_that_everybody_can_read_is_warned_of() {
    use std::os::unix::fs::PermissionsExt as _;
    let secure = SecureGate::start(&[]);
    secure.gate.taken("leave", leave("S1", &[]));
    assert!(!secure.gate.log().contains("everybody on this machine"));
    std::fs::set_permissions(secure.path("server.key"), std::fs::Permissions::from_mode(0o644)).unwrap();
    secure.gate.signal("HUP");
    secure.until_logged("everybody on this machine can read the private key");
}

#[test]
fn sighup_without_a_certificate_changes_nothing() {
    let gate = TestGate::demo(PARKGATE);
    gate.signal("HUP");
    wait_until(|| gate.log().contains("there is no certificate to read anew"));
    gate.taken("leave", leave("S1", &[]));
}
