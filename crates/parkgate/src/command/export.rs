//! `export`: visits, payments, records, conflicts and deliveries, a span of records at a time, in constant memory.
//!
//! A cursor names the last record whose rows are whole. While an export is under way it also names the newest record at its
//! beginning, `120000/900000`, so that what an interrupted run and its continuation give together is what one run gives. At
//! the end it is one number, after which a later export goes on: visits that changed since come again.

mod columns;
mod pipeline;
mod rows;
mod sink;

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::bail;
use indicatif::{ProgressBar, ProgressStyle};
use parkgate_ledger::mask::Masking;
use parkgate_store::{DeliveryFilter, DeliveryId, ExportParks, Store};
use parkgate_text::{Lang, lang, texts, texts_in};
use parkgate_wire::UnixMillis;

use self::rows::RowMaker;
use self::sink::{Chunk, Sink};
use super::audited::masking;
use super::signals::Signals;
use super::{open, visit};
use crate::cli::{ExportArgs, ExportFormat, ExportWhat, HeaderLang};
use crate::export_file::{ExportColumn, LocalTimes, TextFormat};
use crate::output::{self, misuse};
use crate::zone::Zone;

/// A batch is recorded, or given up, in less: numbers of what was received before do not come any more.
const SETTLED_AFTER_MS: i64 = 60_000;

pub(super) fn run(args: &ExportArgs) -> anyhow::Result<()> {
    let format = format(args);
    let times = Zone::chosen(args.zone.as_deref())?.times();
    let since = moment("--since", args.since.as_deref())?;
    let until = moment("--until", args.until.as_deref())?;
    let cursor = args.after.as_deref().map(|text| Cursor::read(args.what, text)).transpose()?;
    let columns = columns::of(args.what, texts_in(headers(args)), format);
    let store = open(&args.place)?;
    let Some(parks) = store.export_parks(args.park.as_deref())? else {
        bail!((texts().export.no_park)(args.park.as_deref().unwrap_or_default()));
    };
    let mut sink = Sink::begin(args, format, &columns, times.clone())?;
    // Once it is certain that something is shown, and before it is.
    let filters = [("--park", args.park.clone()), ("--since", args.since.clone()), ("--until", args.until.clone())];
    let masking = masking(store.as_ref(), args.unmask, Masking::All, &format!("export {}", name(args.what)), &filters)?;
    let maker = RowMaker { what: args.what, since, until, masking, park: args.park.clone() };
    let export =
        Export { store: store.as_ref(), parks: &parks, maker: &maker, columns: &columns, times: &times, stop: stop()? };
    let done = match args.what {
        ExportWhat::Deliveries => export.deliveries(cursor, &mut sink),
        _ => export.spans(cursor, text_format(format), &mut sink),
    };
    match done {
        Ok(done) => finish(sink, &done),
        Err(error) => {
            sink.discard();
            Err(error)
        }
    }
}

/// What was written, and how it ended.
struct Done {
    rows: u64,
    /// None if nothing was written.
    cursor: Option<String>,
    ended: ExportEnd,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ExportEnd {
    Whole,
    /// Nobody reads on.
    Unread,
    Interrupted,
}

fn finish(sink: Sink, done: &Done) -> anyhow::Result<()> {
    let texts = &texts().export;
    let cursor = done.cursor.as_deref().unwrap_or("0");
    match done.ended {
        ExportEnd::Whole => {
            sink.put()?;
            output::remark(&(texts.rows)(done.rows, cursor));
            Ok(())
        }
        ExportEnd::Unread => Ok(()),
        ExportEnd::Interrupted => {
            let kept = sink.keep()?;
            let said = match &done.cursor {
                None => texts.nothing_yet.to_owned(),
                Some(cursor) => (texts.interrupted)(done.rows, cursor),
            };
            match kept {
                Some(path) => bail!("{said}\n{}", (texts.part_kept)(&path.display().to_string())),
                None => bail!(said),
            }
        }
    }
}

/// An export that is set up.
struct Export<'a> {
    store: &'a Store,
    parks: &'a ExportParks,
    maker: &'a RowMaker,
    columns: &'a [ExportColumn],
    times: &'a LocalTimes,
    stop: Arc<AtomicBool>,
}

