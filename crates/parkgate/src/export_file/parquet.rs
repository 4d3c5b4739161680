//! Parquet: typed columns, by groups of rows that are held in memory until they are written.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use parquet::basic::{Compression, ZstdLevel};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use super::{Cell, ColumnKind, ExportColumn, ExportRow, SheetFile};

/// Rows of a group: what readers load at once, and this program holds.
const GROUP_ROWS: usize = 32_768;

/// A file under way.
pub(super) struct ParquetFile {
    writer: SerializedFileWriter<File>,
    rows: Vec<ExportRow>,
}

impl ParquetFile {
    pub(super) fn begin(path: &Path, columns: &[ExportColumn]) -> anyhow::Result<ParquetFile> {
        let file = File::options().write(true).truncate(true).open(path).with_context(|| path.display().to_string())?;
        let fields: String = columns.iter().map(field).collect();
        let schema = Arc::new(parse_message_type(&format!("message parkgate {{ {fields} }}"))?);
        let properties = WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?)).build();
        let writer = SerializedFileWriter::new(file, schema, Arc::new(properties))?;
        Ok(ParquetFile { writer, rows: Vec::new() })
    }

    fn write_group(&mut self) -> anyhow::Result<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let mut group = self.writer.next_row_group()?;
        let mut place = 0;
        while let Some(mut column) = group.next_column()? {
            let cells = self.rows.iter().map(|row| row.get(place).unwrap_or(&Cell::Empty));
            match column.untyped() {
                ColumnWriter::Int64ColumnWriter(writer) => {
                    let (values, levels) = present(cells, |cell| match cell {
                        Cell::Number(number) => Some(*number),
                        Cell::Empty | Cell::Text(_) | Cell::Decimal(_) => None,
                    });
                    writer.write_batch(&values, Some(&levels), None)?;
                }
                ColumnWriter::ByteArrayColumnWriter(writer) => {
                    let (values, levels) = present(cells, |cell| match cell {
                        Cell::Text(text) | Cell::Decimal(text) => Some(ByteArray::from(text.as_str())),
                        Cell::Empty | Cell::Number(_) => None,
                    });
                    writer.write_batch(&values, Some(&levels), None)?;
                }
                _ => bail!("a column of another type"),
            }
            column.close()?;
            place += 1;
        }
        group.close()?;
        self.rows.clear();
        Ok(())
    }
}

/// The values that there are, and for each cell whether there is one.
fn present<'a, T>(cells: impl Iterator<Item = &'a Cell>, value: impl Fn(&Cell) -> Option<T>) -> (Vec<T>, Vec<i16>) {
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    for cell in cells {
        let value = value(cell);
        levels.push(i16::from(value.is_some()));
        values.extend(value);
    }
    (values, levels)
}

fn field(column: &ExportColumn) -> String {
    let key = column.key;
    match column.kind {
        ColumnKind::Text => format!("optional binary {key} (UTF8);"),
        ColumnKind::Json => format!("optional binary {key} (JSON);"),
        ColumnKind::Time => format!("optional int64 {key} (TIMESTAMP(MILLIS,true));"),
        ColumnKind::Amount | ColumnKind::Number => format!("optional int64 {key};"),
    }
}

impl SheetFile for ParquetFile {
    fn add(&mut self, rows: &[ExportRow]) -> anyhow::Result<()> {
        for row in rows {
            self.rows.push(row.clone());
            if self.rows.len() >= GROUP_ROWS {
                self.write_group()?;
            }
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> anyhow::Result<()> {
        self.write_group()?;
        self.writer.close()?;
        Ok(())
    }
}
