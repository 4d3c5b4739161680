//! Where each setting's value comes from: for `config show`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

use super::{Environment, TABLES, TOP, variable_of};
use crate::cli::SettingArgs;

/// Where a value comes from. The first that names it decides.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    /// A flag of the command line.
    Flag(&'static str),
    /// A variable of the environment.
    Variable(String),
    /// The settings file, and the line in it.
    File(PathBuf, usize),
    /// Nobody set it.
    Default,
}

/// The settings file as it lies on the disk.
pub(super) struct SettingsFile {
    pub(super) path: PathBuf,
    pub(super) text: String,
}

impl SettingsFile {
    /// The line of each setting, by its name.
    fn lines(&self) -> BTreeMap<String, usize> {
        let mut lines = BTreeMap::new();
        let Ok(table) = DeTable::parse(&self.text) else { return lines };
        let line = |at: usize| self.text.get(..at).unwrap_or_default().matches('\n').count() + 1;
        for (name, value) in table.get_ref() {
            match value.get_ref() {
                DeValue::Table(inner) => {
                    for (inner, _) in inner {
                        lines.insert(format!("{}.{}", name.get_ref(), inner.get_ref()), line(inner.span().start));
                    }
                }
                _ => drop(lines.insert(name.get_ref().to_string(), line(name.span().start))),
            }
        }
        lines
    }
}

/// Finds the origin of a setting by its name.
pub(super) struct Origins<'a> {
    pub(super) args: &'a SettingArgs,
    pub(super) environment: &'a Environment,
    file: Option<(PathBuf, BTreeMap<String, usize>)>,
}

impl<'a> Origins<'a> {
    pub(super) fn new(args: &'a SettingArgs, environment: &'a Environment, file: Option<&SettingsFile>) -> Self {
        Origins { args, environment, file: file.map(|file| (file.path.clone(), file.lines())) }
    }

    pub(super) fn of(&self, name: &str) -> Origin {
        if let Some(flag) = self.flag(name) {
            return Origin::Flag(flag);
        }
        let variable = variable_of(name);
        if self.environment.contains_key(&variable) {
            return Origin::Variable(variable);
        }
        let line = self.file.as_ref().and_then(|(path, lines)| Some((path, lines.get(name)?)));
        line.map_or(Origin::Default, |(path, line)| Origin::File(path.clone(), *line))
    }

    fn flag(&self, name: &str) -> Option<&'static str> {
        let args = self.args;
        let (flag, is_given) = match name {
            "listen" => ("--listen", args.listen.is_some()),
            "admin_listen" => ("--admin-listen", args.admin_listen.is_some()),
            "data" => ("--data", args.place.data.is_some()),
            "store" => ("--store", args.place.store.is_some()),
            "images" => ("--images", args.images.is_some()),
            "node" => ("--node", args.node.is_some()),
            _ => return None,
        };
        is_given.then_some(flag)
    }
}

/// The names of all settings, those of tables as `TABLE.NAME`.
pub(super) fn names() -> Vec<String> {
    let of_tables = TABLES.iter().flat_map(|(table, names)| names.iter().map(move |name| format!("{table}.{name}")));
    TOP.iter().map(|name| (*name).to_owned()).chain(of_tables).collect()
}

/// The value of a setting in a table such as the settings file's.
pub(super) fn value_in<'a>(table: &'a Table, name: &str) -> Option<&'a Value> {
    match name.split_once('.') {
        Some((outer, inner)) => table.get(outer)?.as_table()?.get(inner),
        None => table.get(name),
    }
}

/// The defaults, as the settings file of the package has them: commented out.
pub(super) fn defaults() -> Table {
    let uncommented = |line: &str| match line.strip_prefix('#') {
        Some(setting) if setting.starts_with(|c: char| c.is_ascii_lowercase()) => format!("{setting}\n"),
        _ => format!("{line}\n"),
    };
    let text: String = PACKAGED.lines().map(uncommented).collect();
    // A test reads it.
    let mut table: Table = text.parse().unwrap_or_default();
    table.remove("data");
    table
}

/// The settings file of the Debian package.
pub(super) const PACKAGED: &str = include_str!("../../../../packaging/parkgate.toml");
