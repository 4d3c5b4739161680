//! `park`: who may push.

mod check;
mod export;
mod import;
mod list;
mod plate_file;
mod plates;

use anyhow::{Context, bail};
use parkgate_ledger::plate_list::PlateList;
use parkgate_ledger::retention::{InvalidRetention, ParkRetention, RetentionKind, WrongRetention};
use parkgate_store::{ListedPark, NewPark, ParkChange, Store};
use parkgate_text::texts;
use parkgate_wire::Naming;
use serde_json::{Value, json};

use super::{open, open_or_make, secret};
use crate::cli::{Http200, ParkCommand, SecretArgs, StoreArgs, YesNo};
use crate::config::network;
use crate::output::{self, misuse};

pub(super) fn run(command: ParkCommand) -> anyhow::Result<()> {
    match command {
        ParkCommand::Add { uuid, secret, name, merchant, total, strict, json, place } => {
            check_names(Some(&uuid), Some(&name), merchant.as_deref())?;
            let park = |secret| NewPark {
                park_uuid: uuid.clone(),
                merchant,
                name,
                secret,
                strict,
                total_parking_space: total,
            };
            add(&uuid, &secret, park, json, &place)
        }
        ParkCommand::List(args) => list::run(&args),
        ParkCommand::Import(args) => import::run(&args),
        ParkCommand::Export(args) => export::run(&args),
        ParkCommand::Show { uuid, json, place } => show(open(&place)?.as_ref(), &uuid, json),
        ParkCommand::Set {
            uuid,
            name,
            merchant,
            total,
            strict,
            http_200,
            allow,
            require_sign,
            refuse_when_full,
            new_serial_epoch,
            location,
            keep,
            place,
        } => {
            // An empty merchant number takes it away.
            check_names(None, name.as_deref(), merchant.as_deref().filter(|merchant| !merchant.is_empty()))?;
            let change = ParkChange {
                name,
                merchant,
                total_parking_space: total,
                strict: strict.map(|strict| strict == YesNo::Yes),
                http_200_always: http_200.map(|http_200| http_200 == Http200::Always),
                allow: allow.map(networks).transpose()?,
                require_sign: require_sign.map(|require| require == YesNo::Yes),
                keep: keep.map(|keep| kept(&place, &uuid, &keep)).transpose()?,
                refuse_when_full: refuse_when_full.map(|refuse| refuse == YesNo::Yes),
                ..ParkChange::default()
            };
            set(&place, &uuid, &change, &location, new_serial_epoch.as_deref())
        }
        ParkCommand::RotateSecret { uuid, secret, keep_old, json, place } => {
            rotate(&uuid, &secret, keep_old.as_deref(), json, &place)
        }
        ParkCommand::Check(args) => check::run(&args),
        ParkCommand::Recount { uuid, json, place } => recount(open(&place)?.as_ref(), &uuid, json),
        ParkCommand::Plates(command) => plates::run(command),
        ParkCommand::Disable { uuid, place } => change_park(&place, &uuid, &enabled(false)),
        ParkCommand::Enable { uuid, place } => change_park(&place, &uuid, &enabled(true)),
    }
}

fn set(
    place: &StoreArgs,
    uuid: &str,
    change: &ParkChange,
    location: &[String],
    new_serial_epoch: Option<&str>,
) -> anyhow::Result<()> {
    check_unsigned(place, uuid, change)?;
    change_park(place, uuid, change)?;
    locate(place, uuid, location)?;
    new_serial_epoch.map_or(Ok(()), |from| epoch(place, uuid, from))
}

/// What the park keeps for how long from now on.
fn kept(place: &StoreArgs, uuid: &str, change: &str) -> anyhow::Result<ParkRetention> {
    let parks = open(place)?.parks()?;
    let Some(park) = parks.iter().find(|park| park.park_uuid == uuid) else {
        bail!("{}", (texts().general.no_such_park)(uuid));
    };
    park.keep.changed(change).map_err(|error| misuse(format!("--keep {}", wrong_retention(&error))))
}

/// What is wrong, and why.
fn wrong_retention(error: &InvalidRetention) -> String {
    let retention = &texts().retention;
    let why = match error.why {
        WrongRetention::Form => retention.wrong_form,
        WrongRetention::Month => retention.wrong_month,
        WrongRetention::Range => retention.wrong_range,
        WrongRetention::Kind => retention.wrong_kind,
    };
    format!("{}: {why}", error.text)
}

