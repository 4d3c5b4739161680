//! The question before the barrier opens, and what came of it.

use parkgate_wire::{EntryAdvice, EntryReply, UnixMillis};

use crate::draft::Draft;
use crate::outcome::Outcome;
use crate::record::{PlateColor, plate};

/// May this vehicle enter?
#[derive(Debug, Clone)]
pub struct EntryQuestion {
    draft: Draft,
}

impl EntryQuestion {
    /// A vehicle at the barrier `gate_id`, called `gate_name`, at `gate_time`.
    #[must_use]
    pub fn new(text: &str, color: PlateColor, gate_time: UnixMillis, gate_id: &str, gate_name: &str) -> Self {
        let draft = plate(Draft::default(), text, color)
            .param("gate_time", &gate_time.to_string())
            .param("gate_id", gate_id)
            .param("gate_name", gate_name);
        EntryQuestion { draft }
    }

    /// Any other parameter by its protocol name: `vehicle_type`, `capture_image`.
    #[must_use]
    pub fn param(self, name: &str, value: &str) -> Self {
        EntryQuestion { draft: self.draft.param(name, value) }
    }
}

impl From<EntryQuestion> for Draft {
    fn from(question: EntryQuestion) -> Draft {
        question.draft
    }
}

/// What the platform said, or why it said nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryAnswer {
    /// What to do with the barrier; [`EntryAdvice::DecideLocally`] unless the platform said otherwise.
    pub advice: EntryAdvice,
    /// `status_desc`: for the LED at the barrier. Empty if there is none.
    pub status_desc: String,
    /// `charge_type`, if it may enter and the platform said so.
    pub charge_type: Option<String>,
    /// Did the platform answer the question? `1002` says that it knows nothing of this vehicle.
    pub is_answered: bool,
    /// What became of the request.
    pub outcome: Outcome,
    /// The body of the reply as it came; empty if there was none.
    pub body: Vec<u8>,
}

/// The platform has no result for this question.
const NO_RESULT: &str = "1002";

impl EntryAnswer {
    /// There is no answer.
    pub(crate) fn none(outcome: Outcome) -> EntryAnswer {
        let advice = EntryAdvice::DecideLocally;
        EntryAnswer {
            advice,
            status_desc: String::new(),
            charge_type: None,
            is_answered: false,
            outcome,
            body: Vec::new(),
        }
    }

    pub(crate) fn of(outcome: Outcome, body: Vec<u8>) -> EntryAnswer {
        let found = EntryReply::from_bytes(&body);
        let answer = EntryAnswer { body, ..EntryAnswer::none(outcome) };
        let is_success = matches!(answer.outcome, Outcome::Accepted(_) | Outcome::AcceptedWithHint(_));
        match found {
            Some(found) if is_success => EntryAnswer {
                advice: found.advice.unwrap_or(EntryAdvice::DecideLocally),
                status_desc: found.status_desc,
                charge_type: found.charge_type.filter(|_| found.advice == Some(EntryAdvice::Allow)),
                is_answered: true,
                ..answer
            },
            Some(found) => EntryAnswer { is_answered: found.reply.code == NO_RESULT, ..answer },
            None => answer,
        }
    }
}

#[cfg(test)]
mod tests {
    use parkgate_wire::call::BEFORE;

    use super::*;
    use crate::outcome::classify_call;

    #[test]
    fn only_a_platform_that_says_so_opens_or_shuts_the_barrier() {
        use EntryAdvice::{Allow, DecideLocally, Refuse};
        for (status, body, advice, status_desc, is_answered) in [
            (200, r#"{"code":"1001","status":"1","status_desc":"欢迎"}"#, Allow, "欢迎", true),
            (200, r#"{"code":1001,"status":-1,"status_desc":"已满","hint":"h"}"#, Refuse, "已满", true),
            (200, r#"{"code":"1001","status":"0","charge_type":"1"}"#, DecideLocally, "", true),
            (200, r#"{"code":"1001"}"#, DecideLocally, "", true),
            (200, r#"{"code":"1001","status":"7","status_desc":"?"}"#, DecideLocally, "?", true),
            (200, r#"{"code":"1002","message":"无结果","status":"-1"}"#, DecideLocally, "", true),
            (401, r#"{"code":"401","message":"请求签名校验不通过","status":"-1"}"#, DecideLocally, "", false),
            (200, r#"{"code":"1001","status":"-1","hint":"a=1&app_secret=***"}"#, DecideLocally, "", false),
            (403, r#"{"code":"403","status":"-1"}"#, DecideLocally, "", false),
            (404, "<html>", DecideLocally, "", false),
            (503, r#"{"code":"503"}"#, DecideLocally, "", false),
            (200, "", DecideLocally, "", false),
        ] {
            let answer = EntryAnswer::of(classify_call(&BEFORE, status, None, body.as_bytes()), body.into());
            let found = (answer.advice, answer.status_desc.as_str(), answer.is_answered);
            assert_eq!(found, (advice, status_desc, is_answered), "{status} {body}");
            assert_eq!(answer.charge_type, None, "{body}");
        }
    }
}
