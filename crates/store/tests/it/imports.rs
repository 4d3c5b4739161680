//! What every [`Store`] promises of lists of parks and apps that are imported.

use parkgate_store::{AppImport, ImportOutcome, NewApp, ParkChange, ParkImport, Store, StoreError};
use parkgate_wire::Secret;

use crate::push::new_park;

on_every_store! {
    parks_are_added_and_changed_all_or_none,
    two_parks_take_each_others_number,
    nothing_is_written_on_a_registry_that_changed,
    apps_are_added_and_changed_all_or_none,
}

fn changed(park_uuid: &str, change: ParkChange) -> ParkImport {
    ParkImport { park_uuid: park_uuid.into(), add: None, change: Some(change), location: None }
}

fn added(park_uuid: &str) -> ParkImport {
    let change = ParkChange { allow: Some(vec!["10.0.0.0/8".into()]), enabled: Some(false), ..ParkChange::default() };
    ParkImport {
        park_uuid: park_uuid.into(),
        add: Some(new_park(park_uuid)),
        change: Some(change),
        location: Some(Some(r#"{"address":"x"}"#.into())),
    }
}

fn imported(store: &Store, parks: &[ParkImport]) -> Result<ImportOutcome, StoreError> {
    store.import_parks(store.registry_version().unwrap(), parks)
}

fn parks_are_added_and_changed_all_or_none(store: &Store) {
    let named = |name: &str| ParkChange { name: Some(name.into()), ..ParkChange::default() };
    assert_eq!(imported(store, &[added("c"), changed("a", named("x"))]).unwrap(), ImportOutcome::Done);
    let parks = store.parks().unwrap();
    let c = parks.iter().find(|park| park.park_uuid == "c").unwrap();
    assert_eq!(
        (c.allow.as_slice(), c.enabled, c.secret.expose()),
        (&["10.0.0.0/8".to_owned()][..], false, "secret-of-c")
    );
    assert_eq!(
        store.locations().unwrap().into_iter().collect::<Vec<_>>(),
        [("c".to_owned(), r#"{"address":"x"}"#.to_owned())]
    );
    assert!(parks.iter().any(|park| park.park_uuid == "a" && park.name == "x"));
    // `b` is there: nothing of it is done.
    let refused = imported(store, &[changed("a", named("y")), added("d"), added("b")]).unwrap_err();
    assert!(matches!(refused, StoreError::Exists(_)), "{refused}");
    assert_eq!(store.parks().unwrap().len(), 3);
    assert!(store.parks().unwrap().iter().any(|park| park.name == "x"));
}

fn two_parks_take_each_others_number(store: &Store) {
    let number = |merchant: &str| ParkChange { merchant: Some(merchant.into()), ..ParkChange::default() };
    for [a, b] in [["1", "2"], ["2", "1"]] {
        imported(store, &[changed("a", number(a)), changed("b", number(b))]).unwrap();
        let merchants: Vec<Option<String>> = store.parks().unwrap().into_iter().map(|park| park.merchant).collect();
        assert_eq!(merchants, [Some(a.to_owned()), Some(b.to_owned())]);
    }
}

fn nothing_is_written_on_a_registry_that_changed(store: &Store) {
    let version = store.registry_version().unwrap();
    store.add_park(&new_park("c")).unwrap();
    assert_eq!(store.import_parks(version, &[added("d")]).unwrap(), ImportOutcome::RegistryChanged);
    assert_eq!(store.import_apps(version, &[]).unwrap(), ImportOutcome::RegistryChanged);
    assert_eq!(store.parks().unwrap().len(), 3);
    imported(store, &[added("d")]).unwrap();
    assert!(store.registry_version().unwrap() > version + 1, "gates see it");
}

fn apps_are_added_and_changed_all_or_none(store: &Store) {
    let app = |app_id: &str, parks: &[&str]| AppImport {
        app_id: app_id.into(),
        add: Some(NewApp {
            app_id: app_id.into(),
            secret: Secret::new("s"),
            api_type: Some("t".into()),
            parks: parks.iter().map(|park| (*park).to_owned()).collect(),
        }),
        secret: None,
        api_type: None,
        enabled: None,
        parks: None,
    };
    let import = |apps: &[AppImport]| store.import_apps(store.registry_version().unwrap(), apps);
    assert!(import(&[app("one", &["a"]), app("two", &["none"])]).is_err());
    assert!(store.apps().unwrap().is_empty());
    import(&[app("one", &["a", "b"]), app("two", &["b"])]).unwrap();
    let change = AppImport {
        add: None,
        secret: Some(Secret::new("new")),
        api_type: Some(None),
        enabled: Some(false),
        parks: Some(vec!["b".into()]),
        ..app("one", &[])
    };
    import(&[change]).unwrap();
    let apps = store.apps().unwrap();
    let one = &apps[0];
    assert_eq!(
        (one.secret.expose(), &one.api_type, one.enabled, &one.parks),
        ("new", &None, false, &vec!["b".to_owned()])
    );
    assert_eq!((apps[1].enabled, apps[1].api_type.as_deref()), (true, Some("t")));
}