fn enabled(enabled: bool) -> ParkChange {
    ParkChange { enabled: Some(enabled), ..ParkChange::default() }
}

fn add(
    uuid: &str,
    secret: &SecretArgs,
    park: impl FnOnce(parkgate_wire::Secret) -> NewPark,
    json: bool,
    place: &StoreArgs,
) -> anyhow::Result<()> {
    let (secret, made) = secret::given_or_made(secret)?;
    open_or_make(place)?.add_park(&park(secret)).context(texts().park.not_added)?;
    print_secret(uuid, made, json, texts().general.added)
}

/// New names must be valid; names registered earlier stay as they are.
fn check_names(uuid: Option<&str>, name: Option<&str>, merchant: Option<&str>) -> anyhow::Result<()> {
    let all = [("park_uuid", uuid, Naming::Id), ("--name", name, Naming::Title), ("merchant", merchant, Naming::Id)];
    all.into_iter()
        .try_for_each(|(flag, given, naming)| given.map_or(Ok(()), |given| super::named(flag, naming, given)))
}

/// Sets where the park is; `--location ''` removes it.
fn locate(place: &StoreArgs, uuid: &str, given: &[String]) -> anyhow::Result<()> {
    if given.is_empty() {
        return Ok(());
    }
    let mut location = serde_json::Map::new();
    for one in given.iter().filter(|one| !one.is_empty()) {
        match one.split_once('=') {
            Some((name, value)) if !coordinate_fits(name, value) => {
                return Err(misuse((texts().sheets.wrong_coordinate)(name, value)));
            }
            Some((name, value)) if import::LOCATION.contains(&name) => {
                drop(location.insert(name.to_owned(), value.into()));
            }
            _ => return Err(misuse((texts().park.write_location)(one, &import::LOCATION.join("=…, ")))),
        }
    }
    let json = (!location.is_empty()).then(|| Value::Object(location).to_string());
    require(open(place)?.set_location(uuid, json.as_deref())?, uuid)
}

/// Unsigned pushes must at least come from a known address.
fn check_unsigned(place: &StoreArgs, uuid: &str, change: &ParkChange) -> anyhow::Result<()> {
    let parks = open(place)?.parks()?;
    let Some(park) = parks.iter().find(|park| park.park_uuid == uuid) else { return require(false, uuid) };
    if is_open(change.allow.as_ref().unwrap_or(&park.allow), change.require_sign.unwrap_or(park.require_sign)) {
        return Err(misuse(texts().park.unsigned_needs_allow));
    }
    Ok(())
}

/// May anybody push for it?
fn is_open(allow: &[String], require_sign: bool) -> bool {
    allow.is_empty() && !require_sign
}

/// Degrees are within the globe; other names of a location hold any text.
fn coordinate_fits(name: &str, text: &str) -> bool {
    let within = |most: f64| text.parse::<f64>().is_ok_and(|degrees| degrees.abs() <= most);
    match name {
        "latitude" => within(90.0),
        "longitude" => within(180.0),
        _ => true,
    }
}

fn epoch(place: &StoreArgs, uuid: &str, from: &str) -> anyhow::Result<()> {
    let from = if from == "auto" { None } else { Some(super::visit::moment(from)?) };
    let begun = parkgate_gate::begin_epoch(open(place)?.as_ref(), uuid, from)?;
    let Some(begun) = begun else {
        bail!(texts().park.no_reuse);
    };
    let from = output::time(begun.entered_from.0);
    output::line(&(texts().park.epoch_begun)(&from, begun.taken, begun.still_in_conflict))
}

fn rotate(
    uuid: &str,
    secret: &SecretArgs,
    keep_old: Option<&str>,
    json: bool,
    place: &StoreArgs,
) -> anyhow::Result<()> {
    let now = parkgate_client::now().0;
    let until = match keep_old {
        None => now,
        // `7d` is parsed as seven days ago; here it means seven days from now.
        Some(text) => now + (now - super::visit::moment(text)?.0),
    };
    let (secret, made) = secret::given_or_made(secret)?;
    let change = ParkChange { secret: Some(secret), old_secret_until: Some(until), ..ParkChange::default() };
    require(open(place)?.change_park(uuid, &change)?, uuid)?;
    print_secret(uuid, made, json, texts().park.secret_changed)
}

