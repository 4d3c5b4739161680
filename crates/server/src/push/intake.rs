//! A request's body as a form: decoded within limits, its files streamed to the image store while they are hashed.

mod meter;

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use encoding_rs::{Encoding, UTF_8};
use futures_util::TryStreamExt;
use http::{HeaderMap, Method, Request, header};
use hyper::body::Incoming;
use multer::{Field, Multipart};
use parkgate_store::images::FinishedImage;
use parkgate_wire::form::FormBuilder;
use parkgate_wire::{Form, Refusal, UploadedFile, push::image_of_part};

use self::meter::{Meter, Progress};
use crate::aside::Sent;
use crate::fault::Fault;
use crate::gate::Gate;

/// What a request brought.
pub(super) struct Intake {
    pub(super) form: Form,
    /// Part name and picture, written aside; dropped, it leaves nothing behind.
    pub(super) files: Vec<(String, FinishedImage)>,
}

/// Why there is no form.
pub(super) enum Unread {
    /// The sender's to mend; and what arrived, where it may be worth keeping.
    Refused { refusal: Refusal, sent: Option<Box<Sent>>, files: Vec<(String, FinishedImage)> },
    /// Ours.
    Failed(Fault),
}

impl From<Refusal> for Unread {
    fn from(refusal: Refusal) -> Self {
        Unread::Refused { refusal, sent: None, files: Vec::new() }
    }
}

impl<E: Into<Fault>> From<E> for Unread {
    fn from(fault: E) -> Self {
        Unread::Failed(fault.into())
    }
}

/// Longer boundaries are none (RFC 2046).
const BOUNDARY_BYTES_MAX: usize = 70;

enum BodyKind {
    Urlencoded,
    Multipart { boundary: String },
}

/// Check 1: method, content type, size, and a body that is what it says.
pub(super) async fn read(gate: &Gate, request: Request<Incoming>) -> Result<Intake, Unread> {
    let (head, mut body) = request.into_parts();
    let limits = &gate.settings.limits;
    let checked = check_head(&head.method, head.uri.query(), &head.headers, limits.body_bytes_max);
    let content_type = || text(&head.headers, header::CONTENT_TYPE).to_owned();
    let read = match checked {
        Err(refusal @ (Refusal::ContentType { .. } | Refusal::Charset { .. })) => {
            let body = whole(gate, &mut body).await;
            Err(body.map_or_else(|unread| unread, |body| no_form(refusal, content_type(), body)))
        }
        Err(refusal) => Err(refusal.into()),
        Ok((BodyKind::Urlencoded, charset)) => match whole(gate, &mut body).await {
            Err(unread) => Err(unread),
            Ok(body) => match Form::from_urlencoded(&body, charset, limits.form()) {
                Ok(form) => Ok(Intake { form, files: Vec::new() }),
                Err(refusal) => Err(no_form(refusal, content_type(), body)),
            },
        },
        Ok((BodyKind::Multipart { boundary }, charset)) => read_multipart(gate, &mut body, &boundary, charset).await,
    };
    if let Err(Unread::Refused { refusal, .. }) = &read
        && *refusal != Refusal::TooSlow
    {
        // A sender that is still sending would not see the reply.
        meter::drain(&mut body, limits.body_idle_timeout).await;
    }
    read
}

fn no_form(refusal: Refusal, content_type: String, body: Bytes) -> Unread {
    Unread::Refused { refusal, sent: Some(Box::new(Sent::Body { content_type, body })), files: Vec::new() }
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> &str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
}

