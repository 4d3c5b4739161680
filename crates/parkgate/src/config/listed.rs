//! Each setting as it is meant, with where its value comes from: for `config show`.

use std::path::Path;

use toml::Value;

use super::origin::{Origin, Origins, SettingsFile, defaults, names, value_in};
use super::{ADMIN_LISTEN, AdminListen, ImagesAt, ServeConfig, environment, file_text, given_values};
use crate::cli::SettingArgs;

/// One setting.
#[derive(Debug, PartialEq)]
pub(crate) struct Setting {
    /// Its name; of a table as `TABLE.NAME`.
    pub(crate) name: String,
    /// None: it is not set, and has no default.
    pub(crate) value: Option<Value>,
    /// Where the value comes from.
    pub(crate) origin: Origin,
}

/// All settings, without secrets; or all that is wrong with them.
pub(crate) fn settings(args: &SettingArgs) -> anyhow::Result<Vec<Setting>> {
    let config = ServeConfig::of(args)?;
    let environment = environment();
    let file = file_text(args.config.as_deref())?.map(|(path, text)| SettingsFile { path, text });
    let (given, _) = given_values(args.config.as_deref(), &environment)?;
    let (defaults, origins) = (defaults(), Origins::new(args, &environment, file.as_ref()));
    let one = |name: String| {
        let as_given = || value_in(&given, &name).or_else(|| value_in(&defaults, &name)).cloned();
        let value = as_meant(&config, &name).unwrap_or_else(as_given).map(without_secrets);
        let origin = origin(&config, &origins, &name);
        Setting { name, value, origin }
    };
    Ok(names().into_iter().map(one).collect())
}

/// What is not simply as given: none if it is, and none within if it is not set.
#[expect(clippy::option_option, reason = "one says whether it is known here, the other whether it is set")]
fn as_meant(config: &ServeConfig, name: &str) -> Option<Option<Value>> {
    let text = |text: String| Some(Some(Value::String(text)));
    let path = |path: &Path| text(path.display().to_string());
    match name {
        "listen" => text(config.listen.to_string()),
        "admin_listen" => text(match config.admin_listen {
            AdminListen::Default => ADMIN_LISTEN.to_string(),
            AdminListen::At(address) => address.to_string(),
            AdminListen::Off => "off".into(),
        }),
        "data" => path(&config.state.data),
        "store" => text(match &config.state.url {
            Some(url) => url.0.clone(),
            None => format!("sqlite:{}", config.state.data.display()),
        }),
        "images" => match &config.images {
            ImagesAt::Folder(folder) => path(folder),
            ImagesAt::Bucket(url) => text(url.clone()),
        },
        "node" => text(config.node.clone()),
        _ => None,
    }
}

/// A data folder has two names, and whoever names it by either says where it is.
fn origin(config: &ServeConfig, origins: &Origins<'_>, name: &str) -> Origin {
    match name {
        "data" | "store" if config.state.url.is_none() => origins.of("store").min(origins.of("data")),
        name => origins.of(name),
    }
}

/// A value that may be shown: passwords in addresses are not.
fn without_secrets(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(without_password(&text)),
        Value::Array(values) => Value::Array(values.into_iter().map(without_secrets).collect()),
        value => value,
    }
}

/// An address without the password in it: before the host, or in a parameter.
fn without_password(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let (place, query) = rest.split_once('?').map_or((rest, None), |(place, query)| (place, Some(query)));
    // A password may hold an @ that nobody encoded.
    let place = match place.rsplit_once('@') {
        Some((user, host)) => {
            let user = user.split_once(':').map_or_else(|| user.to_owned(), |(user, _)| format!("{user}:***"));
            format!("{user}@{host}")
        }
        None => place.to_owned(),
    };
    let is_secret =
        |name: &str| ["pass", "secret", "token", "key"].iter().any(|word| name.to_lowercase().contains(word));
    let query = query.map(|query| {
        let hidden = query.split('&').map(|pair| match pair.split_once('=') {
            Some((name, _)) if is_secret(name) => format!("{name}=***"),
            _ => pair.to_owned(),
        });
        format!("?{}", hidden.collect::<Vec<_>>().join("&"))
    });
    format!("{scheme}://{place}{}", query.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_in_addresses_are_not_shown() {
        for (text, shown) in [
            ("postgres://gate:hidden@host/gate", "postgres://gate:***@host/gate"),
            (
                "postgres://gate:hid@den@a,b:5433/gate?sslmode=require",
                "postgres://gate:***@a,b:5433/gate?sslmode=require",
            ),
            ("postgres://gate@host/gate?password=hidden&x=1", "postgres://gate@host/gate?password=***&x=1"),
            ("postgres://host/gate", "postgres://host/gate"),
            ("s3://bucket/prefix", "s3://bucket/prefix"),
            ("127.0.0.1:8080", "127.0.0.1:8080"),
        ] {
            assert_eq!(without_password(text), shown);
        }
    }
}
