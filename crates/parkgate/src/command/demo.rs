//! `serve --demo`: the document's park, a picture, and a line to paste.

use std::path::{Path, PathBuf};

use anyhow::Context;
use parkgate_store::{NewPark, Store, StoreError};
use parkgate_text::texts;
use parkgate_wire::{PushKind, Secret, sign};

use crate::config::State;

/// The park of the document's examples, and their secret.
const PARK_UUID: &str = "49f0cc52-e8c7-41e3-b54d-af666b8cc11a";
const SECRET: &str = "123";
/// The 1×1 GIF of the protocol's samples, and its MD5.
const GIF: &[u8] = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x05\x04\x04\x00\x00\x00\x2c\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02\x44\x01\x00\x3b";
const GIF_MD5: &str = "DF16D33739DEFE9BDA1F4C45D36FD7A7";

pub(super) struct Demo {
    picture: PathBuf,
    state: State,
}

/// Makes the park, unless it exists.
pub(super) fn prepare(store: &Store, state: &State) -> anyhow::Result<Demo> {
    let park = NewPark {
        park_uuid: PARK_UUID.into(),
        merchant: None,
        name: "演示停车场".into(),
        secret: Secret::new(SECRET),
        strict: false,
        total_parking_space: Some(100),
    };
    match store.add_park(&park) {
        Ok(()) | Err(StoreError::Exists(_)) => {}
        Err(error) => return Err(error.into()),
    }
    let folder = state.data.join("demo");
    parkgate_store::make_folder(&folder).with_context(|| folder.display().to_string())?;
    let picture = std::path::absolute(folder.join("leave.gif"))?;
    parkgate_seal::disk::write_file(&picture, GIF).with_context(|| picture.display().to_string())?;
    Ok(Demo { picture, state: state.clone() })
}

impl Demo {
    /// A push of this moment as one `curl` line, and how to look at its result.
    pub(super) fn print(&self, root: &str) {
        let now = jiff::ZonedDateTime::now();
        let ms = now.timestamp().as_millisecond();
        let serial = format!("{}{:010}", now.strftime("%Y%m%d"), ms % 10_000_000_000);
        let payments = format!(
            r#"[{{"pay_origin_desc":"现金","pay_type":1,"operator":"张三","pay_time":"{ms}","value":500,"free_value":100,"parking_order":"PO{serial}","change_value":500}}]"#
        );
        let (enter, leave) = ((ms - 3_600_000).to_string(), ms.to_string());
        let params = [
            ("park_uuid", PARK_UUID),
            ("parking_serial", &serial),
            ("plate", "粤B12345"),
            ("plate_color", "1"),
            ("enter_time", &enter),
            ("leave_time", &leave),
            ("car_type", "1"),
            ("car_desc", "临时车"),
            ("charge_type", "1"),
            ("leave_gate", "西门出口"),
            ("total_value", "600"),
            ("free_value", "100"),
            ("cash_value", "500"),
            ("payment_list", &payments),
            ("total_parking_space", "100"),
            ("remain_parking_space", "10"),
            ("leave_image_hash", GIF_MD5),
        ];
        let (_, signature) = sign(params, &Secret::new(SECRET));
        let mut line = String::from("curl");
        for (name, value) in params.iter().chain([&("sign", signature.as_str())]) {
            line.push_str(&format!(" --form-string {}", quoted(&format!("{name}={value}"))));
        }
        // curl takes a name in double quotes literally, also with ; and , in it.
        let picture = self.picture.display().to_string().replace('\\', r"\\").replace('"', "\\\"");
        let picture = quoted(&format!("leave_image_file=@\"{picture}\""));
        line.push_str(&format!(" -F {picture} {root}{}", PushKind::Leave.path()));
        parkgate_log::print(texts().state.demo_ready);
        parkgate_log::print(&line);
        parkgate_log::print(texts().state.demo_look);
        let data = quoted(&self.state.data.display().to_string());
        // Not the URL itself: it may contain a password.
        let store = if self.state.url.is_some() { " --store \"$PARKGATE_STORE\"" } else { "" };
        parkgate_log::print(&format!(
            "{} visit show {PARK_UUID} {serial} --data {data}{store}",
            quoted(&this_program())
        ));
    }
}

/// How a shell in this folder finds the running program, which may not be on its PATH.
fn this_program() -> String {
    match (std::env::current_exe(), std::env::current_dir()) {
        (Ok(program), Ok(folder)) => typed(&program, &folder),
        (Ok(program), Err(_)) => program.display().to_string(),
        (Err(_), _) => std::env::args().next().unwrap_or_else(|| "parkgate".into()),
    }
}

/// Relative to the folder if it is below it: shorter, and what one would type.
fn typed(program: &Path, folder: &Path) -> String {
    let relative = program.strip_prefix(folder).map(|below| {
        // A bare name is searched on the PATH, and a leading dash is a flag.
        if below.components().count() == 1 { Path::new(".").join(below) } else { below.to_owned() }
    });
    relative.unwrap_or_else(|_| program.to_owned()).display().to_string()
}

/// One word of a shell command.
fn quoted(word: &str) -> String {
    if word.chars().all(|letter| letter.is_alphanumeric() || "/._-=:@".contains(letter)) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_named_as_one_would_type_it() {
        for (program, folder, typed_so) in [
            ("/home/a/parkgate/target/release/parkgate", "/home/a/parkgate", "target/release/parkgate"),
            ("/home/a/parkgate", "/home/a", "./parkgate"),
            ("/usr/local/bin/parkgate", "/home/a", "/usr/local/bin/parkgate"),
            ("/home/ab/parkgate", "/home/a", "/home/ab/parkgate"),
        ] {
            assert_eq!(typed(Path::new(program), Path::new(folder)), typed_so);
        }
        assert_eq!(
            quoted(&typed(Path::new("/opt/my programs/parkgate"), Path::new("/"))),
            "'opt/my programs/parkgate'"
        );
    }

    #[test]
    fn words_with_anything_special_are_quoted_for_the_shell() {
        for (word, expected) in
            [("a/b-c.gif", "a/b-c.gif"), ("a b", "'a b'"), ("it's", r"'it'\''s'"), ("[{;}]", "'[{;}]'")]
        {
            assert_eq!(quoted(word), expected);
        }
    }
}
