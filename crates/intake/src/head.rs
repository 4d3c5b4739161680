//! What the head of a request says about its body, and whether it is refused by its head alone.

use encoding_rs::{Encoding, UTF_8};
use http::request::Parts as Head;
use http::{HeaderMap, Method, Version, header};
use parkgate_wire::Refusal;
use parkgate_wire::content_type::{self, parameter};

/// Longer boundaries are not allowed (RFC 2046).
const BOUNDARY_BYTES_MAX: usize = 70;

const FORM: &str = "application/x-www-form-urlencoded";
const MULTIPART: &str = "multipart/form-data";

/// What a body is, and the charset its text is in.
#[derive(Debug)]
pub(crate) enum BodyKind {
    Urlencoded { charset: &'static Encoding },
    Multipart { charset: &'static Encoding, boundary: String },
}

impl BodyKind {
    /// By its `Content-Type`.
    pub(crate) fn of(header: &str) -> Result<BodyKind, Refusal> {
        let charset = content_type::charset_of(header)?.unwrap_or(UTF_8);
        match content_type::essence(header).as_str() {
            FORM => Ok(BodyKind::Urlencoded { charset }),
            MULTIPART => match parameter(header, "boundary") {
                Some(boundary) if (1..=BOUNDARY_BYTES_MAX).contains(&boundary.len()) => {
                    Ok(BodyKind::Multipart { charset, boundary: boundary.into_owned() })
                }
                Some(_) | None => Err(Refusal::Malformed { place: "`Content-Type`缺少有效的boundary".into() }),
            },
            _ => Err(Refusal::ContentType { found: shortened(header) }),
        }
    }
}

/// Does this head announce a form?
#[must_use]
pub fn is_form(head: &Head) -> bool {
    let essence = content_type::essence(content_type(head));
    essence == FORM || essence == MULTIPART
}

/// Checks method, address, coding, size and type, in this order.
pub(crate) fn check_head(head: &Head, body_bytes_max: u64) -> Result<BodyKind, Refusal> {
    if head.method != Method::POST {
        return Err(Refusal::Method { found: head.method.to_string() });
    }
    if head.uri.query().is_some_and(|query| !query.is_empty()) {
        return Err(Refusal::QuerySent);
    }
    let coding = text(&head.headers, header::CONTENT_ENCODING);
    if !coding.is_empty() && !coding.eq_ignore_ascii_case("identity") {
        return Err(Refusal::ContentEncoding { found: shortened(coding) });
    }
    let length = text(&head.headers, header::CONTENT_LENGTH).parse::<u64>().unwrap_or(0);
    if length > body_bytes_max {
        return Err(Refusal::BodyTooLarge { bytes_max: body_bytes_max });
    }
    BodyKind::of(content_type(head))
}

/// Is the body worth keeping although the head is refused? Not if it was meant for another call, nor if it is not read
/// at all.
pub(crate) fn is_body_kept(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::ContentType { .. } | Refusal::Charset { .. } | Refusal::Malformed { .. })
}

/// Does the sender wait before it sends the body (`Expect: 100-continue`)? Reading any of it asks for it (RFC 9110,
/// 10.1.1).
#[must_use]
pub(crate) fn waits_to_be_asked(head: &Head) -> bool {
    head.version >= Version::HTTP_11 && text(&head.headers, header::EXPECT).eq_ignore_ascii_case("100-continue")
}

pub(crate) fn content_type(head: &Head) -> &str {
    text(&head.headers, header::CONTENT_TYPE)
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> &str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("").trim()
}

fn shortened(text: &str) -> String {
    text.chars().take(100).collect()
}
