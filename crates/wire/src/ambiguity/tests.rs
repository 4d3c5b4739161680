use super::*;

fn reading(params: &[(&str, &str)]) -> Option<(String, String)> {
    other_reading(&Canonical::join(params.iter().copied(), 0), crate::PushKind::Leave.call())
}

#[test]
fn an_honest_address_of_a_releases_picture_passes() {
    let reading = |params: &[(&str, &str)]| {
        other_reading(&Canonical::join(params.iter().copied(), 0), crate::PushKind::Release.call())
    };
    for query in ["u=1,2&fm=193&f=GIF", "?w=1&h=2", "?a=1&e=170", "?park=1&id=7"] {
        let address = format!("https://i.example/{query}");
        assert_eq!(reading(&[("capture_image", &address), ("park_uuid", "P"), ("plate", "x")]), None, "{query}");
        assert_eq!(reading(&[("capture_image", &address), ("car_type", "1"), ("plate", "x")]), None, "{query}");
    }
    let named = |holder: &str, inner: &str| Some((holder.to_owned(), inner.to_owned()));
    // Its own parameters, and any page's, are none of the address's; an unknown one after it might have been.
    let with_reason = [("capture_image", "https://i.example/?a=1&reason=x"), ("plate", "x")];
    assert_eq!(reading(&with_reason), named("capture_image", "reason"));
    let followed = [("capture_image", "https://i.example/?a=1"), ("channel", "2"), ("plate", "x")];
    assert_eq!(reading(&followed), named("capture_image", "channel"));
    assert_eq!(reading(&[("capture_image", "https://i.example/"), ("car_color", "2"), ("plate", "x")]), None);
    assert_eq!(reading(&[("capture_image", "C:\\1.jpg"), ("channel", "2"), ("plate", "x")]), None);
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
