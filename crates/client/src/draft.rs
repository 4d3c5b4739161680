//! A push before it is signed, and the request made from it.

use std::io::Read;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use md5::{Digest, Md5};
use parkgate_wire::field::hash_of_part;
use parkgate_wire::{Secret, sign};
use reqwest::multipart::{Form, Part};
use tokio_util::io::ReaderStream;

use crate::error::ClientError;

/// Bytes read and sent at a time.
const PIECE: usize = 128 * 1024;
/// A picture up to this size is read whole.
const WHOLE_MAX: u64 = 512 * 1024;

/// How values are sent and signed (`leave.md`, 签名计算).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Signing {
    /// As they are.
    #[default]
    Plain,
    /// `encoding=URL`: URL-encoded before they are signed, as `java.net.URLEncoder` does; the form encodes them again.
    UrlEncoded,
}

/// Parameters and pictures of one push. Empty values are never sent: platforms that sign them and platforms that leave them out
/// then agree.
#[derive(Debug, Clone, Default)]
pub struct Draft {
    params: Vec<(String, String)>,
    files: Vec<(String, PictureSource)>,
}

/// Where the bytes of a picture are.
#[derive(Debug, Clone)]
enum PictureSource {
    File(PathBuf),
    Memory(Bytes),
}

impl Draft {
    /// Sets a parameter by its protocol name; an empty value removes it.
    #[must_use]
    pub fn param(mut self, name: &str, value: &str) -> Self {
        self.params.retain(|(other, _)| other != name);
        if !value.is_empty() {
            self.params.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// Sets a parameter that the client sends with every push, unless the draft has its own.
    pub(crate) fn unless_set(self, name: &str, value: &Option<String>) -> Self {
        match value {
            Some(value) if !self.params.iter().any(|(other, _)| other == name) => self.param(name, value),
            Some(_) | None => self,
        }
    }

    /// Adds a picture (`leave_image_file`). Its hash is computed, unless it was given; that of a release (`capture_image`) has none,
    /// and takes the place of the URL in the parameter of the same name.
    #[must_use]
    pub fn file(self, part: &str, path: impl AsRef<Path>) -> Self {
        self.picture(part, PictureSource::File(path.as_ref().to_owned()))
    }

    /// Adds a picture from memory. Its hash is computed, unless it was given.
    #[must_use]
    pub fn file_bytes(self, part: &str, bytes: impl Into<Bytes>) -> Self {
        self.picture(part, PictureSource::Memory(bytes.into()))
    }

    fn picture(mut self, part: &str, source: PictureSource) -> Self {
        self.params.retain(|(name, _)| name != part);
        self.files.push((part.to_owned(), source));
        self
    }

    pub(crate) async fn request(
        mut self,
        http: &reqwest::Client,
        address: &str,
        secret: &Secret,
        signing: Signing,
    ) -> Result<reqwest::RequestBuilder, ClientError> {
        for (part, picture) in &self.files {
            let Some(hash) = hash_of_part(part) else { continue };
            if !self.params.iter().any(|(name, _)| *name == hash) {
                let md5 = match picture {
                    PictureSource::File(path) => {
                        md5_of(path).await.map_err(|error| ClientError::File(path.clone(), error))?
                    }
                    PictureSource::Memory(bytes) => hex::encode_upper(Md5::digest(bytes)),
                };
                self.params.push((hash, md5));
            }
        }
        self.params.retain(|(name, _)| name != "sign");
        if signing == Signing::UrlEncoded {
            self.params.retain(|(name, _)| name != "encoding");
            self.params.iter_mut().for_each(|(name, value)| *value = url_encoded(name, value));
            self.params.push(("encoding".into(), "URL".into()));
        }
        let (_, signature) = sign(self.params.iter().map(|(n, v)| (n.as_str(), v.as_str())), secret);
        self.params.push(("sign".into(), signature));
        let request = http.post(address);
        if self.files.is_empty() {
            let body: Vec<String> = self.params.iter().map(|(n, v)| format!("{n}={}", form_encoded(v))).collect();
            let content_type = "application/x-www-form-urlencoded; charset=UTF-8";
            return Ok(request.header("content-type", content_type).body(body.join("&")));
        }
        let mut form =
            self.params.into_iter().fold(Form::new(), |form, (name, value)| form.part(name, text_part(value)));
        for (part, picture) in self.files {
            let file = match picture {
                PictureSource::File(path) => {
                    part_of(&part, &path).await.map_err(|error| ClientError::File(path, error))?
                }
                PictureSource::Memory(bytes) => {
                    let size = bytes.len() as u64;
                    Part::stream_with_length(bytes, size).file_name(part.clone())
                }
            };
            form = form.part(part, file);
        }
        Ok(request.multipart(form))
    }
}

/// A text part of a multipart form. It names its charset as the document's program does: many servers read a part without one as
/// ISO-8859-1.
#[must_use]
pub fn text_part(value: String) -> Part {
    let plain = Part::text(value.clone()).mime_str("text/plain; charset=UTF-8");
    plain.unwrap_or_else(|_| Part::text(value))
}

/// The MD5 in upper case, as the document prints it; read in pieces, on a blocking thread.
async fn md5_of(path: &Path) -> std::io::Result<String> {
    let path = path.to_owned();
    let hashed = tokio::task::spawn_blocking(move || {
        let mut file = std::fs::File::open(path)?;
        let mut md5 = Md5::new();
        let mut piece = vec![0; PIECE];
        loop {
            match file.read(&mut piece)? {
                0 => return Ok(hex::encode_upper(md5.finalize())),
                read => md5.update(piece.get(..read).unwrap_or_default()),
            }
        }
    });
    hashed.await.map_err(std::io::Error::other)?
}

/// A file part: an ordinary picture is read whole, a large one streamed, so that memory stays bounded.
async fn part_of(part: &str, path: &Path) -> std::io::Result<Part> {
    let name = path.file_name().map_or_else(|| part.to_owned(), |name| name.to_string_lossy().into_owned());
    let size = tokio::fs::metadata(path).await?.len();
    if size <= WHOLE_MAX {
        let bytes = Bytes::from(tokio::fs::read(path).await?);
        let size = bytes.len() as u64;
        return Ok(Part::stream_with_length(bytes, size).file_name(name));
    }
    let file = tokio::fs::File::open(path).await?;
    let body = reqwest::Body::wrap_stream(ReaderStream::with_capacity(file, PIECE));
    Ok(Part::stream_with_length(body, size).file_name(name))
}

/// Encodes a value, except for the URL of a picture: the platform does not decode that.
fn url_encoded(name: &str, value: &str) -> String {
    if name.ends_with("_image") && (value.starts_with("http://") || value.starts_with("https://")) {
        return value.to_owned();
    }
    form_encoded(value).replace("%20", "+")
}

fn form_encoded(value: &str) -> String {
    let mut out = String::with_capacity(value.len() * 2);
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'*') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
