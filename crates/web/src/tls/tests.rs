use std::path::PathBuf;

use parkgate_testbed::Authority;

use super::*;

struct Files {
    folder: tempfile::TempDir,
    authority: Authority,
}

impl Files {
    fn new() -> Files {
        let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new("tests"));
        let files = Files { folder, authority };
        files.renew();
        files
    }

    fn renew(&self) {
        let _ = self.authority.certificate(self.folder.path(), "localhost");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn named(&self) -> TlsFiles {
        TlsFiles { certificate: self.path("server.pem"), key: self.path("server.key") }
    }

    fn load(&self) -> Result<Arc<Tls>, TlsError> {
        Tls::load(self.named())
    }
}

#[test]
fn what_is_wrong_with_the_files_is_said() {
    let files = Files::new();
    let (certificate, key) = (files.path("server.pem"), files.path("server.key"));
    let good = (std::fs::read(&certificate).unwrap(), std::fs::read(&key).unwrap());
    assert!(files.load().is_ok());
    let wrong = |of: &Path, bytes: &[u8]| {
        std::fs::write(&certificate, &good.0).unwrap();
        std::fs::write(&key, &good.1).unwrap();
        std::fs::write(of, bytes).unwrap();
        files.load().unwrap_err()
    };
    assert!(matches!(wrong(&certificate, b""), TlsError::NoCertificate(_)));
    assert!(matches!(wrong(&certificate, &good.1), TlsError::NoCertificate(_)));
    assert!(matches!(wrong(&key, &good.0), TlsError::NoKey(_)));
    let half = good.0.get(..good.0.len() / 2).unwrap();
    assert!(matches!(wrong(&certificate, half), TlsError::NoCertificate(_) | TlsError::Unusable { .. }));
    let half = good.1.get(..good.1.len() / 2).unwrap();
    assert!(matches!(wrong(&key, half), TlsError::NoKey(_)));
    let damaged = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(matches!(wrong(&certificate, damaged), TlsError::Unusable { .. }));
    let encrypted = b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    assert!(matches!(wrong(&key, encrypted), TlsError::EncryptedKey(_)));
    let other = Files::new();
    assert!(matches!(wrong(&key, &std::fs::read(other.path("server.key")).unwrap()), TlsError::Mismatch));
    let at_most = usize::try_from(FILE_BYTES_MAX).unwrap();
    assert!(matches!(wrong(&certificate, &vec![b'\n'; at_most + 1]), TlsError::TooLarge(_)));
    let mut long = good.0.clone();
    long.resize(at_most, b'\n');
    std::fs::write(&key, &good.1).unwrap();
    std::fs::write(&certificate, long).unwrap();
    assert!(files.load().is_ok());
    std::fs::remove_file(&key).unwrap();
    assert!(matches!(files.load().unwrap_err(), TlsError::Unreadable { .. }));
}

#[test]
fn files_that_do_not_fit_change_nothing_until_they_do() {
    let files = Files::new();
    let tls = files.load().unwrap();
    let mut fault = LastFault::default();
    let first = tls.current.load_full();
    let mut look = |is_asked| tls.take_over(&mut fault, FilePair::read(&files.named()), is_asked);
    assert!(!look(false), "nothing has changed");
    let key = std::fs::read(files.path("server.key")).unwrap();
    files.renew();
    let renewed = std::fs::read(files.path("server.key")).unwrap();
    std::fs::write(files.path("server.key"), key).unwrap();
    assert!(!look(false));
    assert!(!look(true), "nor when somebody asks");
    assert!(Arc::ptr_eq(&first, &tls.current.load_full()));
    std::fs::write(files.path("server.key"), renewed).unwrap();
    assert!(look(false));
    assert!(!Arc::ptr_eq(&first, &tls.current.load_full()));
    assert!(!look(false));
    assert!(look(true), "whoever asks is answered");
}

#[test]
fn a_fault_is_logged_when_it_is_found_twice_and_then_no_more() {
    let mut fault = LastFault::default();
    let mut logs = |reason: &str, is_asked| {
        let before = fault.is_logged && fault.reason == reason;
        fault.note(reason.to_owned(), is_asked);
        fault.is_logged && !before
    };
    assert!(!logs("half", false), "a renewal is under way");
    assert!(logs("half", false));
    assert!(!logs("half", false));
    assert!(!logs("other", false));
    assert!(logs("other", true));
}
