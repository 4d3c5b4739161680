//! What looks wrong and is recorded all the same (`DESIGN.md` 3.3, 7): a car park must never get stuck on one record.
//!
//! Advisories follow from what was sent and when, so they are computed when a visit is read and never stored.

use std::sync::LazyLock;
use std::time::Duration;

use crate::call::{CALLS, Call, TimeForm};
use crate::field::{Field, Need};
use crate::lost_text::lost_text;
use crate::params::Params;
use crate::push::amount;
use crate::push_kind::PushKind;
use crate::value::{Fen, UnixMillis};

/// One advisory: a stable code, and a sentence in Chinese and English.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advisory {
    /// Stable, for programs.
    pub code: &'static str,
    /// For people, in Chinese.
    pub zh: String,
    /// For people, in English.
    pub en: String,
}

/// The fields whose own value can look wrong, of each call's page.
static ADVISED: LazyLock<[Vec<&Field>; CALLS.len()]> = LazyLock::new(|| {
    let strict = |field: &Field| matches!(field.need, Need::Strict | Need::StrictWithApp);
    CALLS.map(|call| call.fields.iter().filter(|field| strict(field) || !field.listed.is_empty()).collect())
});

/// Clocks of car parks run ahead by minutes; anything later is a wrong time.
const AHEAD_MAX: Duration = Duration::from_secs(10 * 60);

/// All advisories of one push as it was sent, received at `received_at`.
#[must_use]
pub fn advise(kind: PushKind, params: &Params, received_at: UnixMillis) -> Vec<Advisory> {
    let mut found = Vec::new();
    advise_fields(kind.call(), params, &mut found);
    advise_times(kind.call(), params, received_at, &mut found);
    if kind.is_half() {
        advise_total(params, &mut found);
        advise_space(params, &mut found);
    }
    advise_text(params, &mut found);
    found
}

/// Each advisory's code in words, for reports that count them.
const WORDS: [(&str, &str, &str); 8] = [
    ("required_missing", "文档中必填的参数未传递", "what the document requires was left out"),
    ("value_unlisted", "参数值不在文档所列之中", "value not listed in the document"),
    ("time_in_future", "时间在未来", "time in the future"),
    ("leave_before_enter", "离场早于入场", "leave before its enter"),
    ("total_differs", "总额不等于各项之和", "total is not the sum of its parts"),
    ("space_unreadable", "车位数不是整数", "count of spaces is no number"),
    ("space_over_total", "剩余车位多于总车位", "more free spaces than there are"),
    ("lost_text", "中文在发送前已丢失", "Chinese text lost before it was sent"),
];

/// An advisory's code in words, in Chinese and in English. None for a code of a newer version.
#[must_use]
pub fn words(code: &str) -> Option<(&'static str, &'static str)> {
    WORDS.iter().find(|(one, ..)| *one == code).map(|(_, zh, en)| (*zh, *en))
}

fn advise_fields(call: &Call, params: &Params, found: &mut Vec<Advisory>) {
    for field in ADVISED.get(call.index()).into_iter().flatten() {
        match params.get(field.name) {
            None => {
                let expected = match field.need {
                    Need::Strict => true,
                    Need::StrictWithApp => params.get("app_id").is_some(),
                    Need::Optional | Need::Required | Need::Sent | Need::RequiredForLeave => false,
                };
                if expected {
                    let name = field.name;
                    found.push(Advisory {
                        code: "required_missing",
                        zh: format!("参数`{name}`在文档中必填但未传递"),
                        en: format!("{name} is marked required"),
                    });
                }
            }
            Some(value) if !field.listed.is_empty() && !field.listed.contains(&value) => {
                let listed = field.listed.join(", ");
                found.push(Advisory {
                    code: "value_unlisted",
                    zh: format!("参数`{}`的值`{value}`不在文档列出的{listed}之中", field.name),
                    en: format!("value of {} not listed", field.name),
                });
            }
            Some(_) => {}
        }
    }
}

fn advise_times(call: &Call, params: &Params, received_at: UnixMillis, found: &mut Vec<Advisory>) {
    let time = |name: &str| {
        let text = params.get(name)?;
        if call.time_form == TimeForm::Iso { UnixMillis::parse_iso(text) } else { UnixMillis::parse(text) }
    };
    for name in call.times {
        if time(name).is_some_and(|time| time > received_at.after(AHEAD_MAX)) {
            found.push(Advisory {
                code: "time_in_future",
                zh: format!("参数`{name}`在未来, 请检查车场时钟"),
                en: format!("{name} is in the future"),
            });
        }
    }
    let leaves = call.times.contains(&"leave_time");
    if leaves && time("leave_time").zip(time("enter_time")).is_some_and(|(leave, enter)| leave < enter) {
        found.push(Advisory {
            code: "leave_before_enter",
            zh: "离场时间早于入场时间".into(),
            en: "leave_time is before enter_time".into(),
        });
    }
}

/// `total_value` = free + online + balance + cash + prepaid.
fn advise_total(params: &Params, found: &mut Vec<Advisory>) {
    let fen = |name: &str| amount(params, name).ok().flatten().map_or(0, |Fen(fen)| fen);
    let Some(total) = amount(params, "total_value").ok().flatten() else { return };
    let parts = ["free_value", "online_value", "balance_value", "cash_value", "prepaid_value"];
    let sum: u64 = parts.iter().map(|name| fen(name)).sum();
    if total.0 != sum {
        found.push(Advisory {
            code: "total_differs",
            zh: format!("`total_value`为{}分, 各项合计{sum}分", total.0),
            en: "the total is not the sum of its parts".into(),
        });
    }
}

fn advise_space(params: &Params, found: &mut Vec<Advisory>) {
    let number = |name: &str| params.get(name).map(|text| text.parse::<u32>());
    let (total, remain) = (number("total_parking_space"), number("remain_parking_space"));
    for (name, number) in [("total_parking_space", &total), ("remain_parking_space", &remain)] {
        if matches!(number, Some(Err(_))) {
            found.push(Advisory {
                code: "space_unreadable",
                zh: format!("参数`{name}`不是不小于0的整数, 未采用"),
                en: format!("{name} is no whole number"),
            });
        }
    }
    if let (Some(Ok(total)), Some(Ok(remain))) = (total, remain)
        && total > 0
        && remain > total
    {
        found.push(Advisory {
            code: "space_over_total",
            zh: format!("剩余车位{remain}多于总车位{total}"),
            en: "more free spaces than there are".into(),
        });
    }
}

fn advise_text(params: &Params, found: &mut Vec<Advisory>) {
    for lost in lost_text(params.iter()) {
        found.push(Advisory {
            code: "lost_text",
            zh: format!("{}: 中文在发送前已丢失, 请以UTF-8发送各部分, 或使用encoding=URL", lost.zh()),
            en: format!("{}: Chinese text was lost before it was sent", lost.en()),
        });
    }
}
