//! What a refused push brought, as it is kept and as it comes back for a replay.

use std::sync::Arc;

use parkgate_intake::{Arrived, form_of};
use parkgate_store::{QuarantineContent, Quarantined, StoredImage};
use parkgate_text::texts;
use parkgate_wire::form::FormLimits;
use parkgate_wire::{Digest, Form, PushKind, UploadedFile};
use sha2::{Digest as _, Sha256};

/// What arrived of a refused push.
#[derive(Debug)]
pub enum RefusedContent {
    /// A whole form.
    Form(Form),
    /// A body that is none.
    Unread(Arrived),
}

impl RefusedContent {
    /// The park it names, if it names one.
    pub fn park_uuid(&self) -> Option<String> {
        match self {
            RefusedContent::Form(form) => form.get("park_uuid").map(str::to_owned),
            RefusedContent::Unread(arrived) => arrived.park_uuid.clone(),
        }
    }

    pub(crate) fn form(&self) -> Option<&Form> {
        match self {
            RefusedContent::Form(form) => Some(form),
            RefusedContent::Unread(_) => None,
        }
    }

    /// Hint, finding and everything sent.
    pub(crate) fn kept(&self, hint: String, finding: Option<String>) -> QuarantineContent {
        let mut kept = QuarantineContent { hint, finding, ..QuarantineContent::default() };
        match self {
            RefusedContent::Form(form) => kept.params = params(form),
            RefusedContent::Unread(arrived) => {
                let hides_secret = hides_secret(&arrived.raw);
                kept.incomplete = !arrived.is_whole || hides_secret;
                kept.params = params(&arrived.form);
                if !arrived.raw.is_empty() && !hides_secret {
                    kept.body = Some((arrived.content_type.clone(), hex::encode(without_secret(&arrived.raw))));
                }
            }
        }
        kept
    }

    /// What is not kept, since a secret cannot be separated from the rest. It counts in the digest all the same: two such pushes
    /// differ.
    fn hidden(&self) -> &[u8] {
        match self {
            RefusedContent::Unread(arrived) if hides_secret(&arrived.raw) => &arrived.raw,
            RefusedContent::Unread(_) | RefusedContent::Form(_) => &[],
        }
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

fn params(form: &Form) -> Vec<(String, String, Option<String>)> {
    let kept = form.params().map(|param| {
        let raw = (param.raw != param.value).then(|| param.raw.to_owned());
        (param.name.to_owned(), param.value.to_owned(), raw)
    });
    kept.collect()
}

/// A push that brings its secret is refused for that, and the secret is not kept.
fn without_secret(body: &[u8]) -> Vec<u8> {
    let pairs = body.split(|byte| *byte == b'&');
    let masked = pairs.map(|pair| if pair.starts_with(b"app_secret=") { b"app_secret=***" } else { pair });
    masked.collect::<Vec<_>>().join(&b'&')
}

/// Does a secret stand where it cannot be separated from the rest, as in JSON?
fn hides_secret(body: &[u8]) -> bool {
    let named = |bytes: &[u8]| find(bytes, b"app_secret").is_some();
    body.split(|byte| *byte == b'&').any(|pair| !pair.starts_with(b"app_secret=") && named(pair))
}

/// Equal for the same push sent again.
pub(crate) fn digest(
    key: &[u8; 32],
    kind: PushKind,
    content: &RefusedContent,
    kept: &QuarantineContent,
    pictures: &[(String, Arc<StoredImage>)],
) -> Digest {
    let mut hash = Sha256::new();
    let mut add = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    add(key);
    add(kind.name().as_bytes());
    for (name, value, raw) in &kept.params {
        add(name.as_bytes());
        add(value.as_bytes());
        add(raw.as_deref().unwrap_or_default().as_bytes());
    }
    if let Some((content_type, body)) = &kept.body {
        add(content_type.as_bytes());
        add(body.as_bytes());
    }
    add(content.hidden());
    for (part, picture) in pictures {
        add(part.as_bytes());
        add(&picture.key.0);
    }
    let hash: [u8; 32] = hash.finalize().into();
    let mut digest = [0; 16];
    digest.copy_from_slice(hash.first_chunk::<16>().unwrap_or(&[0; 16]));
    Digest(digest)
}

/// The form of a kept push, to be admitted anew.
///
/// # Errors
/// Not all of it is there, or it still is no form.
pub(crate) fn restored(entry: &Quarantined, limits: FormLimits) -> Result<Form, String> {
    let files: Vec<UploadedFile> = entry
        .pictures
        .iter()
        .map(|picture| UploadedFile { name: picture.name.clone(), md5: picture.md5, size: picture.size })
        .collect();
    if entry.kept.incomplete {
        return Err(texts().answers.incomplete.into());
    }
    let Some((content_type, body)) = &entry.kept.body else {
        let params = entry.kept.params.iter();
        let params = params.map(|(name, value, raw)| (name.as_str(), value.as_str(), raw.as_deref()));
        return Ok(Form::restored(params, files));
    };
    let body = hex::decode(body).map_err(|error| error.to_string())?;
    let form = form_of(content_type, body.into(), limits).map_err(|refusal| refusal.hint())?;
    if !form.files().is_empty() {
        return Err(texts().answers.as_it_came.into());
    }
    Ok(form)
}
