//! Where an export goes: standard output, or a file that stands at its place once it is whole.

use std::fs::File;
use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::PathBuf;

use anyhow::Context;
use parkgate_text::texts;

use super::{name, text_format};
use crate::cli::{ExportArgs, ExportFormat};
use crate::export_file::{
    Aside, ExportColumn, ExportRow, LocalTimes, SheetFile, TextFormat, encode, head, parquet_file, xlsx_file,
};
use crate::output::{self, misuse};

/// Rows of a span, ready to be written.
pub(super) struct Chunk {
    pub(super) count: u64,
    /// The last record they may be of.
    pub(super) through: i64,
    content: Content,
}

enum Content {
    Text(Vec<u8>),
    Rows(Vec<ExportRow>),
}

impl Chunk {
    /// What is text is encoded here, by whichever thread this is.
    pub(super) fn of(
        rows: Vec<ExportRow>,
        through: i64,
        text: Option<TextFormat>,
        columns: &[ExportColumn],
        times: &LocalTimes,
    ) -> anyhow::Result<Chunk> {
        let count = rows.len() as u64;
        let content = match text {
            Some(format) => Content::Text(encode(format, columns, times, &rows)?),
            None => Content::Rows(rows),
        };
        Ok(Chunk { count, through, content })
    }
}

pub(super) struct Sink {
    text: Option<TextFormat>,
    to: SinkTarget,
}

enum SinkTarget {
    Stdout,
    File(Aside, File),
    Sheet(Aside, Box<dyn SheetFile>),
}

impl Sink {
    pub(super) fn begin(
        args: &ExportArgs,
        format: ExportFormat,
        columns: &[ExportColumn],
        times: LocalTimes,
    ) -> anyhow::Result<Sink> {
        let text = text_format(format);
        let head = text.map(|text| head(text, columns)).transpose()?.unwrap_or_default();
        let Some(path) = &args.out else {
            if text.is_none() {
                return Err(misuse(texts().export.needs_out));
            }
            // If nobody reads, that is seen at the first rows.
            let _is_read = output::bytes(&head)?;
            return Ok(Sink { text, to: SinkTarget::Stdout });
        };
        let aside = Aside::begin(path, args.after.is_some())?;
        let begun = match format {
            ExportFormat::Csv | ExportFormat::Jsonl => begin_text(&aside, &head).map(BegunFile::Text),
            ExportFormat::Xlsx => xlsx_file(aside.path(), name(args.what), columns, times).map(BegunFile::Sheet),
            ExportFormat::Parquet => parquet_file(aside.path(), columns).map(BegunFile::Sheet),
        };
        match begun {
            Ok(BegunFile::Text(file)) => Ok(Sink { text, to: SinkTarget::File(aside, file) }),
            Ok(BegunFile::Sheet(sheet)) => Ok(Sink { text, to: SinkTarget::Sheet(aside, sheet) }),
            Err(error) => {
                aside.discard();
                Err(error)
            }
        }
    }

    pub(super) fn text(&self) -> Option<TextFormat> {
        self.text
    }

    /// Adds rows; does anybody read on?
    pub(super) fn add(&mut self, chunk: &Chunk) -> anyhow::Result<ControlFlow<()>> {
        match (&mut self.to, &chunk.content) {
            (SinkTarget::Stdout, Content::Text(text)) => return output::bytes(text),
            (SinkTarget::File(aside, file), Content::Text(text)) => {
                file.write_all(text).with_context(|| aside.path().display().to_string())?;
            }
            (SinkTarget::Sheet(_, sheet), Content::Rows(rows)) => sheet.add(rows)?,
            (SinkTarget::Stdout | SinkTarget::File(..), Content::Rows(_))
            | (SinkTarget::Sheet(..), Content::Text(_)) => {}
        }
        Ok(ControlFlow::Continue(()))
    }

    /// It is whole.
    pub(super) fn put(self) -> anyhow::Result<()> {
        match self.to {
            SinkTarget::Stdout => Ok(()),
            SinkTarget::File(aside, _) => aside.put(),
            SinkTarget::Sheet(aside, sheet) => {
                sheet.finish()?;
                aside.put()
            }
        }
    }

    /// It is as far as it is: where that can be read.
    pub(super) fn keep(self) -> anyhow::Result<Option<PathBuf>> {
        match self.to {
            SinkTarget::Stdout => Ok(None),
            SinkTarget::File(aside, _) => Ok(Some(aside.path().to_owned())),
            SinkTarget::Sheet(aside, sheet) => {
                sheet.finish()?;
                Ok(Some(aside.path().to_owned()))
            }
        }
    }

    /// It came to nothing.
    pub(super) fn discard(self) {
        match self.to {
            SinkTarget::Stdout => {}
            SinkTarget::File(aside, _) | SinkTarget::Sheet(aside, _) => aside.discard(),
        }
    }
}

enum BegunFile {
    Text(File),
    Sheet(Box<dyn SheetFile>),
}

fn begin_text(aside: &Aside, head: &[u8]) -> anyhow::Result<File> {
    let mut file = aside.file()?;
    file.write_all(head)?;
    Ok(file)
}
