//! JSON for people and scripts, with personal data masked by the names of its fields.

use parkgate_ledger::mask::Masking;
use serde_json::{Map, Value};

/// Sentences that may repeat what was sent.
const SENTENCES: [&str; 6] = ["hint", "finding", "message", "told", "ours", "theirs"];
/// Of a change of the field that the object names, or that stands above.
const CHANGES: [&str; 4] = ["before", "after", "recorded", "ignored"];
/// Bodies that could not be read as a form: nobody knows where in them personal data is.
const BODY: &str = "body";

/// A value with all personal data in it masked, at whatever depth.
pub(crate) fn masked(value: Value, masking: Masking) -> Value {
    if masking == Masking::Nothing { value } else { masked_under("", value, masking) }
}

/// The value of a field of this name.
fn masked_under(field: &str, value: Value, masking: Masking) -> Value {
    match value {
        // In place of a value that was not sent.
        Value::String(text) if text == "-" => text.into(),
        Value::String(text) if SENTENCES.contains(&field) => masking.sentence(&text).into(),
        Value::String(text) => masking.field(field, &text).into(),
        // A number that was sent as one: an ID number may be.
        Value::Number(number) => {
            let (text, shown) = (number.to_string(), masking.field(field, &number.to_string()));
            if shown == text { Value::Number(number) } else { shown.into() }
        }
        Value::Array(list) => list.into_iter().map(|one| masked_under(field, one, masking)).collect(),
        Value::Object(object) => Value::Object(masked_object(field, object, masking)),
        Value::Null | Value::Bool(_) => value,
    }
}

fn masked_object(field: &str, object: Map<String, Value>, masking: Masking) -> Map<String, Value> {
    let changed = object.get("name").and_then(Value::as_str).unwrap_or(field).to_owned();
    let of = |name: &String, value: Value| match name.as_str() {
        "text" if field == BODY => "***".into(),
        name if CHANGES.contains(&name) => masked_under(&changed, value, masking),
        name => masked_under(name, value, masking),
    };
    object.into_iter().map(|(name, value)| (name.clone(), of(&name, value))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn personal_fields_are_masked_wherever_they_stand() {
        let visit = json!({
            "plate": "粤B12345",
            "params": { "plate": ["粤B12345", "粤B1"], "idcard_no": 440301199003071234_u64, "idcard_name": "张三" },
            "updates": [{ "changed": { "plate": { "before": "粤B12345", "after": null }, "enter_time": { "before": 1, "after": 2 } } }],
            "differing": [{ "name": "plate", "recorded": "粤B12345", "ignored": "-" }, { "name": "car_desc", "recorded": "a", "ignored": "b" }],
            "hint": "x[plate=粤B12345&y=1]",
            "body": { "content_type": "text/plain", "text": "440301199003071234" },
            "payments": [{ "value": 500 }],
        });
        let shown = json!({
            "plate": "粤B***45",
            "params": { "plate": ["粤B***45", "粤**"], "idcard_no": "4403**********1234", "idcard_name": "张*" },
            "updates": [{ "changed": { "plate": { "before": "粤B***45", "after": null }, "enter_time": { "before": 1, "after": 2 } } }],
            "differing": [{ "name": "plate", "recorded": "粤B***45", "ignored": "-" }, { "name": "car_desc", "recorded": "a", "ignored": "b" }],
            "hint": "x[plate=粤B***45&y=1]",
            "body": { "content_type": "text/plain", "text": "***" },
            "payments": [{ "value": 500 }],
        });
        assert_eq!(masked(visit.clone(), Masking::All), shown);
        assert_eq!(masked(visit.clone(), Masking::IdData)["plate"], "粤B12345");
        assert_eq!(masked(visit.clone(), Masking::IdData)["params"]["idcard_name"], "张*");
        assert_eq!(masked(visit.clone(), Masking::Nothing), visit);
    }
}
