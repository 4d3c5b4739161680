//! `subscriber`: platforms that receive each record.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use parkgate_gate::Reach;
use parkgate_ledger::mask::Masking;
use parkgate_store::{Backlog, Format, NewSubscriber, Store, Subscriber, SubscriberSettings};
use parkgate_text::texts;
use parkgate_wire::{KindSet, Naming, PushKind, Secret};
use serde_json::{Value, json};

use super::audited::masking;
use super::{call_name, named, open, open_by, secret};
use crate::cli::{self, AddSubscriberArgs, SetSubscriberArgs, StoreArgs, SubscribedEvent};
use crate::config;
use crate::output::{self, misuse};

pub(super) fn run(command: cli::SubscriberCommand) -> anyhow::Result<()> {
    match command {
        cli::SubscriberCommand::Add(args) => add(args),
        cli::SubscriberCommand::List { json, place } => list(open(&place)?.as_ref(), json),
        cli::SubscriberCommand::Show { name, json, place } => show(open(&place)?.as_ref(), &name, json),
        cli::SubscriberCommand::Differences { name, limit, json, unmask, place } => {
            let store = open(&place)?;
            let which = [("", Some(name.clone()))];
            let masking = masking(store.as_ref(), unmask, Masking::All, "subscriber differences", &which)?;
            differences(store.as_ref(), &name, limit, json, masking)
        }
        cli::SubscriberCommand::Calls { name, json, place } => calls(open(&place)?.as_ref(), &name, json),
        cli::SubscriberCommand::Set(args) => set(args),
        cli::SubscriberCommand::Pause { name, place } => pause(&name, true, &place),
        cli::SubscriberCommand::Resume { name, place } => pause(&name, false, &place),
        cli::SubscriberCommand::Remove { name, place } => {
            if !open(&place)?.remove_subscriber(&name)? {
                return Err(unknown(&name));
            }
            output::line(&(texts().subscriber.removed)(&name))
        }
    }
}

pub(super) fn unknown(name: &str) -> anyhow::Error {
    anyhow::anyhow!((texts().subscriber.unknown)(name))
}

fn add(args: AddSubscriberArgs) -> anyhow::Result<()> {
    named("--name", Naming::Word, &args.name)?;
    args.app_id.as_deref().map_or(Ok(()), |given| named("--app-id", Naming::Id, given))?;
    check_url(&args.url, args.config.as_deref())?;
    let format = match args.format {
        cli::DeliveryFormat::Relay => Format::Relay,
        cli::DeliveryFormat::Openapi => Format::OpenApi,
        cli::DeliveryFormat::Webhook => Format::Webhook,
    };
    if format == Format::Relay && args.mask_plates {
        return Err(misuse(texts().subscriber.no_masking));
    }
    if args.compare && format != Format::Relay {
        return Err(misuse(texts().subscriber.compare_relay_only));
    }
    let (secret, made) = match (format, secret::given(&args.secret)?) {
        (Format::Relay, given) => (given.unwrap_or_else(|| Secret::new("")), None),
        (_, Some(given)) => (given, None),
        (Format::OpenApi, None) => secret::given_or_made(&args.secret)?,
        (Format::Webhook, None) => {
            let made = secret::webhook()?;
            (Secret::new(made.clone()), Some(made))
        }
    };
    check_secret(format, &secret)?;
    let subscriber = NewSubscriber {
        name: args.name.clone(),
        settings: SubscriberSettings {
            url: args.url,
            format,
            app_id: args.app_id,
            personal: args.id_data || format == Format::Relay,
            mask_plates: args.mask_plates,
            per_second: args.per_second,
            compare: args.compare,
        },
        secret,
        parks: (!args.all).then_some(args.park),
        kinds: kinds(format, &args.events)?,
    };
    open_by(&args.place, args.config.as_deref())?.add_subscriber(&subscriber).context(texts().subscriber.not_added)?;
    if args.json {
        return output::json(&json!({ "name": args.name, "secret": made }));
    }
    output::line(&(texts().general.added)(&args.name))?;
    made.map_or(Ok(()), |secret| output::line(&(texts().general.shown_once)(&secret)))
}

