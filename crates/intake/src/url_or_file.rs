//! `capture_image` holds a URL or the file itself, in a part of one name. What it is, its first bytes say: some clients send
//! the file without a file name and a type, others give every text the type of a file.

use encoding_rs::{DecoderResult, Encoding};
use parkgate_wire::content_type::{charset_of, without_bom};

use crate::multipart::PartHead;

/// So many bytes distinguish a picture from a text: in each of the usual kinds one of the first twelve is no text in any charset
/// that is taken, or a control character.
pub(crate) const BEGINNING_BYTES: usize = 16;
/// So many bytes as they came are looked at, and no more: an encoded part can go on without a byte of content.
pub(crate) const LOOKED_AT_MAX: usize = 256;

/// Is this part a file? Of its content `beginning` is known, and `is_all` says that there is no more.
pub(crate) fn is_file(head: &PartHead, beginning: &[u8], is_all: bool, of_request: &'static Encoding) -> bool {
    if is_url(beginning) {
        return false;
    }
    let content_type = head.content_type.to_ascii_lowercase();
    let is_typed = !content_type.is_empty() && !content_type.starts_with("text/");
    if head.has_file_name || content_type.starts_with("image/") || beginning.is_empty() {
        return head.has_file_name || is_typed;
    }
    let charset = charset_of(&head.content_type).ok().flatten().unwrap_or(of_request);
    !is_text(beginning, is_all, charset)
}

fn is_url(beginning: &[u8]) -> bool {
    let text = without_bom(beginning).trim_ascii_start();
    let starts = |scheme: &[u8]| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    starts(b"http://") || starts(b"https://")
}

/// Can these bytes be the beginning of a text? They may end within a character.
fn is_text(beginning: &[u8], is_all: bool, charset: &'static Encoding) -> bool {
    let mut decoder = charset.new_decoder_without_bom_handling();
    // A byte never becomes more than three.
    let mut text = [0; (LOOKED_AT_MAX + 1) * 3];
    let (result, _, written) = decoder.decode_to_utf8_without_replacement(beginning, &mut text, is_all);
    let text = text.get(..written).unwrap_or_default();
    let is_control = |byte: &u8| byte.is_ascii_control() && !b"\t\r\n".contains(byte);
    matches!(result, DecoderResult::InputEmpty) && !text.iter().any(is_control)
}

#[cfg(test)]
mod tests {
    use encoding_rs::{BIG5, GB18030, GBK, UTF_8};

    use super::*;

    fn head(file_name: bool, content_type: &str) -> PartHead {
        PartHead { has_file_name: file_name, content_type: content_type.into(), ..PartHead::default() }
    }

    /// The first bytes of pictures as cameras and phones write them.
    const PICTURES: [&[u8]; 8] = [
        b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x01\x00\x48",
        b"\xff\xd8\xff",
        b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR",
        b"GIF89a\x40\x01\xf0\x00\xf7\x00\x00\x00\x00\x00",
        b"BM\x36\x84\x03\x00\x00\x00\x00\x00\x36\x00\x00\x00\x28\x00",
        b"RIFF\x24\x51\x00\x00WEBPVP8 ",
        b"II*\x00\x08\x00\x00\x00\x10\x00\xfe\x00\x04\x00\x01\x00",
        b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00",
    ];

    #[test]
    fn a_picture_is_a_file_whatever_its_head_says() {
        for charset in [UTF_8, GBK, GB18030, BIG5] {
            for content_type in ["", "text/plain", "text/plain; charset=ISO-8859-1", "application/octet-stream"] {
                for picture in PICTURES {
                    assert!(is_file(&head(false, content_type), picture, false, charset), "{picture:?}");
                    assert!(is_file(&head(true, content_type), picture, true, charset), "{picture:?}");
                }
            }
        }
    }

    #[test]
    fn a_url_is_a_text_whatever_its_head_says() {
        for url in ["https://x/a.jpg", "HTTP://x", " \r\nhttp://x", "\u{feff}https://x"] {
            for content_type in ["", "text/plain", "application/octet-stream", "image/jpeg"] {
                for file_name in [false, true] {
                    assert!(!is_file(&head(file_name, content_type), url.as_bytes(), true, UTF_8), "{url}");
                }
            }
        }
    }

    #[test]
    fn what_is_neither_goes_by_its_head_and_its_text() {
        let path = "/图片/a.jpg".as_bytes();
        let (gbk, _, _) = GBK.encode("/粤/a.jpg");
        assert!(!is_file(&head(false, ""), path, true, UTF_8));
        assert!(!is_file(&head(false, "application/octet-stream"), path, true, UTF_8));
        assert!(!is_file(&head(false, ""), &gbk, true, GBK));
        assert!(!is_file(&head(false, "text/plain; charset=GBK"), &gbk, true, UTF_8));
        assert!(is_file(&head(false, ""), &gbk, true, UTF_8), "it is no text in its charset");
        assert!(is_file(&head(true, ""), path, true, UTF_8), "a drawing, such as SVG, is text, too");
        assert!(is_file(&head(false, "image/svg+xml"), b"<svg/>", true, UTF_8));
        // Cut within a character, and ended there.
        assert!(!is_file(&head(false, ""), &path[..2], false, UTF_8));
        assert!(is_file(&head(false, ""), &path[..2], true, UTF_8));
        // Nothing is there: as it was meant.
        for (file_name, content_type, expected) in [
            (true, "", true),
            (false, "application/octet-stream", true),
            (false, "text/plain", false),
            (false, "", false),
        ] {
            assert_eq!(is_file(&head(file_name, content_type), b"", true, UTF_8), expected);
        }
    }
}
