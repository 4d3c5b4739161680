//! Parses `multipart/form-data` as it arrives (RFC 7578, RFC 2046).
//!
//! It knows its position in the body, so that whatever cannot be parsed is kept as received from there on, and the
//! sender learns the cause. Pure: pieces go in, events come out. It holds a part's head or one piece, never a whole
//! part.

use bytes::{Buf, Bytes, BytesMut};
use memchr::memmem::Finder;
use parkgate_wire::content_type::{parameter, without_bom};

/// A part's head, or the text before the first part, may be this long.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// How much is shown of a line found where a boundary should be.
const SHOWN_MAX: usize = 80;

/// What comes next in a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum MultipartEvent {
    /// More bytes are needed, or a call of [`Multipart::end`].
    NeedsMore,
    /// A part begins.
    Part(PartHead),
    /// Bytes of the part.
    Data(Bytes),
    /// The part ends.
    PartEnd,
    /// The last part has ended; anything after it is ignored.
    End,
}

/// What the head of a part says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct PartHead {
    /// `name` of its `Content-Disposition`.
    pub(crate) name: Option<String>,
    /// It has a `filename`, empty or not.
    pub(crate) has_file_name: bool,
    /// `Content-Type`, empty if there is none.
    pub(crate) content_type: String,
    /// `Content-Transfer-Encoding`, empty if there is none.
    pub(crate) transfer_encoding: String,
}

/// Why a body is not multipart, in words for its sender.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum MultipartError {
    NoBody,
    NoBoundary { boundary: String, found: Option<String> },
    BareLineFeeds,
    Folded { part: usize },
    HeaderLine { part: usize },
    HeadTooLong { part: usize },
    BoundaryLine { part: usize },
    NoLastBoundary { boundary: String },
}