fn check_head(
    method: &Method,
    query: Option<&str>,
    headers: &HeaderMap,
    body_bytes_max: u64,
) -> Result<(BodyKind, &'static Encoding), Refusal> {
    if method != Method::POST {
        return Err(Refusal::Method { found: method.to_string() });
    }
    if query.is_some_and(|query| !query.is_empty()) {
        return Err(Refusal::QuerySent);
    }
    let coding = text(headers, header::CONTENT_ENCODING);
    if !coding.is_empty() && !coding.eq_ignore_ascii_case("identity") {
        return Err(Refusal::ContentEncoding { found: shortened(coding) });
    }
    let length = text(headers, header::CONTENT_LENGTH).parse::<u64>().unwrap_or(0);
    if length > body_bytes_max {
        return Err(Refusal::BodyTooLarge { bytes_max: body_bytes_max });
    }
    body_kind(text(headers, header::CONTENT_TYPE))
}

fn body_kind(content_type: &str) -> Result<(BodyKind, &'static Encoding), Refusal> {
    let mut pieces = content_type.split(';').map(str::trim);
    let essence = pieces.next().unwrap_or("").to_ascii_lowercase();
    let charset = charset_of(pieces)?;
    match essence.as_str() {
        "application/x-www-form-urlencoded" => Ok((BodyKind::Urlencoded, charset.unwrap_or(UTF_8))),
        "multipart/form-data" => match multer::parse_boundary(content_type) {
            Ok(boundary) if (1..=BOUNDARY_BYTES_MAX).contains(&boundary.len()) => {
                Ok((BodyKind::Multipart { boundary }, charset.unwrap_or(UTF_8)))
            }
            Ok(_) | Err(_) => Err(Refusal::Malformed { place: "`Content-Type`缺少有效的boundary".into() }),
        },
        _ => Err(Refusal::ContentType { found: shortened(content_type) }),
    }
}

fn charset_of<'a>(pieces: impl Iterator<Item = &'a str>) -> Result<Option<&'static Encoding>, Refusal> {
    for piece in pieces {
        let Some((name, value)) = piece.split_once('=') else { continue };
        if name.trim().eq_ignore_ascii_case("charset") {
            let value = value.trim().trim_matches('"');
            return match Encoding::for_label_no_replacement(value.as_bytes()) {
                Some(charset) => Ok(Some(charset)),
                None => Err(Refusal::Charset { found: shortened(value) }),
            };
        }
    }
    Ok(None)
}

/// A body of fields only.
async fn whole(gate: &Gate, body: &mut Incoming) -> Result<Bytes, Unread> {
    let limits = &gate.settings.limits;
    let mut meter = Meter::new(body, limits, Arc::default());
    let first = meter.try_next().await?.unwrap_or_default();
    let whole = match meter.try_next().await? {
        // Nearly every body comes in one piece: no copy.
        None => first,
        Some(second) => gather(&mut meter, first, second, limits.fields_bytes_max).await?,
    };
    check_fields_bytes(whole.len(), limits.fields_bytes_max)?;
    Ok(whole)
}

async fn gather(meter: &mut Meter<'_>, first: Bytes, second: Bytes, bytes_max: usize) -> Result<Bytes, Unread> {
    let mut whole = BytesMut::from(first);
    let mut next = Some(second);
    while let Some(piece) = next {
        whole.extend_from_slice(&piece);
        check_fields_bytes(whole.len(), bytes_max)?;
        meter.made_progress();
        next = meter.try_next().await?;
    }
    Ok(whole.freeze())
}

fn check_fields_bytes(bytes: usize, bytes_max: usize) -> Result<(), Refusal> {
    if bytes > bytes_max { Err(Refusal::BodyTooLarge { bytes_max: bytes_max as u64 }) } else { Ok(()) }
}

async fn read_multipart(
    gate: &Gate,
    body: &mut Incoming,
    boundary: &str,
    charset: &'static Encoding,
) -> Result<Intake, Unread> {
    let progress = Arc::<Progress>::default();
    let meter = Meter::new(body, &gate.settings.limits, Arc::clone(&progress));
    let mut parts = Parts {
        gate,
        charset,
        progress,
        builder: FormBuilder::new(gate.settings.limits.form()),
        files: Vec::new(),
        fields_bytes: 0,
        count: 0,
    };
    let mut multipart = Multipart::new(meter, boundary);
    match parts.take_all(&mut multipart).await {
        Ok(()) => Ok(Intake { form: parts.builder.build(), files: parts.files }),
        Err(Unread::Refused { refusal, .. }) => {
            let sent = Some(Box::new(Sent::Parts(parts.builder.build())));
            Err(Unread::Refused { refusal, sent, files: parts.files })
        }
        Err(failed) => Err(failed),
    }
}

