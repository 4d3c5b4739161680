//! Reads from a form what the doctor needs: parameters in order, split values put back together, JSON.

use super::json::Json;
use super::recipe::{Request, SentParam};
use crate::canonical::is_url_encoded;
use crate::field;
use crate::form::Form;

/// Bytes of JSON that are parsed and serialized again: a payment list of 100 entries is about 20 KiB.
const JSON_BYTES_MAX: usize = 64 * 1024;

impl<'a> Request<'a> {
    /// What is known of a form.
    pub(super) fn of(form: &'a Form) -> Request<'a> {
        let mut params = Vec::with_capacity(form.params().len());
        let mut json_bytes = 0;
        for (place, param) in form.params().enumerate().filter(|(_, param)| param.name != "sign") {
            json_bytes += param.value.len();
            let json = if json_bytes <= JSON_BYTES_MAX { Json::read(param.value) } else { None };
            params.push(SentParam { name: param.name, value: param.value.into(), raw: param.raw.into(), place, json });
        }
        let rejoined = rejoined(&params);
        params.sort_by(|one, other| one.name.cmp(other.name));
        Request {
            params,
            rejoined,
            files: form.files(),
            sign_place: form.params().position(|param| param.name == "sign").unwrap_or(usize::MAX),
            url_encoded: is_url_encoded(form),
        }
    }
}

/// `leave_image=https://a/?u=1&fm=193` arrived as two parameters: each undocumented one is joined to the value before
/// it again. `None` if there is none.
fn rejoined<'a>(params: &[SentParam<'a>]) -> Option<Vec<SentParam<'a>>> {
    let mut whole: Vec<SentParam<'a>> = Vec::with_capacity(params.len());
    for sent in params {
        match whole.last_mut() {
            Some(last) if !field::known(sent.name) && field::known(last.name) => {
                last.value.to_mut().push_str(&format!("&{}={}", sent.name, sent.value));
                last.raw.to_mut().push_str(&format!("&{}={}", sent.name, sent.raw));
            }
            _ => whole.push(SentParam {
                name: sent.name,
                value: sent.value.clone(),
                raw: sent.raw.clone(),
                place: sent.place,
                json: Json::read(&sent.value),
            }),
        }
    }
    (whole.len() < params.len()).then(|| {
        whole.sort_by(|one, other| one.name.cmp(other.name));
        whole
    })
}

impl SentParam<'_> {
    /// Does the value often change on the way: with `+`, `%`, `&`, text that is not ASCII, or JSON escapes?
    pub(super) fn is_fragile(&self) -> bool {
        self.value.contains(['+', '%', '&', '\\', '"']) || !self.value.is_ascii() || self.raw.contains('+')
    }
}
