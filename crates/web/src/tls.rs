//! TLS for both addresses: a certificate and its key from two files, which are read again when they change or when somebody
//! asks for it.
//!
//! Both files are read whole, made into one configuration, and only then take the place of the one before: connections that
//! are open go on with what they began with, and files that do not fit together change nothing. Whoever renews a certificate
//! writes two files one after the other, so a fault is logged when it is found a second time.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use prometheus_client::metrics::gauge::Gauge;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{InconsistentKeys, ServerConfig};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use x509_cert::Certificate;
use x509_cert::der::Decode;

/// How often the files are looked at. Two files of a few thousand bytes: a renewal is noticed before anybody wonders.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Bytes of a file: a chain of ten certificates has 20 000.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Whoever renews by a timer does so a month before the end; with two weeks left it has failed a few times.
const EXPIRES_SOON: Duration = Duration::from_secs(14 * 24 * 60 * 60);
/// How often that is said.
const REMIND_EVERY: Duration = Duration::from_secs(24 * 60 * 60);

/// Where the certificate and its key are, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, and those between it and the authority's, in this order.
    pub certificate: PathBuf,
    /// Its private key: PKCS#8, PKCS#1 or SEC1, without a password.
    pub key: PathBuf,
}

/// Why a certificate and its key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// No certificate or key has so many bytes.
    #[error("{}: more than {FILE_BYTES_MAX} bytes", .0.display())]
    TooLarge(PathBuf),
    /// The file holds no certificate in PEM.
    #[error("{}: no certificate in PEM", .0.display())]
    NoCertificate(PathBuf),
    /// The file holds no private key in PEM.
    #[error("{}: no private key in PEM", .0.display())]
    NoKey(PathBuf),
    /// The key has a password.
    #[error("{}: the private key has a password", .0.display())]
    EncryptedKey(PathBuf),
    /// The key is another certificate's.
    #[error("the certificate and the key do not belong together")]
    Mismatch,
    /// A certificate or key that is damaged, or of a kind that is not supported.
    #[error("{}: {reason}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
}

/// The certificate in use.
pub struct Tls {
    files: TlsFiles,
    current: ArcSwap<ServerConfig>,
    in_use: Mutex<FilePair>,
    /// The last second at which the certificate is valid, since 1970.
    pub(crate) not_after: Gauge<i64, AtomicI64>,
    asked: Notify,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("files", &self.files).finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads both files.
    ///
    /// # Errors
    /// They cannot be used, and why.
    pub fn load(files: TlsFiles) -> Result<Arc<Tls>, TlsError> {
        let pair = FilePair::read(&files)?;
        let usable = pair.usable(&files)?;
        let tls = Tls {
            files,
            current: ArcSwap::from(usable.config),
            in_use: Mutex::new(pair),
            not_after: Gauge::default(),
            asked: Notify::new(),
        };
        tls.not_after.set(usable.not_after);
        Ok(Arc::new(tls))
    }

    /// Looks at the files now, and says what came of it in the log.
    pub fn reload(&self) {
        self.asked.notify_one();
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.current.load_full())
    }

    /// Takes the files over whenever they change, until it is dropped.
    pub(crate) async fn follow(self: Arc<Self>) {
        warn_if_open_to_others(&self.files.key);
        let mut fault = LastFault::default();
        let mut remind = Instant::now();
        loop {
            if Instant::now() >= remind {
                self.remind();
                remind = Instant::now() + REMIND_EVERY;
            }
            let is_asked = tokio::select! {
                () = self.asked.notified() => true,
                () = tokio::time::sleep(LOOK_EVERY) => false,
            };
            // Files may lie on a disk that hangs.
            let files = self.files.clone();
            let Ok(read) = tokio::task::spawn_blocking(move || FilePair::read(&files)).await else { continue };
            if self.take_over(&mut fault, read, is_asked) {
                remind = Instant::now();
            }
        }
    }

    /// Uses what was read if it is new and can be used; did it?
    fn take_over(&self, fault: &mut LastFault, read: Result<FilePair, TlsError>, is_asked: bool) -> bool {
        let mut in_use = self.in_use.lock().unwrap_or_else(PoisonError::into_inner);
        let usable = match read {
            Ok(pair) if *in_use == pair && !is_asked => {
                *fault = LastFault::default();
                return false;
            }
            read => read.and_then(|pair| Ok((pair.usable(&self.files)?, pair))),
        };
        match usable {
            Ok((usable, pair)) => {
                self.current.store(usable.config);
                self.not_after.set(usable.not_after);
                (*in_use, *fault) = (pair, LastFault::default());
                let certificate = self.files.certificate.display();
                tracing::info!(%certificate, not_after = usable.not_after, "the certificate was read anew");
                warn_if_open_to_others(&self.files.key);
                true
            }
            Err(error) => {
                fault.note(error.to_string(), is_asked);
                false
            }
        }
    }

    fn remind(&self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let left = self.not_after.get() - i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let certificate = self.files.certificate.display();
        if left < 0 {
            tracing::error!(%certificate, not_after = self.not_after.get(), "the certificate has expired");
        } else if Duration::from_secs(left.unsigned_abs()) < EXPIRES_SOON {
            let days = left / (24 * 60 * 60);
            tracing::warn!(%certificate, days, "the certificate expires soon: renew it");
        }
    }
}

