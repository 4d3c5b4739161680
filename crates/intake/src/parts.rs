//! Reads the parts of a multipart body into a form.

use std::collections::VecDeque;

use bytes::Bytes;
use encoding_rs::Encoding;
use parkgate_wire::content_type;
use parkgate_wire::field::{CAPTURE_IMAGE, image_of_part};
use parkgate_wire::form::FormBuilder;
use parkgate_wire::{Refusal, UploadedFile};

use crate::arrived::{Arrived, FormWithFiles, IntakeResult, Unread};
use crate::held::HeldBytes;
use crate::limits::{IntakeLimits, check_fields_bytes};
use crate::meter::Pieces;
use crate::multipart::{Multipart, MultipartError, MultipartEvent, PartHead};
use crate::raw::{self, History, Raw};
use crate::sink::FileSink;
use crate::transfer::TransferDecoder;
use crate::url_or_file::{self, BEGINNING_BYTES, LOOKED_AT_MAX};

/// Holds what followed the readable parts, if it is too long for memory, under this part name.
pub const RAW_PART: &str = "body";

/// A multipart body while it is being read.
pub(crate) struct PartsReader<'a, P, S: FileSink> {
    pieces: P,
    limits: &'a IntakeLimits,
    sink: &'a S,
    charset: &'static Encoding,
    multipart: Multipart,
    history: History,
    builder: FormBuilder,
    files: Vec<(String, S::File)>,
    /// The part that is being read: what arrived of it is kept if the body fails within it.
    text: Option<(String, Vec<u8>)>,
    file: Option<(String, S::Open)>,
    /// Pieces of the part that were looked at before it is read; none for its end.
    looked_at: VecDeque<Option<Bytes>>,
    fields_bytes: usize,
    count: usize,
    /// The last boundary is missing: the body may be incomplete.
    is_cut_off: bool,
}

impl<'a, P: Pieces, S: FileSink> PartsReader<'a, P, S> {
    pub(crate) fn new(
        pieces: P,
        limits: &'a IntakeLimits,
        sink: &'a S,
        boundary: &str,
        charset: &'static Encoding,
    ) -> Self {
        PartsReader {
            pieces,
            limits,
            sink,
            charset,
            multipart: Multipart::new(boundary),
            history: History::default(),
            builder: FormBuilder::new(limits.form),
            files: Vec::new(),
            text: None,
            file: None,
            looked_at: VecDeque::new(),
            fields_bytes: 0,
            count: 0,
            is_cut_off: false,
        }
    }

    /// The form; or why there is none, and what arrived.
    pub(crate) async fn read(mut self, content_type: &str) -> IntakeResult<FormWithFiles<S::File>, S> {
        match self.take_all().await {
            Ok(()) => Ok(FormWithFiles { form: self.builder.build(), files: self.files }),
            Err(Unread::Refused { refusal, .. }) => self.refused(refusal, content_type).await,
            Err(failed) => Err(failed),
        }
    }

    async fn take_all(&mut self) -> IntakeResult<(), S> {
        loop {
            match self.event().await? {
                MultipartEvent::Part(head) => self.take(head).await?,
                MultipartEvent::End => return Ok(()),
                MultipartEvent::NeedsMore | MultipartEvent::Data(_) | MultipartEvent::PartEnd => {}
            }
        }
    }

    async fn event(&mut self) -> Result<MultipartEvent, Refusal> {
        loop {
            match self.multipart.next().map_err(|broken| self.malformed(&broken))? {
                MultipartEvent::NeedsMore => match self.pieces.next().await? {
                    Some(piece) => {
                        self.history.add(&piece, self.limits.fields_bytes_max);
                        self.multipart.push(piece);
                    }
                    None => self.multipart.end(),
                },
                event => return Ok(event),
            }
        }
    }

    fn malformed(&mut self, broken: &MultipartError) -> Refusal {
        self.is_cut_off = matches!(broken, MultipartError::NoLastBoundary { .. });
        Refusal::Malformed { place: broken.text() }
    }