impl Export<'_> {
    /// By spans of records, several at once, written in their order.
    fn spans(&self, cursor: Option<Cursor>, text: Option<TextFormat>, sink: &mut Sink) -> anyhow::Result<Done> {
        let settled = self.store.settled_record(UnixMillis(parkgate_client::now().0 - SETTLED_AFTER_MS))?;
        let now = self.store.newest_record()?;
        let (mut after, newest) = match cursor {
            Some(Cursor::Record { after, newest }) => (after, newest.unwrap_or(now)),
            Some(Cursor::Delivery(_)) | None => (i64::MIN, now),
        };
        if let Some(since) = self.maker.since {
            // A push is received after what it reports.
            after = after.max(self.store.record_before(since)?);
        }
        let first = after.max(0);
        let bar = bar(newest - first)?;
        let work = |span| {
            let rows = self.maker.of_span(self.store, self.parks, span)?;
            Chunk::of(rows, span.through, text, self.columns, self.times)
        };
        let mut at = after;
        let spans = || {
            if self.stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let span = self.store.next_span(self.parks, at, newest)?;
            at = span.map_or(at, |span| span.through);
            Ok(span)
        };
        let mut done = Done { rows: 0, cursor: None, ended: ExportEnd::Whole };
        pipeline::run(spans, &work, &mut |chunk: Chunk| {
            if self.stop.load(Ordering::Relaxed) {
                done.ended = ExportEnd::Interrupted;
                return Ok(ControlFlow::Break(()));
            }
            let through = chunk.through;
            if sink.add(&chunk)?.is_break() {
                done.ended = ExportEnd::Unread;
                return Ok(ControlFlow::Break(()));
            }
            done.rows += chunk.count;
            done.cursor = Some(format!("{through}/{newest}"));
            bar.set_position(u64::try_from(through - first).unwrap_or(0));
            bar.set_message(format!("{} {}", done.rows, texts().export.progress));
            Ok(ControlFlow::Continue(()))
        })?;
        bar.finish_and_clear();
        if done.ended == ExportEnd::Whole && self.stop.load(Ordering::Relaxed) {
            done.ended = ExportEnd::Interrupted;
        }
        if done.ended == ExportEnd::Whole {
            done.cursor = Some(newest.min(settled.max(first)).to_string());
        }
        Ok(done)
    }

    /// By pages: they are of no order of records.
    fn deliveries(&self, cursor: Option<Cursor>, sink: &mut Sink) -> anyhow::Result<Done> {
        let filter = DeliveryFilter { limit: usize::MAX, ..DeliveryFilter::default() };
        let mut from = match cursor {
            Some(Cursor::Delivery(id)) => Some(id),
            Some(Cursor::Record { .. }) | None => None,
        };
        let mut done = Done { rows: 0, cursor: from.map(|id| id.to_string()), ended: ExportEnd::Whole };
        let bar = bar(0)?;
        loop {
            if self.stop.load(Ordering::Relaxed) {
                done.ended = ExportEnd::Interrupted;
                return Ok(done);
            }
            let page = self.store.deliveries_page(&filter, from)?;
            let last = page.rows.last().map(|delivery| delivery.id);
            let rows = self.maker.of_deliveries(&page.rows);
            let chunk = Chunk::of(rows, 0, sink.text(), self.columns, self.times)?;
            if sink.add(&chunk)?.is_break() {
                done.ended = ExportEnd::Unread;
                return Ok(done);
            }
            done.rows += chunk.count;
            done.cursor = last.map(|id| id.to_string()).or(done.cursor);
            bar.set_message(format!("{} {}", done.rows, texts().export.progress));
            from = page.next;
            if from.is_none() {
                bar.finish_and_clear();
                return Ok(done);
            }
        }
    }
}

/// Where an export goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cursor {
    Record {
        /// Its rows, and those of all before it, are there.
        after: i64,
        /// The newest record of the run that was interrupted.
        newest: Option<i64>,
    },
    Delivery(DeliveryId),
}