impl MultipartError {
    /// Chinese, then English.
    pub(crate) fn text(&self) -> String {
        match self {
            MultipartError::NoBody => "请求体为空 (the body is empty)".into(),
            MultipartError::NoBoundary { boundary, found: None } => {
                format!(
                    "请求体中没有`Content-Type`所写的boundary`{boundary}` (the header's boundary is not in the body)"
                )
            }
            MultipartError::NoBoundary { boundary, found: Some(found) } => format!(
                "请求体中没有`Content-Type`所写的boundary`{boundary}`, 请求体以`{found}`开头 (the header's boundary is not in the body)"
            ),
            MultipartError::BareLineFeeds => "multipart行尾必须是CRLF, 收到的只有LF (line ends must be CRLF)".into(),
            MultipartError::Folded { part } => {
                format!("第{part}个表单部分的头不能折行 (a header must not be folded over lines)")
            }
            MultipartError::HeaderLine { part } => format!("第{part}个表单部分的头格式错误 (not a header line)"),
            MultipartError::HeadTooLong { part } => {
                format!("第{part}个表单部分的头过长, 上限{HEAD_BYTES_MAX}字节 (part header too long)")
            }
            MultipartError::BoundaryLine { part } => {
                format!("第{part}个表单部分之后的boundary行格式错误 (a boundary is followed by CRLF or --)")
            }
            MultipartError::NoLastBoundary { boundary } => {
                format!(
                    "缺少结尾边界`--{boundary}--`, 或请求体不完整 (the last boundary is missing, or the body was cut off)"
                )
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Before the first boundary.
    Preamble,
    /// After a boundary: another part, or the end?
    BoundaryLine,
    Head,
    Data,
    End,
}

/// The parser.
#[derive(Debug)]
pub(crate) struct Multipart {
    boundary: String,
    /// Line end, `--`, boundary.
    delimiter: Finder<'static>,
    stage: Stage,
    rest: BytesMut,
    /// How much of `rest` was searched without success: a sender of single bytes must not make us search all of it each
    /// time.
    searched: usize,
    has_ended: bool,
    is_begun: bool,
    parts: usize,
}

impl Multipart {
    pub(crate) fn new(boundary: &str) -> Multipart {
        let delimiter = Finder::new(format!("\r\n--{boundary}").as_bytes()).into_owned();
        Multipart {
            boundary: boundary.to_owned(),
            delimiter,
            stage: Stage::Preamble,
            rest: BytesMut::new(),
            searched: 0,
            has_ended: false,
            is_begun: false,
            parts: 0,
        }
    }

    /// The next piece of the body.
    pub(crate) fn push(&mut self, piece: Bytes) {
        self.is_begun |= !piece.is_empty();
        self.rest.extend_from_slice(&piece);
    }

    /// There are no more pieces.
    pub(crate) fn end(&mut self) {
        self.has_ended = true;
    }

    /// What has not been parsed yet.
    pub(crate) fn rest(&self) -> &[u8] {
        &self.rest
    }

    /// Drops what was parsed.
    fn advance(&mut self, bytes: usize) {
        self.rest.advance(bytes);
        self.searched = 0;
    }

    /// The next event.
    pub(crate) fn next(&mut self) -> Result<MultipartEvent, MultipartError> {
        loop {
            let event = match self.stage {
                Stage::Preamble => self.preamble()?,
                Stage::BoundaryLine => self.boundary_line()?,
                Stage::Head => self.head()?,
                Stage::Data => return self.data(),
                Stage::End => Some(MultipartEvent::End),
            };
            if let Some(event) = event {
                return Ok(event);
            }
        }
    }

    /// Anything may precede the first boundary: a byte order mark, blank lines, a note for people (RFC 2046, 5.1.1).
    fn preamble(&mut self) -> Result<Option<MultipartEvent>, MultipartError> {
        let marked = self.rest.len() - without_bom(&self.rest).len();
        let first = format!("--{}", self.boundary);
        if self.rest.get(marked..).is_some_and(|rest| rest.starts_with(first.as_bytes())) {
            self.advance(marked + first.len());
            self.stage = Stage::BoundaryLine;
            return Ok(None);
        }
        if let Some(at) = self.find_delimiter() {
            self.advance(at + self.delimiter.needle().len());
            self.stage = Stage::BoundaryLine;
            return Ok(None);
        }
        if self.has_ended || self.rest.len() > HEAD_BYTES_MAX {
            return Err(self.no_boundary());
        }
        Ok(Some(MultipartEvent::NeedsMore))
    }

    fn no_boundary(&self) -> MultipartError {
        if !self.is_begun {
            return MultipartError::NoBody;
        }
        let line_feed = format!("\n--{}", self.boundary);
        if memchr::memmem::find(&self.rest, line_feed.as_bytes()).is_some() {
            return MultipartError::BareLineFeeds;
        }
        let first = without_bom(&self.rest).split(|byte| *byte == b'\n').next().unwrap_or_default();
        let found = first.starts_with(b"--").then(|| {
            let shown = first.get(..first.len().min(SHOWN_MAX)).unwrap_or_default();
            String::from_utf8_lossy(shown).trim_end().to_owned()
        });
        MultipartError::NoBoundary { boundary: self.boundary.clone(), found }
    }

    fn boundary_line(&mut self) -> Result<Option<MultipartEvent>, MultipartError> {
        // Blanks may follow a boundary (RFC 2046, "transport padding").
        let padding = self.rest.iter().take_while(|byte| b" \t".contains(byte)).count();
        match self.rest.get(padding..).unwrap_or_default() {
            [b'-', b'-', ..] if padding == 0 => {
                self.stage = Stage::End;
                Ok(None)
            }
            [b'\r', b'\n', ..] => {
                self.advance(padding + 2);
                self.stage = Stage::Head;
                self.parts += 1;
                Ok(None)
            }
            [b'\n', ..] => Err(MultipartError::BareLineFeeds),
            [] | [b'\r'] | [b'-'] if padding <= HEAD_BYTES_MAX => self.needs_more(),
            _ => Err(MultipartError::BoundaryLine { part: self.parts }),
        }
    }

    fn needs_more(&self) -> Result<Option<MultipartEvent>, MultipartError> {
        if self.has_ended { Err(self.no_last_boundary()) } else { Ok(Some(MultipartEvent::NeedsMore)) }
    }

    fn no_last_boundary(&self) -> MultipartError {
        MultipartError::NoLastBoundary { boundary: self.boundary.clone() }
    }

    fn head(&mut self) -> Result<Option<MultipartEvent>, MultipartError> {
        // A part without headers starts with the empty line.
        let end = if self.rest.starts_with(b"\r\n") {
            Some(0)
        } else {
            find(&self.rest, &mut self.searched, &Finder::new(b"\r\n\r\n"))
        };
        let Some(end) = end else {
            if self.rest.len() > HEAD_BYTES_MAX {
                return Err(MultipartError::HeadTooLong { part: self.parts });
            }
            if self.has_ended && memchr::memmem::find(&self.rest, b"\n\n").is_some() {
                return Err(MultipartError::BareLineFeeds);
            }
            return self.needs_more();
        };
        if end > HEAD_BYTES_MAX {
            return Err(MultipartError::HeadTooLong { part: self.parts });
        }
        let head = self.read_head(self.rest.get(..end).unwrap_or_default())?;
        self.advance(if end == 0 { 2 } else { end + 4 });
        self.stage = Stage::Data;
        Ok(Some(MultipartEvent::Part(head)))
    }

    fn read_head(&self, head: &[u8]) -> Result<PartHead, MultipartError> {
        let mut read = PartHead::default();
        // File names come in any charset, and are not used.
        let text = String::from_utf8_lossy(head);
        for line in text.split("\r\n").filter(|line| !line.is_empty()) {
            if line.contains('\n') {
                return Err(MultipartError::BareLineFeeds);
            }
            if line.starts_with([' ', '\t']) {
                return Err(MultipartError::Folded { part: self.parts });
            }
            let Some((name, value)) = line.split_once(':') else {
                return Err(MultipartError::HeaderLine { part: self.parts });
            };
            match name.trim().to_ascii_lowercase().as_str() {
                "content-disposition" => {
                    read.name = parameter(value, "name").map(std::borrow::Cow::into_owned);
                    read.has_file_name = ["filename", "filename*"].iter().any(|name| parameter(value, name).is_some());
                }
                "content-type" => read.content_type = value.trim().to_owned(),
                "content-transfer-encoding" => read.transfer_encoding = value.trim().to_owned(),
                _ => {}
            }
        }
        Ok(read)
    }

    fn data(&mut self) -> Result<MultipartEvent, MultipartError> {
        // An empty part: the empty line of its head is also the line end of the boundary.
        if let Some(at) = self.find_delimiter() {
            if at > 0 {
                self.searched = 0;
                return Ok(MultipartEvent::Data(self.rest.split_to(at).freeze()));
            }
            self.advance(self.delimiter.needle().len());
            self.stage = Stage::BoundaryLine;
            return Ok(MultipartEvent::PartEnd);
        }
        if self.has_ended {
            return Err(self.no_last_boundary());
        }
        match self.rest.len() - self.begun_delimiter() {
            0 => Ok(MultipartEvent::NeedsMore),
            sure => {
                self.searched = 0;
                Ok(MultipartEvent::Data(self.rest.split_to(sure).freeze()))
            }
        }
    }

    fn find_delimiter(&mut self) -> Option<usize> {
        find(&self.rest, &mut self.searched, &self.delimiter)
    }

    /// How many bytes at the end may be the beginning of a delimiter.
    fn begun_delimiter(&self) -> usize {
        let delimiter = self.delimiter.needle();
        let from = self.rest.len().saturating_sub(delimiter.len() - 1);
        let tail = self.rest.get(from..).unwrap_or_default();
        let begun =
            memchr::memchr_iter(b'\r', tail).find_map(|at| tail.get(at..).filter(|end| delimiter.starts_with(end)));
        begun.map_or(0, <[u8]>::len)
    }
}

/// Finds the first `wanted`, without searching again what was already searched.
fn find(bytes: &[u8], searched: &mut usize, wanted: &Finder<'_>) -> Option<usize> {
    let from = *searched;
    let found = wanted.find(bytes.get(from..).unwrap_or_default());
    if found.is_none() {
        *searched = bytes.len().saturating_sub(wanted.needle().len() - 1).max(from);
    }
    found.map(|at| at + from)
}

#[cfg(test)]
mod tests;