/// The kinds that these events name; without any, all that the format has.
fn kinds(format: Format, events: &[SubscribedEvent]) -> anyhow::Result<KindSet> {
    let known = KindSet::of(PushKind::ALL.into_iter().filter(|kind| format != Format::OpenApi || kind.is_half()));
    if events.is_empty() {
        return Ok(known);
    }
    let named = events.iter().map(|event| match event {
        SubscribedEvent::Enter => PushKind::Enter,
        SubscribedEvent::Leave => PushKind::Leave,
        SubscribedEvent::Release => PushKind::Release,
        SubscribedEvent::Update => PushKind::Update,
    });
    let named = KindSet::of(named);
    if named.iter().all(|kind| known.has(kind)) { Ok(named) } else { Err(misuse(texts().subscriber.openapi_events)) }
}

fn set(args: SetSubscriberArgs) -> anyhow::Result<()> {
    let secret = secret::given(&args.secret)?;
    let is_same = args.url.is_none() && args.app_id.is_none() && args.per_second.is_none() && args.events.is_empty();
    if is_same && secret.is_none() {
        return Err(misuse(texts().subscriber.nothing_to_change));
    }
    args.app_id.as_deref().map_or(Ok(()), |given| named("--app-id", Naming::Id, given))?;
    let store = open_by(&args.place, args.config.as_deref())?;
    let subscribers = store.subscribers()?;
    let found =
        subscribers.into_iter().find(|one| one.registered.name == args.name).ok_or_else(|| unknown(&args.name))?;
    let mut settings = found.registered.settings;
    if let Some(url) = args.url {
        check_url(&url, args.config.as_deref())?;
        settings.url = url;
    }
    if let Some(secret) = &secret {
        check_secret(settings.format, secret)?;
    }
    settings.app_id = args.app_id.or(settings.app_id);
    if let Some(per_second) = args.per_second {
        settings.per_second = Some(per_second).filter(|rate| *rate > 0);
    }
    let kinds = if args.events.is_empty() { None } else { Some(kinds(settings.format, &args.events)?) };
    if !store.change_subscriber(&args.name, &settings, secret.as_ref(), kinds)? {
        return Err(unknown(&args.name));
    }
    output::line(&(texts().general.changed)(&args.name))
}

/// Refuses an address to which a gate with these settings would never send.
fn check_url(url: &str, config: Option<&Path>) -> anyhow::Result<()> {
    let one = url.replace("{event}", "enter");
    let (host, _) = parkgate_client::host_of(&one).map_err(|error| misuse(error.to_string()))?;
    let allow_private = config::allows_private(config)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let reach = runtime.block_on(parkgate_gate::reach(&one, allow_private));
    // A pending name look-up is not waited for.
    runtime.shutdown_background();
    match reach.map_err(misuse)? {
        Reach::Good => {}
        Reach::Refused(why) => return Err(misuse(format!("--url {why}"))),
        Reach::Unresolved(why) => output::remark(&(texts().subscriber.unresolved)(&host, &why.to_string())),
    }
    Ok(())
}

/// A secret in the standard's form must be valid: taken literally it would sign what nobody can verify.
fn check_secret(format: Format, secret: &Secret) -> anyhow::Result<()> {
    let key = secret.expose().strip_prefix("whsec_").filter(|_| format == Format::Webhook);
    match key.map(|text| BASE64.decode(text)) {
        Some(Err(_)) => Err(misuse(texts().subscriber.base64)),
        Some(Ok(_)) | None => Ok(()),
    }
}

fn pause(name: &str, paused: bool, place: &StoreArgs) -> anyhow::Result<()> {
    if !open(place)?.pause_subscriber(name, paused)? {
        return Err(unknown(name));
    }
    output::line(&if paused { (texts().subscriber.paused)(name) } else { (texts().subscriber.resumed)(name) })
}

fn list(store: &Store, as_json: bool) -> anyhow::Result<()> {
    let subscribers = store.subscribers()?;
    let waiting = waiting(store)?;
    let none = |id| Backlog { subscriber: id, pending: 0, dead: 0, oldest: None };
    let of = |subscriber: &Subscriber| waiting.get(&subscriber.id).copied().unwrap_or(none(subscriber.id));
    if as_json {
        let values = subscribers.iter().map(|one| Ok(value(one, &of(one), store.oldest_pending(one.id)?)));
        return output::json(&Value::Array(values.collect::<anyhow::Result<_>>()?));
    }
    let rows: Vec<_> = subscribers
        .iter()
        .map(|one| {
            let waits = of(one);
            vec![
                one.registered.name.clone(),
                format_name(one.registered.settings.format).into(),
                if one.paused { texts().subscriber.is_paused } else { texts().subscriber.is_active }.into(),
                waits.pending.to_string(),
                waits.dead.to_string(),
                one.delivered.to_string(),
                one.registered.settings.url.clone(),
            ]
        })
        .collect();
    let c = &texts().columns;
    let head = [c.name, c.format, c.state, c.pending, c.dead, c.delivered, c.url];
    output::rows(texts().subscriber.what, &[], &head, &rows)
}