struct Parts<'a> {
    gate: &'a Gate,
    charset: &'static Encoding,
    progress: Arc<Progress>,
    builder: FormBuilder,
    files: Vec<(String, FinishedImage)>,
    fields_bytes: usize,
    count: usize,
}

impl Parts<'_> {
    async fn take_all(&mut self, multipart: &mut Multipart<'_>) -> Result<(), Unread> {
        loop {
            match multipart.next_field().await {
                Ok(None) => return Ok(()),
                Ok(Some(field)) => self.take(field).await?,
                Err(error) => return Err(self.broken(error)),
            }
        }
    }

    async fn take(&mut self, field: Field<'_>) -> Result<(), Unread> {
        self.progress.made();
        self.count += 1;
        let limits = &self.gate.settings.limits;
        if self.count > limits.params_max + limits.files_max {
            return Err(Refusal::TooMany { what: "表单部分 parts", max: limits.params_max + limits.files_max }.into());
        }
        let Some(name) = field.name().map(str::to_owned) else {
            return Err(Refusal::Malformed { place: format!("第{}个表单部分没有name", self.count) }.into());
        };
        // By the name: some clients send files without a file name, and texts with one.
        if image_of_part(&name).is_some() {
            self.take_file(name, field).await
        } else {
            self.take_text(&name, field).await
        }
    }

    async fn take_text(&mut self, name: &str, mut field: Field<'_>) -> Result<(), Unread> {
        let limits = &self.gate.settings.limits;
        let own = field.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
        let charset = charset_of(own.split(';').skip(1).map(str::trim))?.unwrap_or(self.charset);
        let mut value = BytesMut::new();
        while let Some(chunk) = field.chunk().await.map_err(|error| self.broken(error))? {
            self.progress.made();
            self.fields_bytes += chunk.len();
            check_fields_bytes(self.fields_bytes, limits.fields_bytes_max)?;
            value.extend_from_slice(&chunk);
        }
        Ok(self.builder.text_part(name, &value, charset)?)
    }

    async fn take_file(&mut self, name: String, mut field: Field<'_>) -> Result<(), Unread> {
        let limits = &self.gate.settings.limits;
        let mut incoming = None;
        let mut bytes = 0;
        while let Some(chunk) = field.chunk().await.map_err(|error| self.broken(error))? {
            self.progress.made();
            bytes += chunk.len() as u64;
            if bytes > limits.file_bytes_max {
                return Err(Refusal::FileTooLarge { name, bytes_max: limits.file_bytes_max }.into());
            }
            if incoming.is_none() {
                if self.files.len() >= limits.files_max {
                    return Err(Refusal::TooMany { what: "文件 files", max: limits.files_max }.into());
                }
                incoming = Some(self.gate.images.incoming().await?);
            }
            if let Some(file) = incoming.as_mut() {
                file.write(chunk).await?;
            }
        }
        // Browsers send an empty part where no file was chosen.
        if let Some(file) = incoming {
            let file = file.finish().await?;
            self.builder.file_part(UploadedFile { name: name.clone(), md5: file.md5(), size: file.size() })?;
            self.files.push((name, file));
        }
        Ok(())
    }

    /// The meter's own reason goes before what the parser makes of it.
    fn broken(&self, error: multer::Error) -> Unread {
        let refusal = self.progress.refusal().unwrap_or_else(|| Refusal::Malformed {
            place: format!("multipart第{}个表单部分之后: {error}", self.count),
        });
        refusal.into()
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(100).collect()
}
