//! What one leave costs before the ledger sees it: decode, verify, read. `cargo bench -p parkgate-wire`.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a benchmark")]

use divan::{Bencher, black_box};
use encoding_rs::UTF_8;
use parkgate_wire::form::FormLimits;
use parkgate_wire::{Form, Push, PushKind, Secret, Verified, sign, verify};

fn main() {
    divan::main();
}

fn body() -> Vec<u8> {
    let list = r#"[{"change_value":"0","free_value":100,"operator":"张三","parking_order":"1624937505193","pay_origin_desc":"在线支付","pay_time":"1624937505093","pay_type":"2","value":500}]"#;
    let params = [
        ("car_color", "1"),
        ("car_desc", "临时车"),
        ("car_type", "1"),
        ("enter_time", "1624874732253"),
        ("leave_gate", "出口名称"),
        ("leave_security", "出口保安"),
        ("leave_time", "1624937505093"),
        ("park_uuid", "49f0cc52-e8c7-41e3-b54d-af666b8cc11a"),
        ("parking_serial", "202106028000000007"),
        ("payment_list", list),
        ("plate", "粤X44444"),
        ("plate_color", "1"),
        ("remain_parking_space", "10"),
        ("total_parking_space", "100"),
        ("vehicle_type", "1"),
        ("total_value", "600"),
        ("free_value", "100"),
        ("online_value", "500"),
        ("charge_type", "1"),
    ];
    let (_, signature) = sign(params, &Secret::new("123"));
    let mut body = String::new();
    for (name, value) in params.iter().chain([&("sign", signature.as_str())]) {
        body.push_str(name);
        body.push('=');
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) {
                body.push(char::from(byte));
            } else {
                body.push_str(&format!("%{byte:02X}"));
            }
        }
        body.push('&');
    }
    body.pop();
    body.into_bytes()
}

fn verified(body: &[u8], secret: &Secret) -> Push {
    let form = Form::from_urlencoded(body, UTF_8, FormLimits::default()).unwrap();
    match verify(form, PushKind::Leave.call(), secret) {
        Verified::Matched(form) => Push::read(form, PushKind::Leave, usize::MAX).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[divan::bench]
fn decode(bencher: Bencher<'_, '_>) {
    let body = body();
    bencher.bench_local(|| Form::from_urlencoded(black_box(&body), UTF_8, FormLimits::default()).unwrap());
}

#[divan::bench]
fn decode_and_verify_and_read(bencher: Bencher<'_, '_>) {
    let (body, secret) = (body(), Secret::new("123"));
    bencher.bench_local(|| verified(black_box(&body), &secret));
}

#[divan::bench]
fn to_json_and_digest(bencher: Bencher<'_, '_>) {
    let push = verified(&body(), &Secret::new("123"));
    bencher.bench_local(|| (push.params.to_json(), push.digest(&[7; 32])));
}
