//! Output for people and scripts: data on stdout, messages on stderr.

mod fault;
mod listing;
mod masked;
mod sheet;

pub(crate) use listing::{ListingFormat, listing, rows};
pub(crate) use masked::masked;
pub(crate) use sheet::sheet;

use std::io::Write;
use std::ops::ControlFlow;
use std::time::Duration;

use parkgate_text::texts;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Terminals are at least this wide; running text stays within.
pub(crate) const WIDTH: usize = 80;

/// How wide tables may be: the terminal's width. `None` for a pipe or a file, which gets everything.
fn table_width() -> Option<usize> {
    let set = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse::<usize>().ok()).filter(|set| *set > 0);
    let terminal = || terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| usize::from(width.0));
    set.or_else(terminal).map(|width| width.max(WIDTH))
}

/// Writes a line of data. A closed reader (`| head`) is not an error.
pub(crate) fn line(text: &str) -> anyhow::Result<()> {
    written(&format!("{text}\n")).map(drop)
}

/// Writes data; is anybody still reading?
fn written(text: &str) -> anyhow::Result<ControlFlow<()>> {
    is_read(anstream::stdout().write_all(text.as_bytes()))
}

/// Writes data as it is; is anybody still reading?
pub(crate) fn bytes(data: &[u8]) -> anyhow::Result<ControlFlow<()>> {
    let mut out = std::io::stdout().lock();
    is_read(out.write_all(data).and_then(|()| out.flush()))
}

fn is_read(written: std::io::Result<()>) -> anyhow::Result<ControlFlow<()>> {
    match written {
        Ok(()) => Ok(ControlFlow::Continue(())),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(ControlFlow::Break(())),
        Err(error) => Err(error.into()),
    }
}

/// Writes JSON, indented for reading.
pub(crate) fn json(value: &serde_json::Value) -> anyhow::Result<()> {
    line(&serde_json::to_string_pretty(value)?)
}

/// Says what went wrong and what to do next. If nobody reads stderr, the process waits only a moment at its end.
pub(crate) fn complain(error: &anyhow::Error) {
    let (text, (done, is_done)) =
        (format!("{}\n", (texts().general.error)(&fault::said(error))), std::sync::mpsc::channel());
    let writing = std::thread::Builder::new().spawn(move || {
        // If stderr is gone there is nobody left to report to, and the process has waited long enough.
        let _ = anstream::stderr().write_all(text.as_bytes());
        let _ = done.send(());
    });
    if writing.is_ok() {
        // Also returns if the thread ended otherwise.
        let _ = is_done.recv_timeout(COMPLAIN_MAX);
    }
}

const COMPLAIN_MAX: Duration = Duration::from_secs(1);

/// The command was used wrongly: exit code 2, like clap's own errors.
#[derive(Debug)]
pub(crate) struct Misuse(String);

impl std::fmt::Display for Misuse {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for Misuse {}

/// An error by whoever typed the command or wrote the settings.
pub(crate) fn misuse(text: impl Into<String>) -> anyhow::Error {
    Misuse(text.into()).into()
}

/// A part of a long-running program failed by a fault of ours or of the disk: exit code 70, as in `sysexits.h`. The
/// supervisor should restart it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct ComponentFailed(pub(crate) String);

/// The exit code of a failed component.
pub(crate) const BROKEN: u8 = 70;

/// 2 if the command was used wrongly, 70 if the program must be restarted, else 1.
pub(crate) fn exit_code(error: &anyhow::Error) -> u8 {
    if error.downcast_ref::<Misuse>().is_some() {
        2
    } else if error.downcast_ref::<ComponentFailed>().is_some() {
        BROKEN
    } else {
        1
    }
}

/// Prints help, or what was used wrongly. Whoever closed the stream does not want it.
pub(crate) fn print_instead(text: &str, to_stderr: bool) {
    let _ = if to_stderr {
        anstream::stderr().write_all(text.as_bytes())
    } else {
        anstream::stdout().write_all(text.as_bytes())
    };
}

/// Prints a remark on stderr.
pub(crate) fn remark(text: &str) {
    let _ = writeln!(anstream::stderr(), "{text}");
}

/// A table by display width: a Chinese character takes two columns. The widest columns shrink first.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    table_within(table_width(), head, rows)
}

fn table_within(room: Option<usize>, head: &[&str], rows: &[Vec<String>]) -> String {
    let mut columns = Columns::of(head, head.len(), room);
    columns.widen(rows);
    let mut out = String::new();
    columns.line(head, &mut out);
    for row in rows {
        columns.line(row, &mut out);
    }
    out.pop();
    out
}

