//! What every [`Store`] promises of parks and apps.

use parkgate_store::{NewApp, ParkChange, Store, StoreError};
use parkgate_wire::Secret;

use crate::push::new_park;

on_every_store! {
    parks_are_added_once_and_changed,
    apps_are_added_whole_or_not_at_all,
}

fn parks_are_added_once_and_changed(store: &Store) {
    let version = store.registry_version().unwrap();
    assert!(matches!(store.add_park(&new_park("a")), Err(StoreError::Exists(name)) if name == "a"));
    assert_eq!(store.registry_version().unwrap(), version);
    let change = ParkChange {
        secret: Some(Secret::new("new")),
        merchant: Some("m".into()),
        enabled: Some(false),
        strict: Some(true),
        http_200_always: Some(true),
        total_parking_space: Some(9),
        allow: Some(vec!["10.0.0.0/8".into()]),
        ..ParkChange::default()
    };
    assert!(store.change_park("a", &change).unwrap());
    assert!(store.registry_version().unwrap() > version);
    let parks = store.parks().unwrap();
    assert_eq!(
        (parks[0].secret.expose(), parks[0].name.as_str(), parks[0].merchant.as_deref()),
        ("new", "a", Some("m"))
    );
    assert!(!parks[0].enabled && parks[0].strict && parks[0].http_200_always);
    assert_eq!((parks[0].total_parking_space, parks[0].allow.len()), (Some(9), 1));
    assert_eq!((parks[1].secret.expose(), parks[1].enabled), ("secret-of-b", true));
    let merchant = |name: &str| ParkChange { merchant: Some(name.into()), ..ParkChange::default() };
    assert!(matches!(store.change_park("b", &merchant("m")), Err(StoreError::Exists(name)) if name == "m"));
    assert!(store.change_park("a", &ParkChange { total_parking_space: Some(0), ..merchant("") }).unwrap());
    assert_eq!((&store.parks().unwrap()[0].merchant, store.parks().unwrap()[0].total_parking_space), (&None, None));
    assert!(!store.change_park("none", &merchant("m")).unwrap());
}

fn apps_are_added_whole_or_not_at_all(store: &Store) {
    let app = |parks: &[&str]| NewApp {
        app_id: "app".into(),
        secret: Secret::new("app-secret"),
        api_type: Some("t".into()),
        parks: parks.iter().map(|park| (*park).to_owned()).collect(),
    };
    assert!(matches!(store.add_app(&app(&["a", "none"])), Err(StoreError::Broken(text)) if text.contains("none")));
    assert!(store.apps().unwrap().is_empty());
    store.add_app(&app(&["b", "a", "a"])).unwrap();
    assert!(matches!(store.add_app(&app(&[])), Err(StoreError::Exists(_))));
    let version = store.registry_version().unwrap();
    assert!(store.disable_app("app").unwrap() && !store.disable_app("none").unwrap());
    assert!(store.registry_version().unwrap() > version);
    let apps = store.apps().unwrap();
    assert_eq!(
        (apps[0].secret.expose(), &apps[0].parks, apps[0].enabled),
        ("app-secret", &vec!["a".into(), "b".into()], false)
    );
}
