//! One object for people: empty values are left out, long ones wrapped.

use serde_json::Value;

use super::{line, time, wrapped};

/// The widest protocol name, and two spaces.
const NAMES: usize = 25;

/// Prints an object, a name a line.
pub(crate) fn sheet(object: &Value) -> anyhow::Result<()> {
    for (name, value) in object.as_object().into_iter().flatten() {
        match value {
            Value::Null => {}
            Value::Object(inner) if inner.is_empty() => {}
            Value::Array(list) if list.is_empty() => {}
            Value::Object(inner) => {
                line(name)?;
                for (name, value) in inner {
                    line(&row(&format!("  {name}"), &one_line(value)))?;
                }
            }
            Value::Array(list) => {
                line(name)?;
                for value in list {
                    line(&wrapped("  - ", &one_line(value), 4))?;
                }
            }
            value => match moment(name, value) {
                Some(ms) => line(&row(name, &format!("{ms}  ({})", time(ms))))?,
                None => line(&row(name, &one_line(value)))?,
            },
        }
    }
    Ok(())
}

/// A time in milliseconds, recognised by its name.
fn moment(name: &str, value: &Value) -> Option<i64> {
    let is_time = ["_time", "_at", "_until"].iter().any(|end| name.ends_with(end));
    value.as_i64().filter(|_| is_time)
}

fn row(name: &str, text: &str) -> String {
    wrapped(&format!("{name:<NAMES$}"), text, NAMES)
}

/// An object as its names and values, an advisory as its code and sentence; without control characters.
fn one_line(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Object(object) => match (object.get("code"), object.get("message")) {
            (Some(Value::String(code)), Some(Value::String(message))) => format!("{code}: {message}"),
            _ => {
                let pairs = object.iter().filter(|(_, value)| !value.is_null());
                let shown = |name: &String, value| moment(name, value).map_or_else(|| one_line(value), time);
                pairs.map(|(name, value)| format!("{name} {}", shown(name, value))).collect::<Vec<_>>().join(", ")
            }
        },
        Value::Array(list) => list.iter().map(one_line).collect::<Vec<_>>().join(" "),
        value => value.to_string(),
    };
    text.replace(char::is_control, " ")
}
