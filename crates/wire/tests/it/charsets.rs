//! Of all pushes in all accepted charsets, those with one signed string are one push: whoever captured one cannot send
//! another with its signature, by naming another charset or adding what is empty in one.

use std::collections::HashMap;

use encoding_rs::Encoding;
use parkgate_wire::canonical::{Canonical, Empties, SignedText};
use parkgate_wire::content_type::charset;
use parkgate_wire::form::FormLimits;
use parkgate_wire::{Digest, Form, Push, PushKind, Secret, Variant, Verified, signature, verify};

/// Also names of charsets that are refused today: if one of them is ever accepted, this has to hold for it.
const NAMES: [&str; 11] = [
    "utf-8",
    "gbk",
    "gb18030",
    "big5",
    "iso-2022-jp",
    "utf-16le",
    "utf-16be",
    "shift_jis",
    "euc-kr",
    "iso-8859-1",
    "replacement",
];

/// Values as they stand on the wire.
const VALUES: [&[u8]; 16] = [
    b"",
    b"x",
    b"%1B(B",
    b"%1B%28B",
    b"\x1b(B",
    b"%D4%C1",
    b"\xd4\xc1",
    b"%25D4%25C1",
    b"%E7%B2%A4",
    b"\xe7\xb2\xa4",
    b"%25E7%25B2%25A4",
    b"%80",
    b"%A2%E3",
    b"%00",
    b"+",
    b"%",
];

fn bodies() -> impl Iterator<Item = Vec<u8>> {
    let base = "park_uuid=P&parking_serial=S&plate_color=1&enter_time=1624874732253&car_type=1&car_desc=x&leave_time=1624937505093";
    let values = VALUES.iter().map(|value| Some(*value)).chain([None]);
    ["", "&encoding=URL", "&encoding=%55RL"].into_iter().flat_map(move |encoding| {
        values.clone().flat_map(move |gate| {
            let others = [None, Some(b"%1B(B".as_slice()), Some(b"%D4%C1"), Some(b"%25D4%25C1"), Some(b"")];
            others.into_iter().map(move |security| {
                let mut body = format!("{base}{encoding}").into_bytes();
                for (name, value) in [("leave_gate", gate), ("leave_security", security)] {
                    if let Some(value) = value {
                        body.extend_from_slice(format!("&{name}=").as_bytes());
                        body.extend_from_slice(value);
                    }
                }
                body
            })
        })
    })
}

fn variants() -> impl Iterator<Item = Variant> {
    [SignedText::Plain, SignedText::EncodedTwice, SignedText::EncodedOnce].into_iter().flat_map(|text| {
        [Empties::Dropped, Empties::Kept].into_iter().flat_map(move |empties| {
            [true, false].map(|encoding_signed| Variant { empties, text, encoding_signed, signed: true })
        })
    })
}

fn accepted(body: &[u8], charset: &'static Encoding, sign: &str, secret: &Secret) -> Option<(Variant, Digest)> {
    let mut body = body.to_vec();
    body.extend_from_slice(format!("&sign={sign}").as_bytes());
    let form = Form::from_urlencoded(&body, charset, FormLimits::default()).ok()?;
    let Verified::Matched(verified) = verify(form, PushKind::Leave.call(), secret) else { return None };
    let variant = verified.variant();
    let push = Push::read(verified, PushKind::Leave, usize::MAX).ok()?;
    Some((variant, push.digest(&[0; 32])))
}

#[test]
fn one_signed_string_is_one_push_in_every_accepted_charset() {
    let secret = Secret::new("123");
    let mut seen: HashMap<(String, bool), (Digest, String)> = HashMap::new();
    let mut tried = 0;
    for name in NAMES {
        let Some(charset) = charset(name) else { continue };
        for body in bodies() {
            let Ok(form) = Form::from_urlencoded(&body, charset, FormLimits::default()) else { continue };
            for variant in variants() {
                let canonical = Canonical::of(&form, variant).text;
                let sign = hex::encode(signature::digest(&canonical, &secret));
                let Some((variant, digest)) = accepted(&body, charset, &sign, &secret) else { continue };
                tried += 1;
                let reported = format!("{name} {variant:?} {}", String::from_utf8_lossy(&body));
                // An `encoding` that is not signed decodes what was captured plain: a documented variant, and no new serial.
                let key = (canonical, variant.encoding_signed);
                let (first, by) = seen.entry(key).or_insert_with(|| (digest, reported.clone()));
                assert_eq!(*first, digest, "one signature, two pushes:\n{by}\n{reported}");
            }
        }
    }
    assert!(tried > 2_000, "{tried}");
}
