//! What `config check` looks at beyond the settings themselves: files that must be readable, folders that must be writable.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use parkgate_seal::MasterKey;
use parkgate_text::texts;
use parkgate_web::Tls;

use super::{
    AdminListen, Environment, ImagesAt, OTHER_VARIABLES, ServeConfig, TABLES, TOP, environment, tls_fault, variable_of,
};

/// What is wrong beyond the settings themselves.
pub(crate) fn faults(config: &ServeConfig) -> Vec<String> {
    let texts = &texts().config;
    let mut faults = Vec::new();
    if config.admin_listen == AdminListen::At(config.listen) && config.listen.port() != 0 {
        faults.push((texts.same_address)(&config.listen.to_string()));
    }
    if let Some(files) = &config.tls {
        faults.extend(Tls::load(files.clone()).err().map(|error| tls_fault(files, &error)));
    }
    let data = &config.state.data;
    faults.extend(unwritable(data));
    // The key of a folder that may not be read cannot be looked at.
    if faults.is_empty() && (MasterKey::file(data).exists() || std::env::var_os("PARKGATE_MASTER_KEY").is_some()) {
        faults.extend(MasterKey::of(data, Some("")).err().map(|error| error.to_string()));
    }
    if let ImagesAt::Folder(folder) = &config.images
        && !folder.starts_with(data)
    {
        faults.extend(unwritable(folder));
    }
    faults.extend(parkgate_log::check_filter().err().map(|error| error.to_string()));
    faults
}

/// Variables that look like settings and are none. They are ignored, since orchestrators set `PARKGATE_PORT` and the like.
pub(crate) fn unknown_variables() -> Vec<String> {
    unknown_among(&environment())
}

fn unknown_among(environment: &Environment) -> Vec<String> {
    let is_known = |variable: &str| {
        let of_table =
            |table: &str| variable.strip_prefix(&variable_of(table)).is_some_and(|rest| rest.starts_with('_'));
        OTHER_VARIABLES.contains(&variable)
            || TOP.iter().any(|name| variable_of(name) == variable)
            || TABLES.iter().any(|(table, _)| of_table(table))
    };
    environment.keys().filter(|variable| !is_known(variable)).cloned().collect()
}

/// Why nothing can be written into a folder, or it cannot be made.
fn unwritable(folder: &Path) -> Option<String> {
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let existing: PathBuf = absolute.ancestors().find(|path| path.exists()).unwrap_or(&absolute).to_owned();
    let texts = &texts().config;
    let shown = folder.display().to_string();
    if !existing.is_dir() {
        return Some((texts.not_a_folder)(&existing.display().to_string()));
    }
    let probe = existing.join(format!(".parkgate-check-{}", std::process::id()));
    match parkgate_seal::disk::new_file(&probe) {
        Ok(_) => match std::fs::remove_file(&probe) {
            Ok(()) => None,
            Err(error) => Some((texts.unwritable)(&shown, &error.to_string())),
        },
        // Another check by this process id, which was interrupted: so it could be written.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            std::fs::remove_file(&probe).err().map(|e| e.to_string())
        }
        Err(error) => Some((texts.unwritable)(&shown, &error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_that_are_no_settings_are_named() {
        let names = [
            "PARKGATE_LISTEN",
            "PARKGATE_LISTN",
            "PARKGATE_LIMITS_X",
            "PARKGATE_PORT",
            "PARKGATE_LANG",
            "PARKGATE_LOG",
            "PARKGATE_CONFIG",
            "PARKGATE_MASTER_KEY",
            "PARKGATE_TLS_KEY",
        ];
        let environment = names.iter().map(|name| ((*name).to_owned(), "x".to_owned())).collect();
        assert_eq!(unknown_among(&environment), ["PARKGATE_LISTN", "PARKGATE_PORT"]);
    }

    #[test]
    fn a_folder_that_is_a_file_or_lies_below_one_is_named() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(unwritable(folder.path()), None);
        assert_eq!(unwritable(&folder.path().join("a/b")), None);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(unwritable(&file).is_some() && unwritable(&file.join("below")).is_some());
    }
}
