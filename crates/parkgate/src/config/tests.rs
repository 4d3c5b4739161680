use std::time::Duration;

use super::*;

fn settings(text: &str, variables: &[(&str, &str)]) -> (Given, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("p.toml");
    std::fs::write(&file, text).unwrap();
    let environment = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    given(Some(&file), &environment).unwrap()
}

fn place(data: Option<&str>, store: Option<&str>) -> StoreArgs {
    StoreArgs { data: data.map(PathBuf::from), store: store.map(str::to_owned) }
}

#[test]
fn the_environment_goes_before_the_file_and_the_file_before_defaults() {
    let (given, wrong) = settings(
        "node = \"a\"\nlisten = \"127.0.0.1:1\"\n[limits]\nbody_timeout = \"5m\"\nfiles_max = 2\n",
        &[("PARKGATE_NODE", "b"), ("PARKGATE_LIMITS_FILES_MAX", "3"), ("PARKGATE_LIMITS_HEADER_TIMEOUT", "500ms")],
    );
    assert_eq!(wrong, [""; 0]);
    assert_eq!((given.node.as_deref(), given.listen.as_deref()), (Some("b"), Some("127.0.0.1:1")));
    let limits = given.limits.meant();
    assert_eq!((limits.files_max, limits.body_timeout), (3, Duration::from_secs(300)));
    assert_eq!(limits.header_timeout, Duration::from_millis(500));
    assert_eq!(limits.queue_max, Limits::default().queue_max);
}

#[test]
fn a_vehicle_waits_a_second_unless_set_otherwise() {
    let deadline = |text: &str| settings(text, &[]).0.before.meant().deadline;
    assert_eq!(deadline(""), Duration::from_secs(1));
    assert_eq!(deadline("[before]\ndeadline = \"300ms\"\n"), Duration::from_millis(300));
}

#[test]
fn the_place_is_named_by_who_comes_first_under_either_name() {
    let file = "store = \"sqlite:of-file\"\n";
    for (flags, text, variables, expected) in [
        (place(None, None), "", vec![], "parkgate-data"),
        (place(None, None), file, vec![], "of-file"),
        (place(None, None), file, vec![("PARKGATE_DATA", "of-variable")], "of-variable"),
        (place(None, None), "data = \"of-file\"", vec![("PARKGATE_STORE", "sqlite:///of-variable")], "/of-variable"),
        (place(None, None), file, vec![("PARKGATE_DATA", "a"), ("PARKGATE_STORE", "sqlite:b")], "b"),
        (place(Some("of-flag"), None), file, vec![], "of-flag"),
        (place(Some("of-flag"), None), "", vec![("PARKGATE_STORE", "sqlite:of-variable")], "of-flag"),
        (place(None, Some("sqlite:of-flag")), "", vec![("PARKGATE_DATA", "of-variable")], "of-flag"),
        (place(Some("a"), Some("sqlite:b")), "", vec![], "b"),
    ] {
        let (given, wrong) = settings(text, &variables);
        assert_eq!(wrong, [""; 0]);
        assert_eq!(state_of(&flags, &given), Ok(State { data: PathBuf::from(expected), url: None }));
    }
}

#[test]
fn a_database_has_a_data_folder_beside_it_and_keeps_its_password() {
    let url = "postgres://gate:hidden@host/gate";
    let of = |text: &str, flags: StoreArgs, variables: &[(&str, &str)]| {
        let (given, _) = settings(text, variables);
        let state = state_of(&flags, &given).unwrap();
        assert!(!format!("{state:?}{}", state.name()).contains("hidden"));
        (state.data.display().to_string(), state.url.is_some())
    };
    let (folder, database) = ("data = \"of-file\"\n", "store = \"postgres://gate:hidden@host/gate\"\n");
    let both = [("PARKGATE_STORE", url), ("PARKGATE_DATA", "of-variable")];
    assert_eq!(of(folder, place(Some("of-flag"), Some(url)), &[]), ("of-flag".into(), true));
    assert_eq!(of(folder, place(None, Some(url)), &[]), ("of-file".into(), true));
    assert_eq!(of(folder, place(None, None), &both[..1]), ("of-file".into(), true));
    assert_eq!(of(folder, place(None, None), &both), ("of-variable".into(), true));
    assert_eq!(of(database, place(None, None), &both[1..]), ("of-variable".into(), true));
    assert_eq!(of(database, place(Some("of-flag"), None), &both), ("of-flag".into(), true));
    assert_eq!(of(database, place(None, Some("sqlite:of-flag")), &both), ("of-flag".into(), false));
    let wrong = state_of(&place(None, Some("mysql://gate:hidden@host/gate")), &Given::default()).unwrap_err();
    assert!(wrong.contains("mysql") && wrong.contains("postgres://") && !wrong.contains("hidden"), "{wrong}");
}

