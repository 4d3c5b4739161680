//! `key`.

use clap::Subcommand;
use parkgate_text::texts;

use super::{StoreArgs, examples, examples_and};

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    #[command(about = texts().key.rotate_about, after_help = examples_and(&["parkgate key rotate", "parkgate key rotate --go-on"], texts().key.rotate_notes))]
    Rotate {
        #[arg(long, help = texts().key.goes_on_help)]
        go_on: bool,
        #[arg(long, conflicts_with = "go_on", help = texts().key.detach_help)]
        detach: bool,
        #[arg(long, help = texts().flags.json)]
        json: bool,
        #[command(flatten)]
        place: StoreArgs,
    },
    #[command(about = texts().key.show_about, after_help = examples(&["parkgate key show"]))]
    Show {
        #[arg(long, help = texts().flags.json)]
        json: bool,
        #[command(flatten)]
        place: StoreArgs,
    },
}