    /// Reads more of the current part.
    async fn data(&mut self) -> Result<Option<Bytes>, Refusal> {
        if let Some(piece) = self.looked_at.pop_front() {
            return Ok(piece);
        }
        match self.event().await? {
            MultipartEvent::Data(data) => Ok(Some(data)),
            MultipartEvent::NeedsMore | MultipartEvent::Part(_) | MultipartEvent::PartEnd | MultipartEvent::End => {
                Ok(None)
            }
        }
    }

    async fn take(&mut self, head: PartHead) -> IntakeResult<(), S> {
        self.count += 1;
        let max = self.limits.form.params_max + self.limits.files_max;
        if self.count > max {
            return Err(Refusal::TooMany { what: "表单部分 parts", max }.into());
        }
        let Some(name) = head.name.clone() else {
            return Err(Refusal::Malformed { place: format!("第{}个表单部分没有name", self.count) }.into());
        };
        let decoder = TransferDecoder::named(&name, &head.transfer_encoding)?;
        // Decided by the name: some clients send files without a file name, and texts with one.
        let is_file = name == CAPTURE_IMAGE && self.is_file(&name, &head).await?;
        if image_of_part(&name, is_file).is_some() {
            self.take_file(name, decoder).await
        } else {
            self.take_text(name, decoder, &head.content_type).await
        }
    }

    /// Looks at the beginning of a part whose name does not say whether it is a file; it is then read from there.
    async fn is_file(&mut self, name: &str, head: &PartHead) -> Result<bool, Refusal> {
        let mut decoder = TransferDecoder::named(name, &head.transfer_encoding)?;
        let (mut beginning, mut left) = (Vec::new(), LOOKED_AT_MAX);
        let is_all = loop {
            let piece = self.data().await?;
            self.looked_at.push_back(piece.clone());
            let Some(piece) = piece else { break true };
            let looked_at = piece.get(..left).unwrap_or(&piece);
            left -= looked_at.len();
            // What is wrong with it is said when it is read.
            let is_good = decoder.decode(looked_at, &mut beginning).is_ok();
            if !is_good || beginning.len() >= BEGINNING_BYTES || left == 0 {
                break false;
            }
        };
        Ok(url_or_file::is_file(head, &beginning, is_all, self.charset))
    }

    /// Bytes that were looked at and are still to be read.
    fn looked_at_bytes(&self) -> usize {
        self.looked_at.iter().flatten().map(Bytes::len).sum()
    }

    async fn take_text(
        &mut self,
        name: String,
        mut decoder: TransferDecoder,
        content_type: &str,
    ) -> IntakeResult<(), S> {
        self.text = Some((name.clone(), Vec::new()));
        while let Some(piece) = self.data().await? {
            self.fields_bytes += piece.len();
            check_fields_bytes(self.fields_bytes, self.limits.fields_bytes_max)?;
            // Held twice: as received and as a value.
            if !self.history.is_given_up() {
                self.pieces.keep(piece.len())?;
            }
            if let Some((_, value)) = &mut self.text {
                decoder.decode(&piece, value).map_err(|_| badly_encoded(&name, &decoder))?;
            }
        }
        decoder.finish().map_err(|_| badly_encoded(&name, &decoder))?;
        let (_, value) = self.text.take().unwrap_or_default();
        let charset = content_type::charset_of_part(&name, content_type, &value, self.charset)?;
        Ok(self.builder.text_part(&name, &value, charset)?)
    }

