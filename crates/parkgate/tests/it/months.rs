//! `month redact` and `month drop`, where something is still to be delivered.

use std::path::Path;

use parkgate_store::{Format, NewSubscriber, SubscriberSettings};
use parkgate_testbed::{Postgres, parkgate};
use parkgate_wire::{KindSet, PushKind, Secret};
use serde_json::{Value, json};

use crate::PARKGATE;
use crate::listings::{entered, new_park};

fn city() -> NewSubscriber {
    let settings = SubscriberSettings {
        url: "https://city.example/push".into(),
        format: Format::Webhook,
        app_id: None,
        personal: false,
        mask_plates: false,
        per_second: None,
        compare: false,
    };
    let secret = Secret::new("123".to_owned());
    NewSubscriber {
        name: "city".into(),
        settings,
        secret,
        parks: None,
        kinds: KindSet::of([PushKind::Enter, PushKind::Leave]),
    }
}

#[test]
fn a_month_with_pending_deliveries_is_named_and_stays_until_they_are_gone() {
    let (cluster, folder) = (Postgres::shared(), tempfile::tempdir().unwrap());
    let url = cluster.database();
    let store = parkgate_store::open(folder.path(), Some(&url)).unwrap();
    store.add_park(&new_park()).unwrap();
    store.add_subscriber(&city()).unwrap();
    store.record(&[entered(1)]).unwrap();
    store.months().unwrap().begin().unwrap();
    let month = |what: &str, more: &[&str]| {
        let mut args = vec!["month", what, "--before", "2099-01", "--store", &url];
        args.extend(["--data", folder.path().to_str().unwrap()]);
        args.extend(more);
        let output = parkgate(Path::new(PARKGATE), &args);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    };
    for what in ["redact", "drop", "strip"] {
        let (code, out, error) = month(what, &["--json"]);
        assert_eq!((code, out.as_str(), error.contains("0 (city 1)")), (1, "[]\n", true), "{what}: {error}");
    }
    let waiting = store.deliveries(&parkgate_store::DeliveryFilter { limit: 9, ..Default::default() }).unwrap();
    store.drop_deliveries(&[waiting[0].id], 0).unwrap();
    let (code, out, error) = month("redact", &["--json"]);
    let done: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &done[0]["number"], error.as_str()), (0, &json!(0), ""));
}
