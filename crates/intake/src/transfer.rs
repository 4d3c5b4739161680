//! `Content-Transfer-Encoding` of a part (RFC 2045, 6): old libraries encode, as for mail, what HTTP carries unencoded.
//! Delphi's Indy sends quoted-printable by default.
//!
//! What was signed, and what a hash is of, is the decoded text or file. Decoding is done piece by piece, so that no
//! file is held.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use parkgate_wire::Refusal;

/// How a part is encoded.
#[derive(Debug)]
pub(crate) enum TransferDecoder {
    /// `7bit`, `8bit`, `binary`, or not given.
    AsIs,
    Base64(Base64),
    QuotedPrintable(QuotedPrintable),
}

/// The bytes are not valid in this encoding.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadEncoding;

impl TransferDecoder {
    /// The decoder for a part's header.
    pub(crate) fn named(part: &str, encoding: &str) -> Result<TransferDecoder, Refusal> {
        match encoding.to_ascii_lowercase().as_str() {
            "" | "7bit" | "8bit" | "binary" => Ok(TransferDecoder::AsIs),
            "base64" => Ok(TransferDecoder::Base64(Base64::default())),
            "quoted-printable" => Ok(TransferDecoder::QuotedPrintable(QuotedPrintable::default())),
            _ => Err(Refusal::TransferEncoding { part: part.to_owned(), found: encoding.chars().take(64).collect() }),
        }
    }

    pub(crate) fn is_as_is(&self) -> bool {
        matches!(self, TransferDecoder::AsIs)
    }

    /// Decodes the next piece into `out`.
    pub(crate) fn decode(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Result<(), BadEncoding> {
        match self {
            TransferDecoder::AsIs => {
                out.extend_from_slice(piece);
                Ok(())
            }
            TransferDecoder::Base64(base64) => base64.decode(piece, out),
            TransferDecoder::QuotedPrintable(printable) => printable.decode(piece, out),
        }
    }

    /// There are no more pieces.
    pub(crate) fn finish(&mut self) -> Result<(), BadEncoding> {
        match self {
            TransferDecoder::AsIs => Ok(()),
            TransferDecoder::Base64(base64) => base64.finish(),
            TransferDecoder::QuotedPrintable(printable) => printable.finish(),
        }
    }

    /// Its name in hints.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            TransferDecoder::AsIs => "binary",
            TransferDecoder::Base64(_) => "base64",
            TransferDecoder::QuotedPrintable(_) => "quoted-printable",
        }
    }
}

/// Four characters make three bytes; line ends and blanks between them are ignored.
#[derive(Debug, Default)]
pub(crate) struct Base64 {
    waiting: Vec<u8>,
    is_padded: bool,
}

