use super::*;

fn reading(params: &[(&str, &str)]) -> Option<(String, String)> {
    other_reading(&Canonical::join(params.iter().copied(), 0), crate::PushKind::Leave.call())
}

#[test]
fn an_honest_image_address_passes() {
    let address = "https://t7.baidu.com/it/u=1595072465,3644073269&fm=193&f=GIF";
    assert_eq!(reading(&[("car_color", "1"), ("leave_image", address), ("park_uuid", "P")]), None);
}

#[test]
fn a_swallowed_parameter_is_refused() {
    let merged = "A1&payment_list=[{\"value\":500}]";
    let found = reading(&[("park_uuid", "P"), ("parking_serial", merged), ("plate", "x")]);
    assert_eq!(found, Some(("parking_serial".into(), "payment_list".into())));
}

#[test]
fn a_swallowed_unlisted_parameter_is_refused() {
    assert!(reading(&[("car_type", "1"), ("vehicle_type", "1&zz=2")]).is_some());
}