#[test]
fn all_that_is_wrong_is_named_and_where_it_stands() {
    let (_, wrong) = settings(
        "nod = 1\nlisten = 5\n[limits]\nx = 1\nbody_timeout = \"1\"\nqueue_max = 0\nfiles_max = 0\nbatch_max = -1\nlanes = 65\n[before]\ndeadline = \"0s\"\ndead = 1\n",
        &[
            ("PARKGATE_LIMITS_BODY_BYTES_MAX", "many"),
            ("PARKGATE_LIMITS_BODY_BYTE_MAX", "1"),
            ("PARKGATE_PORT", "tcp://x"),
        ],
    );
    let named = [
        "nod",
        "listen",
        "limits.x",
        "limits.body_timeout: `1` 不是时长",
        "limits.queue_max: 至少为 1",
        "limits.batch_max",
        "limits.lanes: 最多为 64",
        "before.deadline: 须大于零",
        "before.dead: unknown field",
        "PARKGATE_LIMITS_BODY_BYTES_MAX: limits.body_bytes_max",
        "PARKGATE_LIMITS_BODY_BYTE_MAX: [limits] 没有这个设置",
    ];
    for name in named {
        assert!(wrong.iter().any(|what| what.contains(name)), "{name}: {wrong:#?}");
    }
    assert_eq!(wrong.len(), named.len(), "{wrong:#?}");
    assert!(given(Some(Path::new("/nowhere/p.toml")), &Environment::new()).is_err());
}

/// Every value of a table with its name, those of tables as `TABLE.NAME`.
fn flat(table: &Table) -> BTreeMap<String, Value> {
    let mut flat = BTreeMap::new();
    for (name, value) in table {
        match value {
            Value::Table(inner) => {
                flat.extend(inner.iter().map(|(inner, value)| (format!("{name}.{inner}"), value.clone())));
            }
            value => drop(flat.insert(name.clone(), value.clone())),
        }
    }
    flat
}

#[test]
fn the_packaged_file_is_the_defaults() {
    let defaults = origin::defaults();
    let given = Given::deserialize(defaults.clone()).unwrap();
    assert_eq!(given.listen.as_deref(), Some(LISTEN));
    assert_eq!(given.admin_listen, Some(ADMIN_LISTEN.to_string()));
    assert_eq!((given.store, given.images, given.node), (None, None, None));
    assert_eq!(format!("{:?}", given.limits.meant()), format!("{:?}", Limits::default()));
    assert_eq!(format!("{:?}", given.forward.meant()), format!("{:?}", Forward::default()));
    assert_eq!(format!("{:?}", given.before.meant()), format!("{:?}", BeforeSettings::default()));
    assert_eq!(given.http.trusted_proxies(), TrustedProxies::default());
    assert_eq!(given.tls.files(), Ok(None));
    // Nothing but the data folder is set in it, so that new defaults hold for whoever changed nothing.
    let set: Table = origin::PACKAGED.parse().unwrap();
    let set: Vec<String> = flat(&set).into_iter().map(|(name, value)| format!("{name} = {value}")).collect();
    assert_eq!(set, ["data = \"/var/lib/parkgate\""]);
}

#[test]
fn the_packaged_file_names_every_setting_as_the_docs_do() {
    let docs = include_str!("../../../../docs/settings.md");
    let (_, docs) = docs.split_once("```toml\n").unwrap();
    let (docs, _) = docs.split_once("```").unwrap();
    let documented: Table = docs.parse().unwrap();
    let (mut documented, packaged) = (flat(&documented), flat(&origin::defaults()));
    assert_eq!(documented.remove("data"), Some(Value::String(DATA.into())));
    assert_eq!(packaged, documented, "packaging/parkgate.toml and docs/settings.md");
    for name in origin::names() {
        let last = name.rsplit('.').next().unwrap();
        let is_example = origin::PACKAGED.contains(&format!("\n# {last} = "));
        assert!(packaged.contains_key(&name) || is_example || name == "data", "packaging/parkgate.toml: {name}");
    }
}