    async fn take_file(&mut self, name: String, mut decoder: TransferDecoder) -> IntakeResult<(), S> {
        let mut bytes = 0;
        while let Some(piece) = self.data().await? {
            let (came, held) = (piece.len(), self.history.give_up());
            self.pieces.forget(held.saturating_sub(came + self.looked_at_bytes() + self.multipart.rest().len()));
            let piece = decoded(&name, &mut decoder, piece)?;
            bytes += piece.len() as u64;
            if bytes > self.limits.file_bytes_max {
                self.file = None;
                return Err(Refusal::FileTooLarge { name, bytes_max: self.limits.file_bytes_max }.into());
            }
            // An empty part, as browsers send if no file was chosen, counts as not sent.
            if !piece.is_empty() {
                self.write(&name, piece).await?;
            }
            self.pieces.forget(came);
        }
        decoder.finish().map_err(|_| badly_encoded(&name, &decoder))?;
        self.finish_file().await
    }

    async fn write(&mut self, name: &str, piece: Bytes) -> IntakeResult<(), S> {
        if self.file.is_none() {
            if self.files.len() >= self.limits.files_max {
                return Err(Refusal::TooMany { what: "文件 files", max: self.limits.files_max }.into());
            }
            self.file = Some((name.to_owned(), self.sink.begin(self.builder.so_far()).await.map_err(Unread::Failed)?));
        }
        match &mut self.file {
            Some((_, open)) => self.sink.write(open, piece).await.map_err(Unread::Failed),
            None => Ok(()),
        }
    }

    async fn finish_file(&mut self) -> IntakeResult<(), S> {
        let Some((name, open)) = self.file.take() else { return Ok(()) };
        let written = self.sink.finish(open).await.map_err(Unread::Failed)?;
        let listed = UploadedFile { name: name.clone(), md5: written.md5, size: written.size };
        self.files.push((name, written.file));
        Ok(self.builder.file_part(listed)?)
    }

    /// Refuses it with everything that arrived: the whole body as received, if it is short and brought no files; else
    /// the parts before the fault, files among them, and what followed as received.
    async fn refused(mut self, refusal: Refusal, content_type: &str) -> IntakeResult<FormWithFiles<S::File>, S> {
        if let Some((name, value)) = self.text.take() {
            // What cannot be read of it is in the rest.
            let _ = self.builder.text_part(&name, &value, self.charset);
        }
        if !raw::is_worth_keeping(&refusal) {
            let nothing = Raw::<S::File>::of(Bytes::new());
            let arrived = Some(Box::new(Arrived::new(content_type, self.builder.build(), &nothing, false)));
            return Err(Unread::Refused { refusal, arrived, files: self.files });
        }
        // A second file of the same name is kept all the same.
        if let Err(Unread::Failed(error)) = self.finish_file().await {
            return Err(Unread::Failed(error));
        }
        let history = self.history.take();
        let from_the_beginning = history.is_some();
        let before = history.unwrap_or_else(|| {
            let mut before = HeldBytes::default();
            self.looked_at.iter().flatten().for_each(|piece| before.append(piece));
            before.append(self.multipart.rest());
            before
        });
        let kept = raw::keep(before, &mut self.pieces, self.limits.fields_bytes_max, self.sink).await;
        let kept = kept.map_err(Unread::Failed)?;
        let is_whole = from_the_beginning && kept.is_whole() && !self.is_cut_off;
        let arrived = Some(Box::new(Arrived::new(content_type, self.builder.build(), &kept, is_whole)));
        if let Some(file) = kept.file {
            self.files.push((RAW_PART.to_owned(), file));
        }
        Err(Unread::Refused { refusal, arrived, files: self.files })
    }
}

fn decoded(name: &str, decoder: &mut TransferDecoder, piece: Bytes) -> Result<Bytes, Refusal> {
    if decoder.is_as_is() {
        return Ok(piece);
    }
    let mut out = Vec::with_capacity(piece.len());
    decoder.decode(&piece, &mut out).map_err(|_| badly_encoded(name, decoder))?;
    Ok(out.into())
}

fn badly_encoded(name: &str, decoder: &TransferDecoder) -> Refusal {
    let encoding = decoder.name();
    Refusal::Malformed { place: format!("表单部分`{name}`不是有效的{encoding}编码 (not valid {encoding})") }
}