/// The columns of a table.
struct Columns {
    /// The width of their widest cell so far.
    wanted: Vec<usize>,
    /// The printed width of each column that is shown.
    widths: Vec<usize>,
    /// How many columns are always shown; the others only if there is room.
    always: usize,
    /// The width available for all of them.
    room: Option<usize>,
}

impl Columns {
    fn of(head: &[&str], always: usize, room: Option<usize>) -> Columns {
        Columns { wanted: head.iter().map(|cell| cell.width()).collect(), widths: Vec::new(), always, room }
    }

    /// Makes room for these rows, too. Returns whether they are the first.
    fn widen(&mut self, rows: &[Vec<String>]) -> bool {
        for row in rows {
            for (width, cell) in self.wanted.iter_mut().zip(row) {
                *width = (*width).max(cell.width());
            }
        }
        let is_first = self.widths.is_empty();
        // As many as at first: all lines of a table have the same columns.
        let shown = if is_first { self.fitting() } else { self.widths.len() };
        self.widths = self.wanted.iter().take(shown).copied().collect();
        while self.room.is_some_and(|room| laid_out(&self.widths) > room) {
            match self.widths.iter_mut().max() {
                Some(widest) if *widest > 4 => *widest -= 1,
                Some(_) | None => break,
            }
        }
        is_first
    }

    /// How many columns fit without truncating any.
    fn fitting(&self) -> usize {
        let fits = |count: &usize| {
            let some = self.wanted.get(..*count).unwrap_or(&self.wanted);
            self.room.is_none_or(|room| laid_out(some) <= room)
        };
        (self.always + 1..=self.wanted.len()).take_while(fits).last().unwrap_or(self.always)
    }

    fn line(&self, row: &[impl AsRef<str>], out: &mut String) {
        let cells: Vec<String> =
            row.iter().zip(&self.widths).map(|(cell, width)| fitted(cell.as_ref(), *width)).collect();
        out.push_str(cells.join("  ").trim_end());
        out.push('\n');
    }
}

/// The width of these columns with two spaces between.
fn laid_out(widths: &[usize]) -> usize {
    widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1)
}

fn fitted(cell: &str, width: usize) -> String {
    let mut out = String::new();
    let mut used = 0;
    let cut = cell.width() > width;
    for letter in cell.chars() {
        // A control character is shown as a space.
        let wide = letter.width().unwrap_or(1);
        if used + wide > width - usize::from(cut) {
            break;
        }
        used += wide;
        out.push(if letter.is_control() { ' ' } else { letter });
    }
    if cut {
        out.push('…');
        used += 1;
    }
    out.push_str(&" ".repeat(width.saturating_sub(used)));
    out
}

/// `text` after `start`, wrapped so that no line is wider than a terminal, with further lines indented. Breaks at
/// spaces where possible, but Chinese has none.
pub(crate) fn wrapped(start: &str, text: &str, indent: usize) -> String {
    let room = WIDTH.saturating_sub(indent).max(20);
    let mut out = start.to_owned();
    let mut rest = text;
    loop {
        let (line, after) = broken(rest, room);
        out.push_str(line.trim_end());
        rest = after.trim_start();
        if rest.is_empty() {
            return out;
        }
        out.push('\n');
        out.push_str(&" ".repeat(indent));
    }
}

/// Pads with spaces to a display width.
pub(crate) fn padded(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.width())))
}

/// The part that fits, and the rest.
fn broken(text: &str, room: usize) -> (&str, &str) {
    let mut used = 0;
    let mut end = None;
    let mut before = ' ';
    for (at, letter) in text.char_indices() {
        if may_break(before, letter) {
            end = Some(at);
        }
        used += letter.width().unwrap_or(1);
        if used > room {
            // Only near the end: a long word must not leave half a line empty.
            return text.split_at(end.filter(|end| *end * 2 > at).unwrap_or(at));
        }
        before = letter;
    }
    (text, "")
}

/// May a line end between these letters? At a space, and on either side of a Chinese character, unless a mark that belongs
/// to what is before it follows.
fn may_break(before: char, after: char) -> bool {
    let is_wide = |letter: char| letter.width() == Some(2);
    let closes = ",.;:!?)]}、，。；：！？）】》”";
    after == ' ' || ((is_wide(before) || is_wide(after)) && !closes.contains(after) && !"([{（【《“`".contains(before))
}

