//! `[tls]`: the certificate of both addresses.

use std::path::PathBuf;

use parkgate_text::texts;
use parkgate_web::{TlsError, TlsFiles};
use serde::Deserialize;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GivenTls {
    pub(super) certificate: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
}

impl GivenTls {
    pub(super) const NAMES: &[&str] = &["certificate", "key"];

    /// Both files or none.
    pub(super) fn files(self) -> Result<Option<TlsFiles>, String> {
        match (self.certificate, self.key) {
            (Some(certificate), Some(key)) => Ok(Some(TlsFiles { certificate, key })),
            (None, None) => Ok(None),
            (Some(_), None) => Err((texts().tls.half)("key")),
            (None, Some(_)) => Err((texts().tls.half)("certificate")),
        }
    }
}

/// What is wrong with the files, and what to do.
pub(crate) fn tls_fault(files: &TlsFiles, error: &TlsError) -> String {
    let texts = &texts().tls;
    match error {
        TlsError::Unreadable { path, error } => (texts.unreadable)(&path.display().to_string(), &error.to_string()),
        TlsError::TooLarge(path) => (texts.too_large)(&path.display().to_string()),
        TlsError::NoCertificate(path) => (texts.no_certificate)(&path.display().to_string()),
        TlsError::NoKey(path) => (texts.no_key)(&path.display().to_string()),
        TlsError::EncryptedKey(path) => (texts.encrypted_key)(&path.display().to_string()),
        TlsError::Mismatch => {
            (texts.mismatch)(&files.certificate.display().to_string(), &files.key.display().to_string())
        }
        TlsError::Unusable { path, reason } => (texts.unusable)(&path.display().to_string(), reason),
    }
}
