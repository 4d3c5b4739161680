//! Listings, printed while they are read: few rows are held in memory, however many there are.

use std::ops::ControlFlow;

use parkgate_store::{StoreError, Take};
use parkgate_text::texts;
use serde_json::Value;

use super::{Columns, line, table, table_width, written};

/// How many rows decide the column widths. Later ones widen columns if they must.
const ROWS_AT_ONCE: usize = 1000;

/// The flags that filter, with their values.
pub(crate) type Filter = [(&'static str, Option<String>)];

/// How rows are shown.
pub(crate) struct ListingFormat<T> {
    /// What they are.
    pub(crate) what: fn() -> &'static str,
    /// The column titles.
    pub(crate) head: fn() -> Vec<&'static str>,
    /// How many columns are always shown; the others if the terminal is wide enough.
    pub(crate) always: usize,
    /// For people.
    pub(crate) row: fn(&T) -> Vec<String>,
    /// For scripts.
    pub(crate) value: fn(&T) -> Value,
}

/// Prints the rows that `each` yields, as a table or as a JSON array, and returns their number. Stops early if nobody
/// reads on.
pub(crate) fn listing<T>(
    as_json: bool,
    shown: &ListingFormat<T>,
    filter: &Filter,
    each: impl FnOnce(Take<'_, T>) -> Result<(), StoreError>,
) -> anyhow::Result<u64> {
    let mut count = 0;
    let mut sheet = Sheet::default();
    let mut failed = None;
    each(&mut |one| {
        let put = match as_json {
            true => element(&(shown.value)(&one), count == 0).and_then(|text| written(&text)),
            false => sheet.add(shown, &one),
        };
        count += 1;
        put.unwrap_or_else(|error| {
            failed = Some(error);
            ControlFlow::Break(())
        })
    })?;
    if let Some(error) = failed {
        return Err(error);
    }
    let _is_read = match (as_json, count) {
        (true, 0) => written("[]\n")?,
        (true, _) => written("\n]\n")?,
        (false, 0) => written(&format!("{}\n", nothing((shown.what)(), filter)))?,
        (false, _) => sheet.print(shown)?,
    };
    Ok(count)
}

/// Prints a table of rows that are already in memory.
pub(crate) fn rows(what: &str, filter: &Filter, head: &[&str], rows: &[Vec<String>]) -> anyhow::Result<()> {
    if rows.is_empty() { line(&nothing(what, filter)) } else { line(&table(head, rows)) }
}

/// Printed instead of an empty table: a title row alone looks like a fault.
fn nothing(what: &str, filter: &Filter) -> String {
    let set = filter.iter().filter_map(|(flag, value)| Some(format!("{flag} {}", value.as_deref()?)));
    let set = set.collect::<Vec<_>>().join(" ").replace(char::is_control, " ");
    let set = set.trim();
    match set.is_empty() {
        true => (texts().general.nothing)(what),
        false => (texts().general.nothing_by)(what, set),
    }
}

/// An element, indented as in an array that is printed whole.
fn element(value: &Value, is_first: bool) -> anyhow::Result<String> {
    let text = serde_json::to_string_pretty(value)?.replace('\n', "\n  ");
    Ok(format!("{}\n  {text}", if is_first { "[" } else { "," }))
}

#[derive(Default)]
struct Sheet {
    columns: Option<Columns>,
    rows: Vec<Vec<String>>,
}

impl Sheet {
    fn add<T>(&mut self, shown: &ListingFormat<T>, one: &T) -> anyhow::Result<ControlFlow<()>> {
        self.rows.push((shown.row)(one));
        if self.rows.len() < ROWS_AT_ONCE { Ok(ControlFlow::Continue(())) } else { self.print(shown) }
    }

    /// Prints the rows added since; the title row only above the first of them.
    fn print<T>(&mut self, shown: &ListingFormat<T>) -> anyhow::Result<ControlFlow<()>> {
        let rows = std::mem::take(&mut self.rows);
        let mut text = String::new();
        let head = (shown.head)();
        let columns = self.columns.get_or_insert_with(|| Columns::of(&head, shown.always, table_width()));
        let is_first = columns.widen(&rows);
        if is_first {
            columns.line(&head, &mut text);
        }
        for row in &rows {
            columns.line(row, &mut text);
        }
        written(&text)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_empty_listing_names_the_filter() {
        let what = "停车记录";
        assert_eq!(nothing(what, &[("--park", None)]), "没有停车记录");
        let filter = [("--park", Some("P\u{1b}1".into())), ("--plate", None), ("--since", Some("2h".into()))];
        assert_eq!(nothing(what, &filter), "没有符合 --park P 1 --since 2h 的停车记录");
    }

    #[test]
    fn an_array_printed_by_elements_is_as_it_would_be_whole() {
        let values = [json!({ "a": [1, { "b": "x\ny" }], "c": {} }), json!([]), json!("z")];
        let elements = values.iter().enumerate().map(|(number, value)| element(value, number == 0).unwrap());
        let text: String = elements.collect();
        assert_eq!(format!("{text}\n]"), serde_json::to_string_pretty(&values).unwrap());
    }
}