fn show(store: &Store, name: &str, as_json: bool) -> anyhow::Result<()> {
    let subscribers = store.subscribers()?;
    let Some(found) = subscribers.iter().find(|one| one.registered.name == name) else { bail!(unknown(name)) };
    let waits = waiting(store)?.get(&found.id).copied();
    let waits = waits.unwrap_or(Backlog { subscriber: found.id, pending: 0, dead: 0, oldest: None });
    let value = value(found, &waits, store.oldest_pending(found.id)?);
    if as_json { output::json(&value) } else { output::sheet(&value) }
}

fn differences(store: &Store, name: &str, limit: usize, as_json: bool, masking: Masking) -> anyhow::Result<()> {
    let subscribers = store.subscribers()?;
    let Some(found) = subscribers.iter().find(|one| one.registered.name == name) else { bail!(unknown(name)) };
    let mut differences = store.differences(found.id, limit)?;
    for one in &mut differences {
        (one.ours, one.theirs) = (masking.sentence(&one.ours), masking.sentence(&one.theirs));
    }
    if as_json {
        let all = differences.iter().map(|one| {
            json!({
                "park_uuid": one.park_uuid, "event": one.kind.name(), "parking_serial": one.parking_serial,
                "at": one.at, "ours": one.ours, "theirs": one.theirs,
            })
        });
        return output::json(&Value::Array(all.collect()));
    }
    let rows: Vec<_> = differences
        .into_iter()
        .map(|one| vec![output::time(one.at), call_name(one.kind).into(), one.parking_serial, one.ours, one.theirs])
        .collect();
    let c = &texts().columns;
    let head = [c.time, c.event, c.serial, c.ours, c.theirs];
    output::rows(texts().subscriber.what_differences, &[("", Some(name.to_owned()))], &head, &rows)
}

fn calls(store: &Store, name: &str, as_json: bool) -> anyhow::Result<()> {
    let subscribers = store.subscribers()?;
    let Some(found) = subscribers.iter().find(|one| one.registered.name == name) else { bail!(unknown(name)) };
    let calls = store.passed_calls(found.id)?;
    if as_json {
        let all = calls.iter().map(|one| {
            json!({ "path": one.path, "count": one.count, "last_status": one.last_status, "last_at": one.last_at })
        });
        return output::json(&Value::Array(all.collect()));
    }
    let status = |status: u16| if status == 0 { texts().subscriber.no_answer.to_owned() } else { status.to_string() };
    let rows: Vec<_> = calls
        .into_iter()
        .map(|one| vec![one.path, one.count.to_string(), status(one.last_status), output::time(one.last_at)])
        .collect();
    let c = &texts().columns;
    let head = [c.call, c.times, c.last_status, c.last_time];
    output::rows(texts().subscriber.what_calls, &[("", Some(name.to_owned()))], &head, &rows)
}

fn waiting(store: &Store) -> anyhow::Result<HashMap<i64, Backlog>> {
    Ok(store.backlog(u64::MAX)?.into_iter().map(|waits| (waits.subscriber, waits)).collect())
}

fn format_name(format: Format) -> &'static str {
    match format {
        Format::Relay => "relay",
        Format::OpenApi => "openapi",
        Format::Webhook => "webhook",
    }
}

fn value(subscriber: &Subscriber, waits: &Backlog, oldest: Option<i64>) -> Value {
    let registered = &subscriber.registered;
    let events: Vec<&str> = registered.kinds.iter().map(PushKind::name).collect();
    json!({
        "name": registered.name,
        "url": registered.settings.url,
        "format": format_name(registered.settings.format),
        "app_id": registered.settings.app_id,
        "parks": registered.parks.as_ref().map_or_else(|| json!("all"), |parks| json!(parks)),
        "events": events,
        "state": if subscriber.paused { "paused" } else { "active" },
        "id_data": registered.settings.personal,
        "mask_plates": registered.settings.mask_plates,
        "per_second": registered.settings.per_second,
        "compare": registered.settings.compare,
        "pending": waits.pending,
        "dead": waits.dead,
        "oldest_pending": oldest,
        "delivered": subscriber.delivered,
        "delivered_at": subscriber.delivered_at,
    })
}