impl Cursor {
    fn read(what: ExportWhat, text: &str) -> anyhow::Result<Cursor> {
        let wrong = || misuse((texts().export.wrong_cursor)(text));
        let number = |text: &str| text.parse::<i64>().ok().filter(|number| *number >= 0).ok_or_else(wrong);
        if what == ExportWhat::Deliveries {
            // Of an export that found nothing.
            let id = if text == "0" { Some(DeliveryId { subscriber: 0, record: 0 }) } else { text.parse().ok() };
            return id.map(Cursor::Delivery).ok_or_else(wrong);
        }
        match text.split_once('/') {
            None => Ok(Cursor::Record { after: number(text)?, newest: None }),
            Some((after, newest)) => Ok(Cursor::Record { after: number(after)?, newest: Some(number(newest)?) }),
        }
    }
}

fn moment(flag: &str, given: Option<&str>) -> anyhow::Result<Option<UnixMillis>> {
    let wrong = |text: &str| misuse((texts().export.wrong_moment)(flag, text));
    given.map(|text| visit::moment(text).map_err(|_| wrong(text))).transpose()
}

fn headers(args: &ExportArgs) -> Lang {
    match args.headers {
        Some(HeaderLang::Zh) => Lang::Zh,
        Some(HeaderLang::En) => Lang::En,
        None => lang(),
    }
}

/// The one that is asked for, else by the name of the file.
fn format(args: &ExportArgs) -> ExportFormat {
    let extension = args.out.as_deref().and_then(Path::extension).map(|name| name.to_string_lossy().to_lowercase());
    args.format.unwrap_or(match extension.as_deref() {
        Some("xlsx") => ExportFormat::Xlsx,
        Some("jsonl" | "ndjson") => ExportFormat::Jsonl,
        Some("parquet") => ExportFormat::Parquet,
        Some(_) | None => ExportFormat::Csv,
    })
}

fn text_format(format: ExportFormat) -> Option<TextFormat> {
    match format {
        ExportFormat::Csv => Some(TextFormat::Csv),
        ExportFormat::Jsonl => Some(TextFormat::JsonLines),
        ExportFormat::Xlsx | ExportFormat::Parquet => None,
    }
}

fn name(what: ExportWhat) -> &'static str {
    match what {
        ExportWhat::Visits => "visits",
        ExportWhat::Payments => "payments",
        ExportWhat::Records => "records",
        ExportWhat::Conflicts => "conflicts",
        ExportWhat::Deliveries => "deliveries",
    }
}

/// On stderr, if that is a terminal.
fn bar(records: i64) -> anyhow::Result<ProgressBar> {
    let bar = ProgressBar::new(u64::try_from(records).unwrap_or(0));
    bar.set_style(ProgressStyle::with_template("{msg:20} {bar:30} {percent}% {elapsed}")?);
    Ok(bar)
}

/// Is set by the first signal to end; a second one ends at once.
fn stop() -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let signals = runtime.block_on(async { Signals::listen() })?;
    let set = Arc::clone(&stop);
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        runtime.block_on(async {
            signals.stopped().await;
            set.store(true, Ordering::Relaxed);
            std::future::pending::<()>().await;
        });
    })?;
    Ok(stop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_is_printed() {
        let read = |what, text| Cursor::read(what, text).ok();
        let record = |after, newest| Some(Cursor::Record { after, newest });
        assert_eq!(read(ExportWhat::Visits, "0"), record(0, None));
        assert_eq!(read(ExportWhat::Records, "120000/900000"), record(120_000, Some(900_000)));
        assert_eq!(
            read(ExportWhat::Deliveries, "3-17"),
            Some(Cursor::Delivery(DeliveryId { subscriber: 3, record: 17 }))
        );
        for wrong in ["", "x", "-1", "1/", "/1", "1/2/3", "3-17"] {
            assert_eq!(read(ExportWhat::Visits, wrong), None, "{wrong}");
        }
        assert_eq!(read(ExportWhat::Deliveries, "17"), None);
    }
}
