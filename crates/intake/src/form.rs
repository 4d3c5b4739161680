//! Reads the head and the body of a request into a form.

use bytes::Bytes;
use encoding_rs::UTF_8;
use futures_util::FutureExt;
use http::request::Parts as Head;
use http_body::Body;
use parkgate_wire::content_type;
use parkgate_wire::form::FormLimits;
use parkgate_wire::{Form, Refusal};

use crate::arrived::{Arrived, FormWithFiles, IntakeResult, Unread};
use crate::budget::BodyShare;
use crate::head::{self, BodyKind};
use crate::held::HeldBytes;
use crate::limits::{IntakeLimits, check_fields_bytes};
use crate::meter::{self, Meter, Pieces, WholeBody};
use crate::parts::{PartsReader, RAW_PART};
use crate::raw::{self, Raw};
use crate::sink::{FileSink, HashOnly};

/// Check 1 (`DESIGN.md` 3.3): method, content type, size, and a body that is what its type says.
///
/// # Errors
/// The request is refused, a file could not be written, or there is no room.
pub async fn read<B, S>(
    head: &Head,
    body: &mut B,
    limits: &IntakeLimits,
    share: &mut BodyShare,
    sink: &S,
) -> IntakeResult<FormWithFiles<S::File>, S>
where
    B: Body<Data = Bytes> + Unpin + Send,
    S: FileSink,
{
    let kind = head::check_head(head, limits.body_bytes_max);
    if let Err(refusal) = kind.as_ref()
        && head::waits_to_be_asked(head)
    {
        // Answer at once: reading any of the body would make the sender send all of it.
        return Err(refusal.clone().into());
    }
    let read =
        read_body(kind, head::content_type(head), Meter::new(&mut *body, limits, &mut *share), limits, sink).await;
    if share.found_no_room() && read.is_err() {
        return Err(Unread::NoRoom);
    }
    let is_too_slow = matches!(&read, Err(Unread::Refused { refusal: Refusal::TooSlow, .. }));
    if read.is_err() && !is_too_slow {
        // A sender that is still sending would not see the reply.
        meter::drain(body, limits.body_idle_timeout).await;
    }
    read
}

/// Reads a complete body as a form; of its files only the MD5 is kept.
///
/// It is not a form.
pub fn form_of(content_type: &str, body: Bytes, form: FormLimits) -> Result<Form, Refusal> {
    let limits = IntakeLimits::of_form(form);
    let reading = read_body(BodyKind::of(content_type), content_type, WholeBody(Some(body)), &limits, &HashOnly);
    match reading.now_or_never() {
        Some(Ok(intake)) => Ok(intake.form),
        Some(Err(Unread::Refused { refusal, .. })) => Err(refusal),
        Some(Err(Unread::Failed(never))) => match never {},
        // A body in memory is not subject to the budget, and reading it never waits.
        Some(Err(Unread::NoRoom)) | None => Err(Refusal::TooSlow),
    }
}

async fn read_body<P: Pieces, S: FileSink>(
    kind: Result<BodyKind, Refusal>,
    content_type: &str,
    mut pieces: P,
    limits: &IntakeLimits,
    sink: &S,
) -> IntakeResult<FormWithFiles<S::File>, S> {
    match kind {
        Err(refusal) if head::is_body_kept(&refusal) => {
            let kept = raw::keep(HeldBytes::default(), &mut pieces, limits.fields_bytes_max, sink).await;
            let kept = kept.map_err(Unread::Failed)?;
            let arrived = Some(Box::new(Arrived::new(content_type, Form::default(), &kept, kept.is_whole())));
            let files = kept.file.into_iter().map(|file| (RAW_PART.to_owned(), file)).collect();
            Err(Unread::Refused { refusal, arrived, files })
        }
        Err(refusal) => Err(refusal.into()),
        Ok(BodyKind::Urlencoded { charset }) => {
            let raw = whole(&mut pieces, limits.fields_bytes_max).await?;
            match Form::from_urlencoded(&raw, charset, limits.form) {
                Ok(form) => Ok(FormWithFiles { form, files: Vec::new() }),
                Err(refusal) => {
                    let raw = Raw::<S::File>::of(raw);
                    let arrived = Some(Box::new(Arrived::new(content_type, Form::default(), &raw, true)));
                    Err(Unread::Refused { refusal, arrived, files: Vec::new() })
                }
            }
        }
        Ok(BodyKind::Multipart { charset, boundary }) => {
            PartsReader::new(pieces, limits, sink, &boundary, charset).read(content_type).await
        }
    }
}

/// Reads a body that is one text, such as JSON.
///
/// An unknown charset, bytes that are not valid in it, or too many of them.
pub async fn read_text<B>(head: &Head, body: &mut B, limits: &IntakeLimits) -> Result<String, Refusal>
where
    B: Body<Data = Bytes> + Unpin + Send,
{
    let charset = content_type::charset_of(head::content_type(head))?.unwrap_or(UTF_8);
    let mut share = BodyShare::unbounded();
    let body = whole(&mut Meter::new(body, limits, &mut share), limits.fields_bytes_max).await?;
    match content_type::decoded(content_type::without_bom(&body), charset) {
        Some(text) => Ok(text.into_owned()),
        None => Err(Refusal::Malformed { place: format!("不是有效的{}文本 (not valid text)", charset.name()) }),
    }
}

/// A body without files.
async fn whole<P: Pieces>(pieces: &mut P, bytes_max: usize) -> Result<Bytes, Refusal> {
    let first = pieces.next().await?.unwrap_or_default();
    check_fields_bytes(first.len(), bytes_max)?;
    // Nearly every body arrives in one piece: no copy.
    let Some(second) = pieces.next().await? else { return Ok(first) };
    let mut whole = HeldBytes::default();
    whole.append(&first);
    drop(first);
    let mut next = Some(second);
    while let Some(piece) = next {
        whole.append(&piece);
        check_fields_bytes(whole.len(), bytes_max)?;
        next = pieces.next().await?;
    }
    Ok(whole.into_bytes())
}
