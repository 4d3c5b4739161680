//! The program: parse, run, exit code.

mod cli;
mod command;
mod config;
mod export_file;
mod output;
mod simulate;
mod spreadsheet;
mod zone;

use std::ffi::OsString;
use std::process::ExitCode;

use parkgate_text::{Lang, set_lang, texts};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Before anything is parsed: help and complaints are in this language, too.
    let words: Vec<OsString> = std::env::args_os().collect();
    set_lang(Lang::chosen(lang_flag(&words), |name| std::env::var(name).ok()));
    let cli = match cli::parse(&words) {
        Ok(cli) => cli,
        Err(refused) => {
            output::print_instead(&refused.text, refused.is_error);
            return ExitCode::from(refused.exit_code);
        }
    };
    if let Some(name) = Lang::unknown(|name| std::env::var(name).ok()) {
        output::remark(&(texts().wrong_use.unknown_language)(&name));
    }
    match command::run(cli) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            output::complain(&error);
            ExitCode::from(output::exit_code(&error))
        }
    }
}

/// The language of `--lang`, wherever it stands. clap checks it later.
fn lang_flag(words: &[OsString]) -> Option<Lang> {
    let args: Vec<&OsString> = words.iter().skip(1).take_while(|arg| *arg != "--").collect();
    let mut values = args.iter().enumerate().filter_map(|(index, arg)| match arg.to_str()? {
        "--lang" => args.get(index + 1)?.to_str(),
        arg => arg.strip_prefix("--lang="),
    });
    values.next_back().and_then(Lang::named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_is_known_before_anything_is_parsed() {
        let flag = |line: &str| lang_flag(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        assert_eq!(flag("parkgate --lang en park list"), Some(Lang::En));
        assert_eq!(flag("parkgate park list --lang=zh"), Some(Lang::Zh));
        assert_eq!(flag("parkgate --lang zh park list --lang en"), Some(Lang::En));
        assert_eq!(flag("parkgate park list --lang"), None);
        assert_eq!(flag("parkgate park list --lang fr"), None);
        assert_eq!(flag("parkgate push leave -- --lang en"), None);
    }
}
