//! Each documented variant of the signature is accepted, told apart, and read as meant.

use encoding_rs::UTF_8;
use parkgate_wire::canonical::{Empties, SignedText};
use parkgate_wire::form::FormLimits;
use parkgate_wire::{Form, PushKind, Secret, Variant, Verified, VerifiedForm, signature, verify};

fn check(body: &str, canonical: &str) -> Verified {
    let secret = Secret::new("123");
    let sign = hex::encode(signature::digest(canonical, &secret));
    let form = Form::from_urlencoded(format!("{body}&sign={sign}").as_bytes(), UTF_8, FormLimits::default()).unwrap();
    verify(form, PushKind::Leave.call(), &secret)
}

fn matched(body: &str, canonical: &str) -> VerifiedForm {
    match check(body, canonical) {
        Verified::Matched(form) => form,
        other => panic!("{other:?}"),
    }
}

#[test]
fn empties_are_left_out_or_kept() {
    let dropped = matched("park_uuid=P&operator=", "park_uuid=P").variant();
    assert_eq!(dropped.empties, Empties::Dropped);
    let kept = matched("park_uuid=P&operator=", "operator=&park_uuid=P").variant();
    assert_eq!(kept.empties, Empties::Kept);
}

#[test]
fn encoded_twice_and_once_are_distinguished() {
    let encoded = "encoding=URL&park_uuid=P&plate=%E7%B2%A4B12345";
    let twice = "park_uuid=P&plate=%25E7%25B2%25A4B12345&encoding=URL";
    assert_eq!(matched(twice, encoded).variant().text, SignedText::EncodedTwice);
    let once = "park_uuid=P&plate=%E7%B2%A4B12345&encoding=URL";
    assert_eq!(matched(once, encoded).variant().text, SignedText::EncodedOnce);
    let unsigned = matched(once, "park_uuid=P&plate=%E7%B2%A4B12345").variant();
    assert!(!unsigned.encoding_signed);
}

#[test]
fn every_variant_has_a_code_of_its_own() {
    let mut codes = std::collections::HashSet::new();
    for empties in [Empties::Dropped, Empties::Kept] {
        for text in [SignedText::Plain, SignedText::EncodedTwice, SignedText::EncodedOnce] {
            for encoding_signed in [true, false] {
                let code = Variant { empties, text, encoding_signed, signed: true }.code();
                assert!(codes.insert(code));
                assert!(!Variant::describe(code).is_empty());
            }
        }
    }
}

#[test]
fn names_sent_twice_are_signed_by_value_and_known_ones_refused() {
    matched("a=2&a=1&b=0", "a=1&a=2&b=0");
    assert!(matches!(check("plate=2&plate=1", "plate=1&plate=2"), Verified::Refused(..)));
}

#[test]
fn a_mismatch_shows_the_documents_hint() {
    let form =
        Form::from_urlencoded("park_uuid=P&plate=粤X44444&sign=00".as_bytes(), UTF_8, FormLimits::default()).unwrap();
    let Verified::Mismatched(mismatch, _) = verify(form, PushKind::Leave.call(), &Secret::new("123")) else { panic!() };
    assert_eq!(
        mismatch.hint(parkgate_wire::call::ReplyStyle::Ignoring),
        "签名验证不通过[park_uuid=P&plate=粤X44444&app_secret=***]"
    );
}

#[test]
fn an_unsigned_encoding_makes_no_new_serial() {
    assert!(matches!(
        check("park_uuid=P&parking_serial=A%2B1&encoding=URL", "park_uuid=P&parking_serial=A+1"),
        Verified::Refused(..)
    ));
}
