//! The head and the body of a request as a form.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use encoding_rs::{Encoding, UTF_8};
use futures_util::TryStreamExt;
use http::request::Parts as Head;
use http::{HeaderMap, Method, header};
use http_body::Body;
use multer::{Field, Multipart};
use parkgate_wire::form::FormBuilder;
use parkgate_wire::{Form, Refusal, UploadedFile, push::image_of_part};

use crate::limits::IntakeLimits;
use crate::meter::{self, Meter, Progress};
use crate::sink::FileSink;

/// What a request brought.
#[derive(Debug)]
pub struct Intake<F> {
    /// Its parameters, and name, MD5 and size of its files.
    pub form: Form,
    /// Part names and files.
    pub files: Vec<(String, F)>,
}

/// Why there is no form.
#[derive(Debug)]
pub enum Unread<F, E> {
    /// The sender's to mend.
    Refused {
        /// What is wrong.
        refusal: Refusal,
        /// What arrived, where it may be worth keeping.
        arrived: Option<Box<Arrived>>,
        /// The files that arrived whole.
        files: Vec<(String, F)>,
    },
    /// Ours: a file could not be written.
    Failed(E),
}

/// What arrived of a body that is no form.
#[derive(Debug)]
pub enum Arrived {
    /// The parts of a multipart body before it broke.
    Parts(Form),
    /// A whole body.
    Body {
        /// Its `Content-Type`.
        content_type: String,
        /// Its bytes.
        body: Bytes,
    },
}

impl<F, E> From<Refusal> for Unread<F, E> {
    fn from(refusal: Refusal) -> Self {
        Unread::Refused { refusal, arrived: None, files: Vec::new() }
    }
}

type Outcome<T, S> = Result<T, Unread<<S as FileSink>::File, <S as FileSink>::Error>>;

/// Longer boundaries are none (RFC 2046).
const BOUNDARY_BYTES_MAX: usize = 70;

const FORM: &str = "application/x-www-form-urlencoded";
const MULTIPART: &str = "multipart/form-data";

enum BodyKind {
    Urlencoded,
    Multipart { boundary: String },
}

/// Check 1 (`DESIGN.md` 3.3): method, content type, size, and a body that is what it says.
///
/// # Errors
/// The request is refused, or a file could not be written.
pub async fn read<B, S>(head: &Head, body: &mut B, limits: &IntakeLimits, sink: &S) -> Outcome<Intake<S::File>, S>
where
    B: Body<Data = Bytes> + Unpin + Send,
    S: FileSink,
{
    let read = read_checked(head, body, limits, sink).await;
    if let Err(Unread::Refused { refusal, .. }) = &read
        && *refusal != Refusal::TooSlow
    {
        // A sender that is still sending would not see the reply.
        meter::drain(body, limits.body_idle_timeout).await;
    }
    read
}

async fn read_checked<B, S>(head: &Head, body: &mut B, limits: &IntakeLimits, sink: &S) -> Outcome<Intake<S::File>, S>
where
    B: Body<Data = Bytes> + Unpin + Send,
    S: FileSink,
{
    let content_type = || text(&head.headers, header::CONTENT_TYPE).to_owned();
    match check_head(&head.method, head.uri.query(), &head.headers, limits.body_bytes_max) {
        Err(refusal @ (Refusal::ContentType { .. } | Refusal::Charset { .. })) => {
            let body = whole(body, limits).await?;
            Err(no_form(refusal, content_type(), body))
        }
        Err(refusal) => Err(refusal.into()),
        Ok((BodyKind::Urlencoded, charset)) => {
            let body = whole(body, limits).await?;
            match Form::from_urlencoded(&body, charset, limits.form) {
                Ok(form) => Ok(Intake { form, files: Vec::new() }),
                Err(refusal) => Err(no_form(refusal, content_type(), body)),
            }
        }
        Ok((BodyKind::Multipart { boundary }, charset)) => read_multipart(body, limits, sink, &boundary, charset).await,
    }
}

/// Does this head announce a form?
#[must_use]
pub fn is_form(head: &Head) -> bool {
    let essence = essence(text(&head.headers, header::CONTENT_TYPE));
    essence == FORM || essence == MULTIPART
}

/// A body that is one text, as JSON is.
///
/// # Errors
/// A charset nobody knows, bytes that are none of its text, or too many of them.
pub async fn read_text<B>(head: &Head, body: &mut B, limits: &IntakeLimits) -> Result<String, Refusal>
where
    B: Body<Data = Bytes> + Unpin + Send,
{
    let content_type = text(&head.headers, header::CONTENT_TYPE);
    let charset = charset_of(content_type.split(';').skip(1).map(str::trim))?.unwrap_or(UTF_8);
    let body = whole(body, limits).await?;
    match charset.decode_without_bom_handling_and_without_replacement(&body) {
        Some(text) => Ok(text.into_owned()),
        None => Err(Refusal::Malformed { place: format!("不是有效的{}文本 (not valid text)", charset.name()) }),
    }
}

