//! Each call below `/gate/` as data: its page's parameters, the form of its times, what may not be sent with it, and how it
//! is answered. Another call costs a table in `field` and an entry here.

use std::sync::LazyLock;

use crate::field::{BEFORE_FIELDS, FIELDS, Field, FieldSet, RELEASE_FIELDS, UPDATE_FIELDS, index_of};
use crate::push_kind::PushKind;

/// One call, as its page documents it.
#[derive(Debug)]
pub struct Call {
    /// The last part of its path: `leave`, `release`, …
    pub name: &'static str,
    /// Its path.
    pub path: &'static str,
    /// What it is, in Chinese.
    pub zh: &'static str,
    /// What it is, in English, with its article.
    pub en: &'static str,
    /// What it pushes; `None` if it only asks.
    pub kind: Option<PushKind>,
    /// Its parameters, in the order of its page.
    pub fields: &'static [Field],
    /// Parameters that are times, in the order they are checked.
    pub times: &'static [&'static str],
    /// How these are written.
    pub time_form: TimeForm,
    /// Parameters that belong to another call: the path is not signed, so a captured push could be replayed here.
    pub foreign: &'static [&'static str],
    /// How it is answered.
    pub replies: ReplyStyle,
}

/// How a page writes its times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeForm {
    /// 13 digits.
    Millis,
    /// `2023-03-27T08:00:00Z`, with or without milliseconds; 13 digits are understood as well.
    Iso,
}

/// The two ways in which calls are answered: the pages of enter and leave contradict those of their siblings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyStyle {
    /// Success is 200, and a wrong signature is ignored with 200: `签名验证不通过[…]`.
    Ignoring,
    /// Success is 1001, and a wrong signature is 401: `请求签名校验不通过`, the string without brackets.
    Refusing,
}

/// A vehicle entered.
pub static ENTER: Call = Call {
    name: "enter",
    path: "/gate/1.0/parking/internal/enter",
    zh: "入场推送",
    en: "an enter push",
    kind: Some(PushKind::Enter),
    fields: FIELDS,
    times: &["enter_time"],
    time_form: TimeForm::Millis,
    foreign: &["leave_time", "flow_no", "release_type"],
    replies: ReplyStyle::Ignoring,
};

/// A vehicle left.
pub static LEAVE: Call = Call {
    name: "leave",
    path: "/gate/1.0/parking/internal/leave",
    zh: "离场推送",
    en: "a leave push",
    kind: Some(PushKind::Leave),
    fields: FIELDS,
    times: &["enter_time", "leave_time"],
    time_form: TimeForm::Millis,
    foreign: &["flow_no", "release_type"],
    replies: ReplyStyle::Ignoring,
};

/// The barrier was opened by hand (人工放行/异常抬杆).
pub static RELEASE: Call = Call {
    name: "release",
    path: "/gate/1.0/parking/internal/release",
    zh: "放行推送",
    en: "a release push",
    kind: Some(PushKind::Release),
    fields: RELEASE_FIELDS,
    times: &["release_time"],
    time_form: TimeForm::Iso,
    foreign: &["flow_no"],
    replies: ReplyStyle::Refusing,
};

/// Plate, colour, kind or times of a stay were corrected.
pub static UPDATE: Call = Call {
    name: "update",
    path: "/gate/1.0/parking/internal/update",
    zh: "记录变更推送",
    en: "an update push",
    kind: Some(PushKind::Update),
    fields: UPDATE_FIELDS,
    times: &["enter_time", "leave_time", "operate_time"],
    time_form: TimeForm::Iso,
    foreign: &["release_type"],
    replies: ReplyStyle::Refusing,
};

/// May this vehicle enter? Asked before the barrier opens, and not recorded.
pub static BEFORE: Call = Call {
    name: "before",
    path: "/gate/1.0/parking/internal/enter/before",
    zh: "入场前查询",
    en: "a question before entering",
    kind: None,
    fields: BEFORE_FIELDS,
    times: &["gate_time"],
    time_form: TimeForm::Millis,
    foreign: &[],
    replies: ReplyStyle::Refusing,
};

/// Every call that is known, pushes first.
pub static CALLS: [&Call; 5] = [&LEAVE, &ENTER, &RELEASE, &UPDATE, &BEFORE];

impl PushKind {
    /// What its page says.
    #[must_use]
    pub fn call(self) -> &'static Call {
        match self {
            PushKind::Enter => &ENTER,
            PushKind::Leave => &LEAVE,
            PushKind::Release => &RELEASE,
            PushKind::Update => &UPDATE,
        }
    }

    /// The path of the call, as replies name it.
    #[must_use]
    pub fn path(self) -> &'static str {
        self.call().path
    }

    /// `enter`, `leave`, `release` or `update`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.call().name
    }

    /// The kind of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<PushKind> {
        PushKind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl Call {
    /// The call that parameters are meant for, by those that only one page has: `release_type`, `flow_no`, `gate_time`,
    /// `leave_time`. Without any of them it is an enter.
    #[must_use]
    pub fn meant_by(has: impl Fn(&str) -> bool) -> &'static Call {
        let by = [("release_type", &RELEASE), ("flow_no", &UPDATE), ("gate_time", &BEFORE), ("leave_time", &LEAVE)];
        by.into_iter().find(|(name, _)| has(name)).map_or(&ENTER, |(_, call)| call)
    }

    /// Does its page document this name?
    pub(crate) fn documents(&self, name: &str) -> bool {
        static PAGES: LazyLock<[FieldSet; CALLS.len()]> = LazyLock::new(|| {
            CALLS.map(|call| FieldSet::of(&call.fields.iter().map(|field| field.name).collect::<Vec<_>>()))
        });
        let field = index_of(name).and_then(|field| u8::try_from(field).ok());
        PAGES.get(self.index()).is_some_and(|page| page.has(field))
    }

    /// Does this documented name belong to another call?
    pub(crate) fn forbids(&self, field: Option<u8>) -> bool {
        static FOREIGN: LazyLock<[FieldSet; CALLS.len()]> =
            LazyLock::new(|| CALLS.map(|call| FieldSet::of(call.foreign)));
        FOREIGN.get(self.index()).is_some_and(|foreign| foreign.has(field))
    }

    /// Where it stands in [`CALLS`].
    pub(crate) fn index(&self) -> usize {
        CALLS.iter().position(|call| std::ptr::eq(*call, self)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_names_what_is_known_once() {
        for call in CALLS {
            for (index, field) in call.fields.iter().enumerate() {
                assert!(call.documents(field.name), "{}", field.name);
                assert!(call.fields.iter().skip(index + 1).all(|other| other.name != field.name), "{}", field.name);
            }
        }
        assert!(!LEAVE.documents("flow_no") && !LEAVE.documents("reason") && LEAVE.documents("plate"));
    }

    #[test]
    fn every_call_is_found_by_what_it_pushes_and_names_its_path() {
        for call in CALLS {
            assert!(call.path.ends_with(&format!("/{}", call.name)), "{}", call.path);
            assert!(call.kind.is_none_or(|kind| std::ptr::eq(kind.call(), call)));
            for name in call.times.iter().chain(call.foreign) {
                assert!(crate::field::known(name), "{name}");
            }
            for name in call.times {
                assert!(call.fields.iter().any(|field| field.name == *name), "{name}");
            }
        }
        assert!(PushKind::ALL.iter().all(|kind| kind.call().kind == Some(*kind)));
    }
}
