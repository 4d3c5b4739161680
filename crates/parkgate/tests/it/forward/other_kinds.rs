//! Releases and updates are forwarded like enters and leaves, after the enter of their stay.

use parkgate_testbed::{DEMO_PARK, SubscriberAnswer, TestGate, TestSubscriber, enter, leave, md5_hex, release, update};
use serde_json::{Value, json};

use super::{Forwarding, each_store};
use crate::PARKGATE;

#[test]
fn a_relay_passes_them_on_with_their_pictures_and_their_signs() {
    each_store(|store| {
        let upstream = TestGate::demo(PARKGATE);
        let front = Forwarding::on(store, &[]);
        front.subscribe("vendor", &upstream.url, &["--format", "relay", "--all"]);
        // What is about a stay waits for its enter, wherever it came first.
        front.gate.push("update", update("F1", "R1", &[("plate", "粤B88888"), ("reason", "a&b=c")]));
        let picture: &[u8] = b"\xff\xd8\xff\xe0 a barrier";
        let (_, reply) = front.gate.push_files("release", release("R1", &[]), &[("capture_image", picture)]);
        assert_eq!(reply["code"], "1001", "{reply}");
        front.gate.taken("enter", enter("R1", &[]));
        front.gate.taken("leave", leave("R1", &[]));
        front.drained("vendor");
        let (here, there) = (front.json(&["visit", "show", DEMO_PARK, "R1"]), upstream.visit("R1"));
        assert_eq!((&here["plate"], &there["plate"]), (&json!("粤B88888"), &json!("粤B88888")));
        let without_numbers = |visit: &Value, list: &str| {
            let mut list = visit[list].clone();
            for one in list.as_array_mut().unwrap() {
                one.as_object_mut().unwrap().retain(|name, _| name != "seqno" && name != "received_at");
            }
            list
        };
        for list in ["releases", "updates"] {
            assert_eq!(without_numbers(&here, list), without_numbers(&there, list), "{list}");
            assert_eq!(there[list].as_array().unwrap().len(), 1, "{there}");
        }
        assert_eq!(there["releases"][0]["images"]["capture_image"]["size"], picture.len());
        assert_eq!(front.json(&["subscriber", "show", "vendor"])["delivered"], 4);
    });
}

#[test]
fn a_relay_names_the_picture_of_a_release_as_its_sender_did() {
    each_store(|store| {
        let vendor = TestSubscriber::start(SubscriberAnswer::TAKES);
        let front = Forwarding::on(store, &[]);
        front.subscribe("vendor", &vendor.url, &["--format", "relay", "--all"]);
        let picture: &[u8] = b"\xff\xd8\xff\xe0 a barrier";
        let hashed = release("R1", &[("capture_image_hash", &md5_hex(picture))]);
        front.gate.push_files("release", hashed, &[("capture_image_file", picture)]);
        front.gate.push_files("release", release("R2", &[]), &[("capture_image", picture)]);
        front.drained("vendor");
        let bodies = vendor.received().into_iter().map(|one| String::from_utf8_lossy(&one.body).into_owned());
        let bodies: Vec<String> = bodies.collect();
        assert_eq!(bodies.len(), 2);
        for body in bodies {
            let is_hashed = body.contains("capture_image_hash");
            for (part, expected) in [("capture_image_file", is_hashed), ("capture_image", !is_hashed)] {
                assert_eq!(body.contains(&format!("name=\"{part}\"; filename")), expected, "{part}: {body}");
            }
        }
    });
}

#[test]
fn a_webhook_gets_events_of_their_own_and_the_open_platform_none() {
    each_store(|store| {
        let (city, hook) =
            (TestSubscriber::start(SubscriberAnswer::TAKES), TestSubscriber::start(SubscriberAnswer::Says(204, "")));
        let front = Forwarding::on(store, &[]);
        let open = ["--format", "openapi", "--app-id", "A1", "--secret", "k", "--all"];
        front.subscribe("city", &format!("{}/sync-{{event}}", city.url), &open);
        let hooked = ["--format", "webhook", "--all", "--mask-plates"];
        front.subscribe("hook", &format!("{}/hook", hook.url), &hooked);
        front.gate.taken("enter", enter("W1", &[]));
        let changes = [("plate", "粤B88888"), ("leave_time", "2021-06-29T03:31:45.093Z")];
        front.gate.push("update", update("F1", "W1", &changes));
        front.gate.push("release", release("W1", &[]));
        front.drained("city");
        front.drained("hook");
        assert_eq!(city.received().iter().map(|one| one.path.clone()).collect::<Vec<_>>(), ["/sync-enter"]);
        let received = hook.received();
        let of = |kind: &str| {
            let bodies = received.iter().map(|one| serde_json::from_slice::<Value>(&one.body).unwrap());
            bodies.filter(|body| body["type"] == kind).collect::<Vec<_>>()
        };
        let [update] = &of("parking.update")[..] else { panic!("{} came", received.len()) };
        let data = &update["data"];
        assert_eq!((&data["parking_serial"], &data["plate"]), (&json!("W1"), &json!("粤B***88")));
        assert_eq!(
            (&data["leave_time"], &data["operate_time"]),
            (&json!(1_624_937_505_093_i64), &json!(1_624_939_200_000_i64))
        );
        assert_eq!((&data["enter_time"], &data["params"]["reason"]), (&Value::Null, &json!("识别错误")));
        let [release] = &of("parking.release")[..] else { panic!("{} came", received.len()) };
        assert_eq!(release["data"]["release_time"], json!(1_624_937_505_000_i64));
        assert_eq!(received.len(), 3);
        // Whoever wants only these says so, now or later.
        assert_eq!(
            front.json(&["subscriber", "show", "hook"])["events"],
            json!(["enter", "leave", "release", "update"])
        );
        front.ok(&["subscriber", "set", "hook", "--events", "release,update"]);
        assert_eq!(front.json(&["subscriber", "show", "hook"])["events"], json!(["release", "update"]));
        front.gate.taken("leave", leave("W1", &[]));
        front.drained("hook");
        assert_eq!(hook.received().len(), 3);
        let refused = front.run(&["subscriber", "set", "city", "--events", "update"]);
        assert_eq!(refused.status.code(), Some(2));
    });
}
