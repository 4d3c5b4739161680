//! `park import`: a list of car parks becomes the registry's. A park that is not there is added, one that is there is changed by
//! what the file says. An empty cell says nothing; `-` takes away what stands.

use std::collections::{HashMap, HashSet};

use parkgate_store::{NewPark, Park, ParkChange, ParkImport, Store};
use parkgate_text::texts;
use parkgate_wire::{Naming, Secret};
use serde_json::{Map, Value, json};

use super::{coordinate_fits, is_open, networks, wrong_retention};
use crate::cli::ParkImportArgs;
use crate::command::list_import::{Decided, FieldChange, ImportStep, MadeSecrets, listed, run as import, yes_no};
use crate::command::{named, open, open_or_make, visit};
use crate::spreadsheet::{self, NamedColumn, SpreadsheetRow, SpreadsheetTable};

const fn column(key: &'static str, names: &'static [&'static str]) -> NamedColumn {
    NamedColumn { key, names, is_required: false }
}

/// What a list of parks may say, and how a header may call it.
pub(super) const COLUMNS: &[NamedColumn] = &[
    NamedColumn { key: "uuid", names: &["停车场编号", "park_uuid", "车场编号", "编号"], is_required: true },
    NamedColumn { key: "name", names: &["名称", "停车场名称", "车场名称"], is_required: true },
    column("total", &["总车位", "车位数", "total_parking_space"]),
    column("merchant", &["商户号"]),
    column("secret", &["密钥", "app_secret"]),
    column("allow", &["来源地址", "来源网段", "ip"]),
    column("address", &["地址", "详细地址"]),
    column("area_code", &["区划代码", "行政区划代码"]),
    column("latitude", &["纬度"]),
    column("longitude", &["经度"]),
    column("strict", &["严格"]),
    column("require_sign", &["要求签名"]),
    column("refuse_when_full", &["满位拒绝"]),
    column("http_200", &["始终200"]),
    column("enabled", &["启用", "状态"]),
    column("keep", &["保留期"]),
];
/// Where a park is, as city platforms ask for it.
pub(super) const LOCATION: [&str; 4] = ["address", "area_code", "latitude", "longitude"];

/// What a cell says to take away what stands.
const NOTHING: &str = "-";

pub(super) fn run(args: &ParkImportArgs) -> anyhow::Result<()> {
    let table = spreadsheet::load(&args.import.file, COLUMNS)?;
    let now = parkgate_client::now().0;
    // `7d` is parsed as seven days ago; here it means seven days from now.
    let kept_for = args.keep_old.as_deref().map(|text| visit::moment(text).map(|ago| now - ago.0)).transpose()?;
    // A folder is only made for what is written there.
    let store = if args.import.dry_run { open(&args.import.place)? } else { open_or_make(&args.import.place)? };
    let mut made = MadeSecrets::default();
    let secrets = if args.import.change_secrets { Some(now.saturating_add(kept_for.unwrap_or(0))) } else { None };
    let decide = |store: &Store| decide(store, &table, secrets, &mut made);
    import(&args.import, store.as_ref(), &table, decide, |store, version, parks| {
        Ok(store.import_parks(version, &parks)?)
    })
}

/// What is registered when a list is decided.
struct Registered {
    parks: HashMap<String, Park>,
    locations: HashMap<String, String>,
}

fn decide(
    store: &Store,
    table: &SpreadsheetTable,
    secrets: Option<i64>,
    made: &mut MadeSecrets,
) -> anyhow::Result<Decided<ParkImport>> {
    let parks = store.parks()?.into_iter().map(|park| (park.park_uuid.clone(), park)).collect();
    let registered = Registered { parks, locations: store.locations()? };
    let mut failed = None;
    let mut decided = Decided::of(table, "uuid", |row| {
        let line = ParkLine { table, row };
        line.step(&registered, secrets, made).unwrap_or_else(|error| {
            failed = Some(error);
            Err(Vec::new())
        })
    });
    while refuse_taken_merchants(&mut decided, &registered.parks) {}
    failed.map_or(Ok(decided), Err)
}

/// A merchant number is one park's once all is written: parks may take each other's. Lines that are refused for it may leave a
/// number with its park that another line takes: to be called again until it refuses none.
fn refuse_taken_merchants(decided: &mut Decided<ParkImport>, parks: &HashMap<String, Park>) -> bool {
    let taken = |step: &ImportStep<ParkImport>| {
        let write = step.write.as_ref()?;
        let change = write.change.as_ref().and_then(|change| change.merchant.clone());
        write.add.as_ref().and_then(|add| add.merchant.clone()).or(change)
    };
    let gives_up: HashSet<&str> =
        decided.steps.iter().filter(|step| taken(step).is_some()).map(|step| step.id.as_str()).collect();
    let stay = parks.values().filter(|park| !gives_up.contains(park.park_uuid.as_str()));
    let stay = stay.filter_map(|park| Some((park.merchant.clone()?, park.park_uuid.clone())));
    let mut owners: HashMap<String, String> = stay.collect();
    let mut refused = Vec::new();
    for (place, step) in decided.steps.iter().enumerate() {
        let Some(merchant) = taken(step).filter(|merchant| !merchant.is_empty()) else { continue };
        match owners.get(&merchant) {
            Some(owner) => refused.push((place, (texts().sheets.merchant_taken)(&merchant, owner))),
            None => drop(owners.insert(merchant, step.id.clone())),
        }
    }
    let any = !refused.is_empty();
    for (place, reason) in refused.into_iter().rev() {
        decided.refuse(place, reason);
    }
    any
}

struct ParkLine<'a> {
    table: &'a SpreadsheetTable,
    row: &'a SpreadsheetRow,
}

