//! `config`: the settings, checked and shown.

use parkgate_text::texts;
use serde_json::{Map, Value, json};

use crate::cli::{ConfigCommand, SettingArgs};
use crate::config::{Origin, ServeConfig, Setting, faults, settings, unknown_variables};
use crate::output::{self, misuse};

/// Column of the comments beside the values.
const COMMENT_AT: usize = 44;

pub(super) fn run(command: ConfigCommand) -> anyhow::Result<()> {
    match command {
        ConfigCommand::Check { settings, json } => check(&settings, json),
        ConfigCommand::Show { settings, json } => show(&settings, json),
    }
}

fn check(args: &SettingArgs, json: bool) -> anyhow::Result<()> {
    let wrong = match ServeConfig::of(args) {
        Ok(config) => faults(&config),
        Err(error) if json => vec![format!("{error:#}")],
        Err(error) => return Err(error),
    };
    let unknown = unknown_variables();
    let texts = &texts().config;
    let warnings: Vec<String> = unknown.iter().map(|name| (texts.unknown_variable)(name)).collect();
    if json {
        output::json(&json!({ "ok": wrong.is_empty(), "wrong": wrong, "warnings": warnings }))?;
    } else {
        warnings.iter().for_each(|warning| output::remark(warning));
    }
    match (wrong.is_empty(), json) {
        (false, _) => Err(misuse(format!("{}\n  {}", texts.wrong, wrong.join("\n  ")))),
        (true, false) => output::line(texts.good),
        (true, true) => Ok(()),
    }
}

fn show(args: &SettingArgs, json: bool) -> anyhow::Result<()> {
    let settings = settings(args)?;
    if json {
        return output::json(&Value::Array(settings.iter().map(as_json).collect()));
    }
    let mut table = "";
    for setting in &settings {
        let (of, name) = setting.name.split_once('.').unwrap_or(("", &setting.name));
        if of != table {
            output::line(&format!("\n[{of}]"))?;
            table = of;
        }
        output::line(&as_line(name, setting))?;
    }
    Ok(())
}

/// As in the settings file, with its origin as a comment.
fn as_line(name: &str, setting: &Setting) -> String {
    let texts = &texts().config;
    let (given, origin) = match &setting.value {
        Some(value) => (format!("{name} = {value}"), in_words(&setting.origin)),
        None => (format!("# {name}"), texts.not_set.to_owned()),
    };
    format!("{} # {origin}", output::padded(&given, COMMENT_AT))
}

fn in_words(origin: &Origin) -> String {
    let texts = &texts().config;
    match origin {
        Origin::Flag(flag) => (texts.of_flag)(flag),
        Origin::Variable(name) => (texts.of_variable)(name),
        Origin::File(path, line) => format!("{}:{line}", path.display()),
        Origin::Default => texts.of_default.to_owned(),
    }
}

fn as_json(setting: &Setting) -> Value {
    let mut object = Map::new();
    object.insert("name".into(), setting.name.clone().into());
    object.insert("value".into(), serde_json::to_value(&setting.value).unwrap_or_default());
    let mut of = |name: &str, more: Vec<(&str, Value)>| {
        object.insert("origin".into(), name.into());
        object.extend(more.into_iter().map(|(name, value)| (name.to_owned(), value)));
    };
    match &setting.origin {
        Origin::Flag(flag) => of("flag", vec![("flag", (*flag).into())]),
        Origin::Variable(name) => of("variable", vec![("variable", name.clone().into())]),
        Origin::File(path, line) => {
            of("file", vec![("file", path.display().to_string().into()), ("line", (*line).into())]);
        }
        Origin::Default => of("default", vec![]),
    }
    Value::Object(object)
}