fn no_form<F, E>(refusal: Refusal, content_type: String, body: Bytes) -> Unread<F, E> {
    Unread::Refused { refusal, arrived: Some(Box::new(Arrived::Body { content_type, body })), files: Vec::new() }
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
    let charset = charset_of(content_type.split(';').skip(1).map(str::trim))?;
    match essence(content_type).as_str() {
        FORM => Ok((BodyKind::Urlencoded, charset.unwrap_or(UTF_8))),
        MULTIPART => match multer::parse_boundary(content_type) {
            Ok(boundary) if (1..=BOUNDARY_BYTES_MAX).contains(&boundary.len()) => {
                Ok((BodyKind::Multipart { boundary }, charset.unwrap_or(UTF_8)))
            }
            Ok(_) | Err(_) => Err(Refusal::Malformed { place: "`Content-Type`缺少有效的boundary".into() }),
        },
        _ => Err(Refusal::ContentType { found: shortened(content_type) }),
    }
}

/// A media type without its parameters, in lower case.
fn essence(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase()
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
async fn whole<B: Body<Data = Bytes> + Unpin>(body: &mut B, limits: &IntakeLimits) -> Result<Bytes, Refusal> {
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

async fn gather<B: Body<Data = Bytes> + Unpin>(
    meter: &mut Meter<'_, B>,
    first: Bytes,
    second: Bytes,
    bytes_max: usize,
) -> Result<Bytes, Refusal> {
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

async fn read_multipart<B, S>(
    body: &mut B,
    limits: &IntakeLimits,
    sink: &S,
    boundary: &str,
    charset: &'static Encoding,
) -> Outcome<Intake<S::File>, S>
where
    B: Body<Data = Bytes> + Unpin + Send,
    S: FileSink,
{
    let progress = Arc::<Progress>::default();
    let meter = Meter::new(body, limits, Arc::clone(&progress));
    let mut parts = Parts {
        limits,
        sink,
        charset,
        progress,
        builder: FormBuilder::new(limits.form),
        files: Vec::new(),
        fields_bytes: 0,
        count: 0,
    };
    let mut multipart = Multipart::new(meter, boundary);
    match parts.take_all(&mut multipart).await {
        Ok(()) => Ok(Intake { form: parts.builder.build(), files: parts.files }),
        Err(Unread::Refused { refusal, .. }) => {
            let arrived = Some(Box::new(Arrived::Parts(parts.builder.build())));
            Err(Unread::Refused { refusal, arrived, files: parts.files })
        }
        Err(failed) => Err(failed),
    }
}

struct Parts<'a, S: FileSink> {
    limits: &'a IntakeLimits,
    sink: &'a S,
    charset: &'static Encoding,
    progress: Arc<Progress>,
    builder: FormBuilder,
    files: Vec<(String, S::File)>,
    fields_bytes: usize,
    count: usize,
}

impl<S: FileSink> Parts<'_, S> {
    async fn take_all(&mut self, multipart: &mut Multipart<'_>) -> Outcome<(), S> {
        loop {
            match multipart.next_field().await {
                Ok(None) => return Ok(()),
                Ok(Some(field)) => self.take(field).await?,
                Err(error) => return Err(self.broken(error)),
            }
        }
    }

    async fn take(&mut self, field: Field<'_>) -> Outcome<(), S> {
        self.progress.made();
        self.count += 1;
        let limits = self.limits;
        let max = limits.form.params_max + limits.files_max;
        if self.count > max {
            return Err(Refusal::TooMany { what: "表单部分 parts", max }.into());
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

    async fn take_text(&mut self, name: &str, mut field: Field<'_>) -> Outcome<(), S> {
        let limits = self.limits;
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

    async fn take_file(&mut self, name: String, mut field: Field<'_>) -> Outcome<(), S> {
        let limits = self.limits;
        let mut open = None;
        let mut bytes = 0;
        while let Some(chunk) = field.chunk().await.map_err(|error| self.broken(error))? {
            self.progress.made();
            bytes += chunk.len() as u64;
            if bytes > limits.file_bytes_max {
                return Err(Refusal::FileTooLarge { name, bytes_max: limits.file_bytes_max }.into());
            }
            if open.is_none() {
                if self.files.len() >= limits.files_max {
                    return Err(Refusal::TooMany { what: "文件 files", max: limits.files_max }.into());
                }
                open = Some(self.sink.begin().await.map_err(Unread::Failed)?);
            }
            if let Some(file) = open.as_mut() {
                self.sink.write(file, chunk).await.map_err(Unread::Failed)?;
            }
        }
        // Browsers send an empty part where no file was chosen.
        if let Some(open) = open {
            let written = self.sink.finish(open).await.map_err(Unread::Failed)?;
            self.builder.file_part(UploadedFile { name: name.clone(), md5: written.md5, size: written.size })?;
            self.files.push((name, written.file));
        }
        Ok(())
    }

    /// The meter's own reason goes before what the parser makes of it.
    fn broken(&self, error: multer::Error) -> Unread<S::File, S::Error> {
        let refusal = self.progress.refusal().unwrap_or_else(|| Refusal::Malformed {
            place: format!("multipart第{}个表单部分之后: {error}", self.count),
        });
        refusal.into()
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(100).collect()
}
