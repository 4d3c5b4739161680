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
use super::Stop;
use crate::gate::Gate;

/// What a request brought.
pub(super) struct Intake {
    pub(super) form: Form,
    /// Part name and picture, written aside; dropped, it leaves nothing behind.
    pub(super) files: Vec<(String, FinishedImage)>,
}

/// Longer boundaries are none (RFC 2046).
const BOUNDARY_BYTES_MAX: usize = 70;

enum BodyKind {
    Urlencoded,
    Multipart { boundary: String },
}

/// Check 1: method, content type, size, and a body that is what it says.
pub(super) async fn read(gate: &Gate, request: Request<Incoming>) -> Result<Intake, Stop> {
    let (head, mut body) = request.into_parts();
    let limits = &gate.settings.limits;
    let checked = check_head(&head.method, head.uri.query(), &head.headers, limits.body_bytes_max);
    let read = match checked {
        Err(refusal) => Err(refusal.into()),
        Ok((BodyKind::Urlencoded, charset)) => read_urlencoded(gate, &mut body, charset).await,
        Ok((BodyKind::Multipart { boundary }, charset)) => read_multipart(gate, &mut body, &boundary, charset).await,
    };
    if let Err(Stop::Refused(refusal)) = &read
        && *refusal != Refusal::TooSlow
    {
        // A sender that is still sending would not see the reply.
        meter::drain(&mut body, limits.body_idle_timeout).await;
    }
    read
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
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
    let coding = text(header::CONTENT_ENCODING);
    if !coding.is_empty() && !coding.eq_ignore_ascii_case("identity") {
        return Err(Refusal::ContentEncoding { found: shortened(coding) });
    }
    let length = text(header::CONTENT_LENGTH).parse::<u64>().unwrap_or(0);
    if length > body_bytes_max {
        return Err(Refusal::BodyTooLarge { bytes_max: body_bytes_max });
    }
    body_kind(text(header::CONTENT_TYPE))
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

async fn read_urlencoded(gate: &Gate, body: &mut Incoming, charset: &'static Encoding) -> Result<Intake, Stop> {
    let limits = &gate.settings.limits;
    let mut meter = Meter::new(body, limits, Arc::default());
    let first = meter.try_next().await?.unwrap_or_default();
    let whole = match meter.try_next().await? {
        // Nearly every body comes in one piece: no copy.
        None => first,
        Some(second) => gather(&mut meter, first, second, limits.fields_bytes_max).await?,
    };
    check_fields_bytes(whole.len(), limits.fields_bytes_max)?;
    let form = Form::from_urlencoded(&whole, charset, limits.form())?;
    Ok(Intake { form, files: Vec::new() })
}

async fn gather(meter: &mut Meter<'_>, first: Bytes, second: Bytes, bytes_max: usize) -> Result<Bytes, Stop> {
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
) -> Result<Intake, Stop> {
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
    loop {
        match multipart.next_field().await {
            Ok(None) => break,
            Ok(Some(field)) => parts.take(field).await?,
            Err(error) => return Err(parts.broken(error)),
        }
    }
    Ok(Intake { form: parts.builder.build(), files: parts.files })
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
    async fn take(&mut self, field: Field<'_>) -> Result<(), Stop> {
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

    async fn take_text(&mut self, name: &str, mut field: Field<'_>) -> Result<(), Stop> {
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

    async fn take_file(&mut self, name: String, mut field: Field<'_>) -> Result<(), Stop> {
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
    fn broken(&self, error: multer::Error) -> Stop {
        let refusal = self.progress.refusal().unwrap_or_else(|| Refusal::Malformed {
            place: format!("multipart第{}个表单部分之后: {error}", self.count),
        });
        refusal.into()
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(100).collect()
}