/// What is wrong with a line.
type Reasons = Vec<String>;

impl ParkLine<'_> {
    fn given(&self, key: &str) -> Option<&str> {
        Some(self.table.value(self.row, key)).filter(|text| !text.is_empty())
    }

    /// What is to be done for this line, or all that is wrong with it.
    fn step(
        &self,
        registered: &Registered,
        secrets: Option<i64>,
        made: &mut MadeSecrets,
    ) -> anyhow::Result<Result<ImportStep<ParkImport>, Reasons>> {
        let uuid = self.table.value(self.row, "uuid").to_owned();
        let stands = registered.parks.get(&uuid);
        let mut reasons = Reasons::new();
        self.check_names(&uuid, stands.is_none(), &mut reasons);
        let mut change = self.change(stands, &mut reasons);
        let stood = registered.locations.get(&uuid).map(String::as_str);
        let location = self.location(stood, &mut reasons);
        self.secret(stands, secrets, &mut change, &mut reasons);
        let (allow, require_sign) = stands.map_or((Vec::new(), true), |park| (park.allow.clone(), park.require_sign));
        if is_open(change.allow.as_ref().unwrap_or(&allow), change.require_sign.unwrap_or(require_sign)) {
            reasons.push(texts().sheets.unsigned_from_anywhere.to_owned());
        }
        if !reasons.is_empty() {
            return Ok(Err(reasons));
        }
        let mut changes = field_changes(stands, &change);
        if let Some(after) = &location {
            let read =
                |text: Option<&str>| text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Value::Null);
            changes.push(FieldChange { field: "location", before: read(stood), after: read(after.as_deref()) });
        }
        let name = self.given("name").or(stands.map(|park| park.name.as_str())).unwrap_or_default().to_owned();
        let (mut add, mut secret_made) = (None, None);
        if stands.is_none() {
            let secret = match change.secret.take() {
                Some(secret) => secret,
                None => made.of(&uuid)?,
            };
            secret_made = self.given("secret").is_none().then(|| secret.clone());
            add = Some(new_park(&uuid, &name, secret, &mut change));
        }
        let is_new = add.is_some();
        let is_nothing = !is_new && changes.is_empty();
        let write = ParkImport { park_uuid: uuid.clone(), add, change: Some(change), location };
        let write = (!is_nothing).then_some(write);
        Ok(Ok(ImportStep { line: self.row.line, id: uuid, name, is_new, changes, write, made: secret_made }))
    }

    /// By the rules of `park add`.
    fn check_names(&self, uuid: &str, is_new: bool, reasons: &mut Reasons) {
        let check =
            |key: &'static str, naming, given: &str| named(key, naming, given).err().map(|error| error.to_string());
        if uuid.is_empty() {
            reasons.push((texts().sheets.missing)("uuid"));
            return;
        }
        if is_new {
            // Names registered earlier stay as they are.
            reasons.extend(check("uuid", Naming::Id, uuid));
        }
        match self.given("name") {
            Some(name) => reasons.extend(check("name", Naming::Title, name)),
            None if is_new => reasons.push((texts().sheets.missing)("name")),
            None => {}
        }
        if let Some(merchant) = self.given("merchant").filter(|merchant| *merchant != NOTHING) {
            reasons.extend(check("merchant", Naming::Id, merchant));
        }
    }

    /// What the line says otherwise than it stands, but for the secret.
    fn change(&self, stands: Option<&Park>, reasons: &mut Reasons) -> ParkChange {
        let mut flag = |key: &'static str, stands: Option<bool>| {
            let given = self.given(key).map(|text| yes_no(key, text)).transpose();
            let given = given.unwrap_or_else(|reason| {
                reasons.push(reason);
                None
            });
            given.filter(|given| Some(*given) != stands)
        };
        let mut change = ParkChange {
            strict: flag("strict", stands.map(|park| park.strict)),
            http_200_always: flag("http_200", stands.map(|park| park.http_200_always)),
            require_sign: flag("require_sign", stands.map(|park| park.require_sign)),
            refuse_when_full: flag("refuse_when_full", stands.map(|park| park.refuse_when_full)),
            enabled: flag("enabled", stands.map(|park| park.enabled)),
            ..ParkChange::default()
        };
        change.name =
            self.given("name").filter(|name| stands.is_none_or(|park| park.name != **name)).map(str::to_owned);
        // An empty merchant number and a total of 0 take it away.
        let merchant = self.given("merchant").map(|text| if text == NOTHING { "" } else { text });
        let stood = stands.and_then(|park| park.merchant.as_deref()).unwrap_or_default();
        change.merchant = merchant.filter(|given| *given != stood).map(str::to_owned);
        let stood = stands.and_then(|park| park.total_parking_space).unwrap_or(0);
        match self.given("total").map(|text| if text == NOTHING { "0" } else { text }) {
            None => {}
            Some(text) => match text.parse::<u32>() {
                Ok(total) => change.total_parking_space = Some(total).filter(|total| *total != stood),
                Err(_) => reasons.push((texts().sheets.wrong_number)("total", text)),
            },
        }
        if let Some(text) = self.given("keep") {
            let stood = stands.map(|park| park.keep).unwrap_or_default();
            match stood.changed(text) {
                Ok(keep) => change.keep = Some(keep).filter(|keep| *keep != stood),
                Err(error) => reasons.push(wrong_retention(&error)),
            }
        }
        if let Some(text) = self.given("allow") {
            let given = if text == NOTHING { vec!["any".to_owned()] } else { listed(text) };
            let given = if given == ["任意"] { vec!["any".to_owned()] } else { given };
            match networks(given) {
                Ok(allow) => change.allow = Some(allow).filter(|allow| stands.is_none_or(|park| park.allow != *allow)),
                Err(error) => reasons.push(error.to_string()),
            }
        }
        change
    }

    /// A secret that stands is changed only if that is asked for.
    fn secret(&self, stands: Option<&Park>, secrets: Option<i64>, change: &mut ParkChange, reasons: &mut Reasons) {
        let Some(given) = self.given("secret") else { return };
        match (stands, secrets) {
            (Some(park), _) if park.secret.expose() == given => {}
            (Some(_), None) => reasons.push(texts().sheets.other_secret.to_owned()),
            (Some(_), until) => {
                change.secret = Some(Secret::new(given));
                change.old_secret_until = until;
            }
            (None, _) => change.secret = Some(Secret::new(given)),
        }
    }

    /// Where it is from now on, if the line says otherwise than it stands.
    fn location(&self, stands: Option<&str>, reasons: &mut Reasons) -> Option<Option<String>> {
        let stood: Map<String, Value> = stands.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let mut location = stood.clone();
        for key in LOCATION {
            match self.given(key) {
                None => {}
                Some(NOTHING) => drop(location.shift_remove(key)),
                Some(text) if !coordinate_fits(key, text) => reasons.push((texts().sheets.wrong_coordinate)(key, text)),
                Some(text) => drop(location.insert(key.to_owned(), text.into())),
            }
        }
        (location != stood).then(|| (!location.is_empty()).then(|| Value::Object(location).to_string()))
    }
}