impl Base64 {
    fn decode(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Result<(), BadEncoding> {
        self.waiting.extend(piece.iter().filter(|byte| !b"\r\n \t".contains(byte)));
        if self.is_padded && !self.waiting.is_empty() {
            return Err(BadEncoding);
        }
        let whole = self.waiting.len() / 4 * 4;
        let quads: Vec<u8> = self.waiting.drain(..whole).collect();
        self.is_padded |= quads.ends_with(b"=");
        if self.is_padded && !self.waiting.is_empty() {
            return Err(BadEncoding);
        }
        STANDARD.decode_vec(quads, out).map_err(|_| BadEncoding)
    }

    fn finish(&self) -> Result<(), BadEncoding> {
        if self.waiting.is_empty() { Ok(()) } else { Err(BadEncoding) }
    }
}

/// `=XX` is a byte, `=` before a line end joins two lines, blanks before a line end were added in transit.
#[derive(Debug, Default)]
pub(crate) struct QuotedPrintable {
    escape: Escape,
    /// Blanks that count only if more text follows in the line.
    blanks: Vec<u8>,
}

#[derive(Debug, Default)]
enum Escape {
    #[default]
    None,
    /// After the `=`.
    Begun,
    /// After its first digit.
    Digit(u8),
    /// After blanks or a CR: only a line end may follow.
    LineEnd,
}

/// At most this many blanks in a row are held back: a line has 76 characters.
const BLANKS_MAX: usize = 1024;

impl QuotedPrintable {
    fn decode(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Result<(), BadEncoding> {
        for byte in piece {
            self.escape = match (&self.escape, *byte) {
                (Escape::None, byte) => self.plain(byte, out)?,
                (Escape::Begun | Escape::LineEnd, b'\n') => Escape::None,
                (Escape::Begun | Escape::LineEnd, b'\r' | b' ' | b'\t') => Escape::LineEnd,
                (Escape::Begun, digit) => Escape::Digit(digit),
                (Escape::Digit(high), low) => {
                    let mut byte = [0];
                    hex::decode_to_slice([*high, low], &mut byte).map_err(|_| BadEncoding)?;
                    out.extend_from_slice(&byte);
                    Escape::None
                }
                (Escape::LineEnd, _) => return Err(BadEncoding),
            };
        }
        Ok(())
    }

    fn plain(&mut self, byte: u8, out: &mut Vec<u8>) -> Result<Escape, BadEncoding> {
        match byte {
            b' ' | b'\t' if self.blanks.len() < BLANKS_MAX => self.blanks.push(byte),
            b' ' | b'\t' => return Err(BadEncoding),
            b'\r' | b'\n' => {
                self.blanks.clear();
                out.push(byte);
            }
            _ => {
                out.append(&mut self.blanks);
                if byte == b'=' {
                    return Ok(Escape::Begun);
                }
                out.push(byte);
            }
        }
        Ok(Escape::None)
    }

    /// The line end after a `=` may be the one before the boundary.
    fn finish(&self) -> Result<(), BadEncoding> {
        match self.escape {
            Escape::None | Escape::Begun | Escape::LineEnd => Ok(()),
            Escape::Digit(_) => Err(BadEncoding),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(encoding: &str, text: &[u8], piece_bytes: usize) -> Result<Vec<u8>, BadEncoding> {
        let mut decoder = TransferDecoder::named("a", encoding).unwrap();
        let mut out = Vec::new();
        for piece in text.chunks(piece_bytes) {
            decoder.decode(piece, &mut out)?;
        }
        decoder.finish().map(|()| out)
    }

    #[test]
    fn encodings_are_decoded_however_they_are_cut_into_pieces() {
        let cases: [(&str, &[u8], &[u8]); 14] = [
            ("", b"=41", b"=41"),
            ("8Bit", b"\xe7\xb2\xa4", b"\xe7\xb2\xa4"),
            ("binary", b"\r\n", b"\r\n"),
            ("base64", b"57KkQjEyMzQ1", "粤B12345".as_bytes()),
            ("BASE64", b"57Kk\r\nQjE \tyMzQ1\r\n", "粤B12345".as_bytes()),
            ("base64", b"QQ==\r\n", b"A"),
            ("base64", b"QUI=", b"AB"),
            ("base64", b"", b""),
            ("quoted-printable", b"=E7=b2=A4B12345", "粤B12345".as_bytes()),
            ("Quoted-Printable", b"a=3Db=\r\nc=\nd= \t\r\ne", b"a=bcde"),
            ("quoted-printable", b"a b \t\r\nc  ", b"a b\r\nc"),
            ("quoted-printable", b"a=20\r\nb=", b"a \r\nb"),
            ("quoted-printable", b"\xe7\xb2\xa4", b"\xe7\xb2\xa4"),
            ("quoted-printable", b"", b""),
        ];
        for (encoding, text, expected) in cases {
            for piece_bytes in 1..=text.len().max(1) {
                let found = decoded(encoding, text, piece_bytes);
                assert_eq!(found.as_deref(), Ok(expected), "{encoding} {}", String::from_utf8_lossy(text));
            }
        }
    }

    #[test]
    fn what_is_not_of_its_encoding_is_an_error() {
        let cases: [(&str, &[u8]); 9] = [
            ("base64", b"QQ"),
            ("base64", b"QQ=A"),
            ("base64", b"QQ==QQ=="),
            ("base64", b"===="),
            ("base64", b"Q!Q="),
            ("quoted-printable", b"=4"),
            ("quoted-printable", b"=4G"),
            ("quoted-printable", b"=x1"),
            ("quoted-printable", b"= 41"),
        ];
        for (encoding, text) in cases {
            for piece_bytes in 1..=text.len() {
                let found = decoded(encoding, text, piece_bytes);
                assert_eq!(found, Err(BadEncoding), "{encoding} {}", String::from_utf8_lossy(text));
            }
        }
        let blanks = |count: usize| decoded("quoted-printable", format!("a{}b", " ".repeat(count)).as_bytes(), 7);
        assert_eq!(blanks(BLANKS_MAX).unwrap().len(), BLANKS_MAX + 2);
        assert_eq!(blanks(BLANKS_MAX + 1), Err(BadEncoding));
    }

    #[test]
    fn other_encodings_are_refused_by_name() {
        let refused = TransferDecoder::named("plate", "x-uuencode").unwrap_err();
        assert!(refused.hint().contains("`plate`") && refused.hint().contains(": x-uuencode`"), "{}", refused.hint());
    }
}
