//! A captured body, or a whole captured HTTP request, as a form.

use anyhow::{Context, anyhow, bail};
use bytes::Bytes;
use encoding_rs::{Encoding, UTF_8};
use md5::{Digest, Md5};
use parkgate_wire::form::{FormBuilder, FormLimits};
use parkgate_wire::push::image_of_part;
use parkgate_wire::{Form, Md5Hash, UploadedFile};

/// What a body is if nothing says otherwise.
pub(super) const URLENCODED: &str = "application/x-www-form-urlencoded";

/// Headers, an empty line, and the body.
pub(super) fn whole(request: &[u8]) -> anyhow::Result<Form> {
    let (head, body) =
        split(request).ok_or_else(|| anyhow!("没有空行分隔的请求头与请求体 (no empty line after the headers)"))?;
    let head = String::from_utf8_lossy(head);
    let content_type = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("content-type").then(|| value.trim().to_owned())
    });
    form(body.to_vec(), content_type.as_deref().unwrap_or(URLENCODED))
}

fn split(request: &[u8]) -> Option<(&[u8], &[u8])> {
    ["\r\n\r\n", "\n\n"].iter().find_map(|gap| {
        let at = request.windows(gap.len()).position(|window| window == gap.as_bytes())?;
        Some((request.get(..at)?, request.get(at + gap.len()..)?))
    })
}

/// A body of this content type.
pub(super) fn form(mut body: Vec<u8>, content_type: &str) -> anyhow::Result<Form> {
    if content_type.trim_start().to_ascii_lowercase().starts_with("multipart/form-data") {
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        return runtime.block_on(multipart(body.into(), content_type));
    }
    // Editors end a file with a line end; bodies have none.
    while body.last().is_some_and(|byte| b"\r\n".contains(byte)) {
        body.pop();
    }
    Form::from_urlencoded(&body, charset(content_type), FormLimits::default())
        .map_err(|refusal| anyhow!(refusal.hint()))
}

fn charset(content_type: &str) -> &'static Encoding {
    let named = content_type.split(';').find_map(|piece| piece.trim().strip_prefix("charset="));
    named.and_then(|name| Encoding::for_label_no_replacement(name.trim_matches('"').as_bytes())).unwrap_or(UTF_8)
}

async fn multipart(body: Bytes, content_type: &str) -> anyhow::Result<Form> {
    let Ok(boundary) = multer::parse_boundary(content_type) else {
        bail!("--content-type 缺少boundary (no boundary): multipart/form-data; boundary=…");
    };
    let whole = futures_util::stream::once(async move { Ok::<_, std::io::Error>(body) });
    let mut parts = multer::Multipart::new(whole, boundary);
    let mut builder = FormBuilder::new(FormLimits::default());
    while let Some(part) = parts.next_field().await.context("multipart")? {
        let name = part.name().unwrap_or_default().to_owned();
        let own = part.headers().get("content-type").and_then(|value| value.to_str().ok()).map(charset);
        let content = part.bytes().await.context("multipart")?;
        let taken = if image_of_part(&name).is_some() {
            let md5 = Md5Hash(Md5::digest(&content).into());
            builder.file_part(UploadedFile { name, md5, size: content.len() as u64 })
        } else {
            builder.text_part(&name, &content, own.unwrap_or_else(|| charset(content_type)))
        };
        taken.map_err(|refusal| anyhow!(refusal.hint()))?;
    }
    Ok(builder.build())
}