/// A park to add, and what is left to change of it then.
fn new_park(uuid: &str, name: &str, secret: Secret, change: &mut ParkChange) -> NewPark {
    change.name = None;
    NewPark {
        park_uuid: uuid.to_owned(),
        merchant: change.merchant.take().filter(|merchant| !merchant.is_empty()),
        name: name.to_owned(),
        secret,
        strict: change.strict.take().unwrap_or(false),
        total_parking_space: change.total_parking_space.take().filter(|total| *total > 0),
    }
}

fn field_changes(stands: Option<&Park>, change: &ParkChange) -> Vec<FieldChange> {
    let mut changes = Vec::new();
    let mut note = |field, before: Value, after: Option<Value>| {
        changes.extend(after.map(|after| FieldChange { field, before, after }));
    };
    let stood = |value: fn(&Park) -> Value| stands.map_or(Value::Null, value);
    note("name", stood(|park| json!(park.name)), change.name.as_ref().map(|name| json!(name)));
    let some = |text: &String| if text.is_empty() { Value::Null } else { json!(text) };
    note("merchant", stood(|park| json!(park.merchant)), change.merchant.as_ref().map(some));
    let total = change.total_parking_space.map(|total| if total == 0 { Value::Null } else { json!(total) });
    note("total", stood(|park| json!(park.total_parking_space)), total);
    note("allow", stood(|park| json!(park.allow)), change.allow.as_ref().map(|allow| json!(allow)));
    note("strict", stood(|park| json!(park.strict)), change.strict.map(|yes| json!(yes)));
    note("http_200", stood(|park| json!(park.http_200_always)), change.http_200_always.map(|yes| json!(yes)));
    note("require_sign", stood(|park| json!(park.require_sign)), change.require_sign.map(|yes| json!(yes)));
    note("refuse_when_full", stood(|park| json!(park.refuse_when_full)), change.refuse_when_full.map(|yes| json!(yes)));
    note("enabled", stood(|park| json!(park.enabled)), change.enabled.map(|yes| json!(yes)));
    note("keep", stood(|park| json!(park.keep.to_string())), change.keep.map(|keep| json!(keep.to_string())));
    // Not what it is.
    note("secret", Value::Null, change.secret.as_ref().map(|_| Value::Null));
    changes
}