/// Milliseconds as local time, to the second.
pub(crate) fn time(ms: i64) -> String {
    match jiff::Timestamp::from_millisecond(ms) {
        Ok(time) => time.to_zoned_datetime(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => ms.to_string(),
    }
}

/// A duration as people say it: `0.5s`, `12s`, `5min`, `6h`, `7d` in English.
pub(crate) fn span(ms: i64) -> String {
    let seconds = ms as f64 / 1000.0;
    let units = &texts().general;
    let lengths = [(86_400.0, units.days), (3600.0, units.hours), (60.0, units.minutes)];
    // A unit is used from two of it on: 47 hours say more than 2 days.
    let found = lengths.into_iter().find(|(length, _)| seconds >= 2.0 * length);
    let (length, said) = found.unwrap_or((1.0, units.seconds));
    let text = format!("{:.1}", seconds / length);
    said(text.strip_suffix(".0").unwrap_or(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_fit_eighty_columns_with_chinese_in_them() {
        let row =
            vec!["49f0cc52-e8c7-41e3-b54d-af666b8cc11a".to_owned(), "东门地下停车场".repeat(6), "启用".to_owned()];
        let text = table_within(Some(WIDTH), &["park_uuid", "名称", "状态"], std::slice::from_ref(&row));
        assert!(text.lines().all(|line| line.width() <= WIDTH), "{text}");
        assert!(text.contains('…') && text.ends_with("启用"), "{text}");
        assert_eq!(text.lines().count(), 2);
        let whole = table_within(None, &["park_uuid", "名称", "状态"], std::slice::from_ref(&row));
        assert!(whole.contains(&row[1]) && !whole.contains('…'), "a pipe gets all of it: {whole}");
    }

    #[test]
    fn further_columns_are_shown_where_there_is_room_for_all_of_them() {
        let rows = [vec!["粤B12345".to_owned(), "x".repeat(60), "5.00".into(), "东门 → 西门".into()]];
        let heads = |room: Option<usize>| {
            let mut columns = Columns::of(&["车牌", "流水", "已付", "出入口"], 2, room);
            columns.widen(&rows);
            columns.widths.len()
        };
        // 8 + 60, then 4, then 11, with two spaces between.
        for (room, shown) in [(60, 2), (70, 2), (75, 2), (76, 3), (88, 3), (89, 4), (200, 4)] {
            assert_eq!(heads(Some(room)), shown, "{room}");
        }
        assert_eq!(heads(None), 4);
        let mut columns = Columns::of(&["a", "b"], 1, Some(10));
        columns.widen(&[vec!["x".into(), "y".into()]]);
        columns.widen(&[vec!["x".into(), "y".repeat(20)]]);
        assert_eq!(columns.widths.len(), 2, "the same columns to the end");
        assert!(laid_out(&columns.widths) <= 10);
    }

    #[test]
    fn long_texts_are_wrapped_within_the_terminal() {
        let text = wrapped("  - ", &"离场时没有入场记录 (the leave was recorded before any enter) ".repeat(4), 4);
        assert!(text.lines().count() > 3 && text.lines().all(|line| line.width() <= WIDTH), "{text}");
        assert!(text.lines().skip(1).all(|line| line.starts_with("    ")), "{text}");
        assert_eq!(wrapped("a ", "", 2), "a ");
        assert_eq!(wrapped("", &"x".repeat(81), 0).lines().count(), 2);
    }

    #[test]
    fn lengths_of_time_are_said_as_people_do() {
        for (ms, text) in [
            (0, "0秒"),
            (1_530, "1.5秒"),
            (119_000, "119秒"),
            (120_000, "2分钟"),
            (6 * 3_600_000, "6小时"),
            (168 * 3_600_000, "7天"),
            (-20_000, "-20秒"),
        ] {
            assert_eq!(span(ms), text);
        }
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        let text = table_within(Some(WIDTH), &["a", "b"], &[vec!["x\u{1b}[31m\n".into(), "y".into()]]);
        assert_eq!(text, "a        b\nx [31m   y");
    }

    #[test]
    fn wrong_use_and_failure_differ_through_any_context() {
        assert_eq!(exit_code(&misuse("x").context("y").context("z")), 2);
        assert_eq!(exit_code(&anyhow::anyhow!("x").context("y")), 1);
        assert_eq!(exit_code(&anyhow::Error::from(ComponentFailed("x".into())).context("y")), 70);
    }
}