/// What was wrong with the files at the last look.
#[derive(Default)]
struct LastFault {
    reason: String,
    is_logged: bool,
}

impl LastFault {
    /// Logs what is found for the second time, or what somebody asked for.
    fn note(&mut self, reason: String, is_asked: bool) {
        let is_known = self.reason == reason;
        let was_logged = is_known && self.is_logged;
        let logs = is_asked || is_known && !was_logged;
        if logs {
            tracing::error!(reason, "the certificate on the disk cannot be used: the one before stays in use");
        }
        *self = LastFault { reason, is_logged: logs || was_logged };
    }
}

/// Both files, as they are on the disk.
#[derive(PartialEq, Eq)]
struct FilePair {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

/// What was made of them.
struct Usable {
    config: Arc<ServerConfig>,
    not_after: i64,
}

impl FilePair {
    fn read(files: &TlsFiles) -> Result<FilePair, TlsError> {
        Ok(FilePair { certificate: read(&files.certificate)?, key: read(&files.key)? })
    }

    fn usable(&self, files: &TlsFiles) -> Result<Usable, TlsError> {
        let unusable = |path: &Path, reason: String| TlsError::Unusable { path: path.to_owned(), reason };
        let chain = CertificateDer::pem_slice_iter(&self.certificate).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(|error| unusable(&files.certificate, error.to_string()))?;
        let Some(leaf) = chain.first() else { return Err(TlsError::NoCertificate(files.certificate.clone())) };
        let not_after = not_after(leaf).map_err(|reason| unusable(&files.certificate, reason))?;
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|_| self.no_key(&files.key))?;
        let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let config = builder.with_safe_default_protocol_versions().and_then(|builder| {
            let mut config = builder.with_no_client_auth().with_single_cert(chain, key)?;
            config.alpn_protocols = vec![b"http/1.1".to_vec()];
            // Car parks that connect anew again and again need no whole handshake each time, however many they are.
            config.ticketer = aws_lc_rs::Ticketer::new()?;
            Ok(Arc::new(config))
        });
        let config = config.map_err(|error| match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => TlsError::Mismatch,
            rustls::Error::InvalidCertificate(reason) => unusable(&files.certificate, format!("{reason:?}")),
            other => unusable(&files.key, other.to_string()),
        })?;
        Ok(Usable { config, not_after })
    }

    fn no_key(&self, path: &Path) -> TlsError {
        // In PKCS#8's own form, and in that of older programs.
        let is_encrypted = [&b"ENCRYPTED PRIVATE KEY"[..], b"Proc-Type: 4,ENCRYPTED"];
        if is_encrypted.iter().any(|mark| self.key.windows(mark.len()).any(|piece| piece == *mark)) {
            return TlsError::EncryptedKey(path.to_owned());
        }
        TlsError::NoKey(path.to_owned())
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes));
    match read {
        Ok(_) if bytes.len() as u64 > FILE_BYTES_MAX => Err(TlsError::TooLarge(path.to_owned())),
        Ok(_) => Ok(bytes),
        Err(error) => Err(TlsError::Unreadable { path: path.to_owned(), error }),
    }
}

/// The last second at which a certificate is valid, since 1970.
fn not_after(certificate: &CertificateDer<'_>) -> Result<i64, String> {
    let certificate = Certificate::from_der(certificate).map_err(|error| error.to_string())?;
    let seconds = certificate.tbs_certificate.validity.not_after.to_unix_duration().as_secs();
    Ok(i64::try_from(seconds).unwrap_or(i64::MAX))
}

/// A key that everybody on the machine can read is nobody's. Its group may: that is how Debian shares keys (`ssl-cert`).
fn warn_if_open_to_others(key: &Path) {
    if parkgate_seal::disk::is_open_to_everybody(key).unwrap_or(false) {
        tracing::warn!(key = %key.display(), "everybody on this machine can read the private key: chmod o= it");
    }
}

#[cfg(test)]
mod tests;
