//! A captured body, or a whole captured HTTP request, as a form.

use anyhow::anyhow;
use parkgate_intake::form_of;
use parkgate_text::texts;
use parkgate_wire::Form;
use parkgate_wire::content_type::essence;
use parkgate_wire::form::FormLimits;

/// The content type if none is given.
pub(super) const URLENCODED: &str = "application/x-www-form-urlencoded";

/// Headers, an empty line, and the body.
pub(super) fn whole(request: &[u8]) -> anyhow::Result<Form> {
    let (head, body) = split(request).ok_or_else(|| anyhow!(texts().explain.no_gap))?;
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

/// A body of this content type, read as the gate reads it.
pub(super) fn form(mut body: Vec<u8>, content_type: &str) -> anyhow::Result<Form> {
    // Editors end a file with a line end; bodies do not have one.
    while !is_multipart(content_type) && body.last().is_some_and(|byte| b"\r\n".contains(byte)) {
        body.pop();
    }
    form_of(content_type, body.into(), FormLimits::default()).map_err(|refusal| anyhow!(refusal.hint()))
}

fn is_multipart(content_type: &str) -> bool {
    essence(content_type).starts_with("multipart/")
}
