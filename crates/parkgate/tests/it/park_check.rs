//! `park check` sums up what was pushed, refused and looked wrong.

use parkgate_testbed::{DEMO_PARK, body, enter, leave, md5_hex, release, signed, update};
use serde_json::json;

use crate::demo;

#[test]
fn an_integration_is_summed_up() {
    let gate = demo();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64;
    let at = |ago: i64| (now - ago).to_string();
    let space = [("total_parking_space", "100"), ("remain_parking_space", "50")];
    let on_time = [("enter_time", &*at(60_000)), ("leave_time", &*at(500)), space[0], space[1]];
    gate.taken("leave", leave("S1", &on_time));
    gate.taken("leave", leave("S2", &[("enter_time", &at(60_000)), ("leave_time", &at(50_000)), ("charge_type", "")]));
    gate.taken("leave", leave("S3", &[("enter_time", &at(60_000)), ("leave_time", &at(-20_000)), ("car_type", "9")]));
    let hash = md5_hex(b"GIF89a");
    let picture = leave("S4", &[("enter_time", &at(9)), ("leave_time", &at(0)), ("leave_image_hash", &hash)]);
    assert_eq!(gate.push_files("leave", picture, &[("leave_image_file", b"GIF89a")]).0, 200);
    gate.taken("enter", enter("S5", &[("enter_time", &at(8 * 86_400_000))]));
    gate.taken("enter", enter("S6", &[("enter_time", &at(1000))]));
    assert!(gate.push("leave", leave("S1", &[("plate", "粤B9")])).1["hint"].is_string());
    let wrong = body(&signed(leave("S7", &[]), "123 "));
    gate.post("leave", "application/x-www-form-urlencoded", wrong.into_bytes());
    assert_eq!(gate.push("leave", leave("S8", &[("enter_time", "soon")])).0, 400);

    for (serial, method) in [("S1", "1"), ("S2", "3"), ("S4", "2")] {
        gate.push("release", release(serial, &[("release_method", method)]));
    }
    gate.push("update", update("F1", "S5", &[("operate_time", ""), ("leave_time", &at(500))]));

    let report = gate.json(&["park", "check", DEMO_PARK, "--since", "1h"]);
    let read = |name: &str| report[name].clone();
    assert_eq!((read("leaves"), read("enters"), read("conflicts")), (json!(4), json!(2), json!(1)));
    assert_eq!(
        read("refused"),
        json!([
            { "reason": "Signature", "finding": "secret_whitespace", "count": 1 },
            { "reason": "Value", "finding": null, "count": 1 },
        ])
    );
    assert_eq!(read("advisories"), json!({ "required_missing": 2, "value_unlisted": 1 }));
    assert_eq!(read("variants"), json!({ "plain": 10 }));
    assert_eq!(read("enters_without_leave"), 0, "an update says when S5 left");
    assert_eq!((read("releases"), read("updates")), (json!(2), json!(1)), "one barrier opened by itself");
    assert_eq!((read("releases_share"), read("updates_share")), (json!(2.0 / 6.0), json!(1.0 / 6.0)));
    assert_eq!((read("leaves_with_remain_share"), read("with_pictures_share")), (json!(0.25), json!(1.0 / 6.0)));
    assert_eq!(read("on_time_share"), json!(4.0 / 6.0));
    assert!(read("clock_ahead_ms").as_i64().unwrap() > 10_000, "S3 left in the future");
    assert_eq!(read("silences"), 0);
    let good =
        |name: &str| report["lines"].as_array().unwrap().iter().find(|l| l["name"] == name).unwrap()["good"].clone();
    assert_eq!((good("pushes"), good("on_time"), good("clock")), (json!(true), json!(false), json!(false)));

    let page = gate.data().join("check.html");
    let text = gate.ok(&["park", "check", DEMO_PARK, "--html", page.to_str().unwrap(), "--on-time-share", "0.5"]);
    assert!(text.lines().all(|line| unicode_width::UnicodeWidthStr::width(line) <= 80), "{text}");
    assert!(text.contains("✓ 及时") && text.contains("! 未受理") && text.contains("请校时"), "{text}");
    assert!(std::fs::read_to_string(page).unwrap().contains("<td>✓<td>及时<td>66.7%"));
    assert_eq!(gate.run(&["park", "check", "nobody"]).status.code(), Some(1));
    let metrics = gate.metrics();
    assert!(metrics.contains("parkgate_advisories_total{code=\"value_unlisted\"} 1"), "{metrics}");
}
