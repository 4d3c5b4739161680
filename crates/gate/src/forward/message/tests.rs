use parkgate_ledger::{ParkId, Snapshot, Space};
use parkgate_store::{DeliveryId, Due, Format, RecordView};
use parkgate_wire::{Seqno, UnixMillis};

use super::*;

fn outgoing(kind: PushKind, params: Value) -> Outgoing {
    let Value::Object(params) = params else { panic!("an object") };
    Outgoing {
        due: Due { id: DeliveryId { subscriber: 1, record: 7 }, park: ParkId(3), attempts: 1, since: 0 },
        park_uuid: "P".into(),
        park_name: "东门".into(),
        park_total: Some(50),
        location: Some(r#"{"address":"科技路1号","area_code":"440305","latitude":"22.5","longitude":"113.9"}"#.into()),
        parking_serial: "S1".into(),
        plate: Some("粤B12345".into()),
        enter_time: UnixMillis(1_624_874_732_253),
        event_time: UnixMillis(1_624_937_505_093),
        record: RecordView {
            is_redacted: false,
            kind,
            seqno: Seqno(1),
            received_at: 1_624_937_506_000,
            params,
            variant: 0,
            pictures: Vec::new(),
        },
        original: None,
        space: Space {
            snapshot: Some(Snapshot { as_of: UnixMillis(1), total: 100, remain: 10 }),
            later: 1,
            latest_counted: None,
        },
    }
}

fn settings(format: Format) -> SubscriberSettings {
    SubscriberSettings {
        url: String::new(),
        format,
        app_id: Some("A1".into()),
        personal: false,
        mask_plates: false,
        per_second: None,
        compare: false,
    }
}

fn leave() -> Outgoing {
    outgoing(
        PushKind::Leave,
        json!({
            "park_uuid": "P", "plate": "粤B12345", "plate_color": "1", "car_type": "0", "vehicle_type": "3", "car_desc": "",
            "total_value": "600", "free_value": "100", "leave_image": "http://x/1.jpg", "enter_image": "C:\\1.jpg",
            "payment_list": r#"[{"pay_type":"3","value":"500","parking_order":"o1"},{"pay_type":1,"value":7}]"#,
            "sign": "ABC", "x": ["1", "2"], "idcard_no": "110101",
        }),
    )
}

#[test]
fn a_relayed_push_is_the_one_that_came() {
    let mut push = leave();
    let relayed_params = relayed(&push);
    let sent: Vec<(&str, &str)> = relayed_params.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    for pair in [("sign", "ABC"), ("car_desc", ""), ("x", "1"), ("x", "2"), ("idcard_no", "110101")] {
        assert!(sent.contains(&pair), "{pair:?}");
    }
    push.original = Some(vec![("plate".into(), "%E7%B2%A4B1".into())]);
    assert_eq!(relayed(&push), push.original.clone().unwrap());
}

#[test]
fn the_open_platforms_names_codes_and_sign() {
    let params = open_platform(&leave(), &settings(Format::OpenApi), &Secret::new("k"), UnixMillis(1_700_000_000_000));
    let text: Vec<String> = params.iter().map(|(name, value)| format!("{name}={value}")).collect();
    insta::assert_snapshot!(text.join("\n"));
    let unsigned = params.iter().filter(|(name, _)| name != "sign");
    let (_, signature) = sign(unsigned.map(|(name, value)| (name.as_str(), value.as_str())), &Secret::new("k"));
    assert_eq!(params.last(), Some(&("sign".to_owned(), signature)));
}

#[test]
fn a_webhook_brings_no_id_data_unless_named_and_masks_plates_if_wished() {
    let push = leave();
    let all = event(&push, &settings(Format::Webhook));
    assert!(!all.contains("110101") && all.contains("粤B12345") && !all.contains("ABC"));
    let named = event(&push, &SubscriberSettings { personal: true, ..settings(Format::Webhook) });
    assert!(named.contains("110101"));
    let masked = event(&push, &SubscriberSettings { mask_plates: true, ..settings(Format::Webhook) });
    assert!(!masked.contains("粤B12345"));
    let masked: Value = serde_json::from_str(&masked).unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(&masked).unwrap());
}