/// Prints the result. A secret that was made is shown only here, once.
fn print_secret(uuid: &str, made: Option<String>, json: bool, done: fn(&str) -> String) -> anyhow::Result<()> {
    if json {
        return output::json(&json!({ "park_uuid": uuid, "secret": made }));
    }
    output::line(&done(uuid))?;
    made.map_or(Ok(()), |secret| output::line(&(texts().general.shown_once)(&secret)))
}

fn change_park(place: &StoreArgs, uuid: &str, change: &ParkChange) -> anyhow::Result<()> {
    require(open(place)?.change_park(uuid, change)?, uuid)?;
    output::line(&(texts().general.changed)(uuid))
}

fn require(found: bool, uuid: &str) -> anyhow::Result<()> {
    if found { Ok(()) } else { bail!((texts().general.no_such_park)(uuid)) }
}

fn networks(given: Vec<String>) -> anyhow::Result<Vec<String>> {
    if given == ["any"] {
        return Ok(Vec::new());
    }
    given.into_iter().map(|text| network(&text).map(|network| network.to_string()).map_err(misuse)).collect()
}

fn show(store: &Store, uuid: &str, json: bool) -> anyhow::Result<()> {
    let parks = list::figures(store, None)?;
    let figures = parks.iter().find(|figures| figures.park.park_uuid == uuid);
    let Some(figures) = figures else { return require(false, uuid) };
    let (mut value, plates) = (shown(figures), store.plates(figures.park.id)?);
    for (name, list) in [("plates_allowed", PlateList::Allow), ("plates_denied", PlateList::Deny)] {
        let count = plates.values().filter(|entry| entry.list == list).count();
        if let Some(value) = value.as_object_mut() {
            value.insert(name.to_owned(), count.into());
        }
    }
    if json {
        return output::json(&value);
    }
    output::sheet(&value)
}

/// Prints the count before and after.
fn recount(store: &Store, uuid: &str, json: bool) -> anyhow::Result<()> {
    let parks = store.parks()?;
    let Some(park) = parks.iter().find(|park| park.park_uuid == uuid) else { return require(false, uuid) };
    let before = store.space(park.counted())?.shown(park.total_parking_space);
    let now = store.recount(park)?.shown(park.total_parking_space);
    if json {
        return output::json(&json!({
            "park_uuid": uuid,
            "total_parking_space": now.total,
            "remain_parking_space": now.remain,
            "drift": now.drift,
            "remain_parking_space_before": before.remain,
            "drift_before": before.drift,
        }));
    }
    let text = |remain: Option<u32>| remain.map_or_else(|| "-".to_owned(), |remain| remain.to_string());
    output::line(&(texts().park.recounted)(uuid, &text(before.remain), &text(now.remain)))
}

/// By kind; `default` is what the settings say.
fn keep(park: &parkgate_store::Park) -> Value {
    let shown = |kind: RetentionKind| park.keep.of(kind).map_or_else(|| "default".to_owned(), |keep| keep.to_string());
    RetentionKind::ALL.into_iter().map(|kind| (kind.name().to_owned(), Value::from(shown(kind)))).collect()
}

fn shown(figures: &ListedPark) -> Value {
    let ListedPark { park, reuse, .. } = figures;
    let shown = figures.space.shown(park.total_parking_space);
    json!({
        "park_uuid": park.park_uuid,
        "name": park.name,
        "enabled": park.enabled,
        "strict": park.strict,
        "total_parking_space": shown.total,
        "remain_parking_space": shown.remain,
        "drift": shown.drift,
        "last_push_at": figures.last_push_at.map(|time| time.0),
        "pushes_today": figures.pushes_today,
        "refused_today": figures.refused_today,
        "merchant": park.merchant,
        "http_200": if park.http_200_always { "always" } else { "errors" },
        "allow": park.allow,
        "require_sign": park.require_sign,
        "refuse_when_full": park.refuse_when_full,
        "old_secret_until": park.old_secret.as_ref().map(|old| old.until),
        "old_secret_used_at": park.old_secret.as_ref().and_then(|old| old.used_at),
        "quarantine_pushes": figures.quarantine_pushes,
        "quarantine_bytes": figures.quarantine_bytes,
        "keep": keep(park),
        "serial_epochs": park.epochs.len(),
        "serials_used_anew": reuse.as_ref().map(|reuse| json!({
            "conflicts": reuse.conflicts,
            "entered_from": reuse.entered_from.0,
            "mend_by": format!("parkgate park set {} --new-serial-epoch", park.park_uuid),
        })),
    })
}
