//! Listings, printed while they are read: however many rows there are, few are held.

use std::ops::ControlFlow;

use parkgate_store::{StoreError, Take};
use serde_json::Value;

use super::{Columns, written};

/// Rows whose widths are weighed together. Later ones make columns wider where they must.
const ROWS_AT_ONCE: usize = 1000;

/// How rows are shown.
pub(crate) struct Shown<T> {
    /// The heads of the columns.
    pub(crate) head: &'static [&'static str],
    /// For people.
    pub(crate) row: fn(&T) -> Vec<String>,
    /// For scripts.
    pub(crate) value: fn(&T) -> Value,
}

/// Prints what `each` hands out, as a table or as a JSON array; how many there were. Ends early if nobody reads on.
pub(crate) fn listing<T>(
    as_json: bool,
    shown: &Shown<T>,
    each: impl FnOnce(Take<'_, T>) -> Result<(), StoreError>,
) -> anyhow::Result<u64> {
    let mut count = 0;
    let mut sheet = Sheet::default();
    let mut failed = None;
    each(&mut |one| {
        let put = match as_json {
            true => element(&(shown.value)(&one), count == 0).and_then(|text| written(&text)),
            false => sheet.add(shown.head, (shown.row)(&one)),
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
        (false, _) => sheet.print(shown.head)?,
    };
    Ok(count)
}

/// As it stands in an array that is printed whole.
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
    fn add(&mut self, head: &[&str], row: Vec<String>) -> anyhow::Result<ControlFlow<()>> {
        self.rows.push(row);
        if self.rows.len() < ROWS_AT_ONCE { Ok(ControlFlow::Continue(())) } else { self.print(head) }
    }

    /// What was added since; the head once, above the first of them.
    fn print(&mut self, head: &[&str]) -> anyhow::Result<ControlFlow<()>> {
        let rows = std::mem::take(&mut self.rows);
        let mut text = String::new();
        let columns = self.columns.get_or_insert_with(|| Columns::of(head));
        let is_first = columns.widen(&rows);
        if is_first {
            columns.line(head, &mut text);
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
    fn an_array_printed_by_elements_is_as_it_would_be_whole() {
        let values = [json!({ "a": [1, { "b": "x\ny" }], "c": {} }), json!([]), json!("z")];
        let elements = values.iter().enumerate().map(|(number, value)| element(value, number == 0).unwrap());
        let text: String = elements.collect();
        assert_eq!(format!("{text}\n]"), serde_json::to_string_pretty(&values).unwrap());
    }
}
