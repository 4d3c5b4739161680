//! `park list`: when each park last pushed, what it pushed and what was refused today.

use std::time::Duration;

use parkgate_testbed::{DEMO_PARK, TestGate, body, leave};
use serde_json::{Value, json};

use crate::release_and_update::on_both;
use crate::replies::eventually;

fn uuids(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|park| park["park_uuid"].as_str().unwrap()).collect()
}

fn add(gate: &TestGate, uuid: &str, name: &str, total: &str) {
    gate.ok(&["park", "add", "--uuid", uuid, "--name", name, "--total", total, "--secret", "1"]);
}

#[test]
fn parks_are_listed_with_what_they_pushed_and_what_was_refused_today() {
    on_both(|gate| {
        add(gate, "quiet", "安静停车场", "5");
        let before = parkgate_client_now();
        for serial in ["L1", "L2"] {
            gate.taken("leave", leave(serial, &[("total_parking_space", "50"), ("remain_parking_space", "7")]));
        }
        // Signed with nothing.
        let mut unsigned = leave("L3", &[]);
        unsigned.push(("sign".into(), "00".into()));
        gate.post("leave", "application/x-www-form-urlencoded", body(&unsigned).into_bytes());
        eventually(|| gate.json(&["quarantine", "list"]).as_array().unwrap().len() == 1);
        let list = gate.json(&["park", "list"]);
        let park = |uuid: &str| list.as_array().unwrap().iter().find(|park| park["park_uuid"] == uuid).unwrap().clone();
        let (demo, quiet) = (park(DEMO_PARK), park("quiet"));
        let figures = |park: &Value| {
            json!([
                park["pushes_today"],
                park["refused_today"],
                park["remain_parking_space"],
                park["total_parking_space"]
            ])
        };
        assert_eq!(figures(&demo), json!([2, 1, 7, 50]));
        assert_eq!(figures(&quiet), json!([0, 0, 5, 5]));
        assert!(demo["last_push_at"].as_i64().unwrap() >= before && quiet["last_push_at"].is_null(), "{demo}");
        assert_eq!(gate.json(&["park", "show", DEMO_PARK])["pushes_today"], 2);

        let listed = |args: &[&str]| {
            let list = gate.json(&[&["park", "list"], args].concat());
            uuids(&list).into_iter().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(listed(&["--silent", "6h"]), ["quiet"]);
        assert_eq!(listed(&["--silent", "1ms"]).len(), 2);
        assert_eq!(listed(&["--refused"]), [DEMO_PARK]);
        assert_eq!(listed(&["--refused", "--silent", "6h"]), [] as [&str; 0]);
        assert_eq!(listed(&["--sort", "pushes"])[0], DEMO_PARK);
        assert_eq!(listed(&["--sort", "refused"])[0], DEMO_PARK);
        assert_eq!(listed(&["--sort", "last"])[0], "quiet");
        assert_eq!(listed(&["--sort", "free"])[0], "quiet");
        // Wherever it is counted from: the pushes came a moment ago, and a day is longer than that.
        for zone in ["UTC", "+05:45"] {
            let list = gate.json(&["park", "list", "--zone", zone, "--sort", "last"]);
            let pushes: u64 = list.as_array().unwrap().iter().map(|park| park["pushes_today"].as_u64().unwrap()).sum();
            assert!(pushes <= 2, "{list}");
        }
        let wrong = gate.run(&["park", "list", "--zone", "Mars"]);
        let said = String::from_utf8(wrong.stderr).unwrap();
        assert!(wrong.status.code() == Some(2) && said.contains("Mars") && said.contains("Asia/Shanghai"), "{said}");
    });
}

fn parkgate_client_now() -> i64 {
    i64::try_from(std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or(Duration::ZERO).as_millis()).unwrap()
}

#[test]
fn the_table_is_in_one_language_and_fits_a_terminal() {
    let gate = crate::demo();
    gate.taken("leave", leave("L1", &[]));
    for (lang, words) in [
        ("zh", ["名称", "上次推送", "今日推送", "今日拒绝", "剩余/总车位", "前"]),
        ("en", ["name", "last push", "today", "refused", "free/total", "ago"]),
    ] {
        let table = gate.ok(&["--lang", lang, "park", "list"]);
        assert!(words.iter().all(|word| table.contains(word)), "{table}");
        assert!(lang == "zh" || !table.lines().next().unwrap().contains(|letter: char| !letter.is_ascii()), "{table}");
        assert_eq!(table.lines().count(), 2, "{table}");
        let none = gate.ok(&["--lang", lang, "park", "list", "--refused"]);
        assert_eq!(none, if lang == "zh" { "没有符合条件的停车场\n" } else { "No parks match\n" });
    }
}
