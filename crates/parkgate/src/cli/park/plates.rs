//! `park …-plate(s)`: who may enter and who may not, by plate.

use std::path::PathBuf;

use clap::Subcommand;

use crate::cli::StoreArgs;

#[derive(Debug, Subcommand)]
pub(crate) enum PlateCommand {
    /// 白名单和黑名单 · Plates that may enter and that may not
    #[command(after_help = "Example:\n  parkgate park list-plates 49f0cc52-e8c7-41e3-b54d-af666b8cc11a --json")]
    ListPlates {
        /// `park_uuid`
        uuid: String,
        /// 输出 JSON · As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: StoreArgs,
    },
    /// 加入白名单或黑名单 · Put a plate on a list; one that is on the other moves
    #[command(
        after_help = "Examples:\n  parkgate park add-plate U 粤B12345 --allow --note 业主\n  parkgate park add-plate U 粤B·88888 --deny"
    )]
    AddPlate {
        /// `park_uuid`
        uuid: String,
        /// The plate; dots, blanks, case and full width make no difference
        plate: String,
        /// 白名单 · It may enter, also when the park is full
        #[arg(long, conflicts_with = "deny", required_unless_present = "deny")]
        allow: bool,
        /// 黑名单 · It may not enter
        #[arg(long)]
        deny: bool,
        /// For people
        #[arg(long, value_name = "T")]
        note: Option<String>,
        #[command(flatten)]
        place: StoreArgs,
    },
    /// 移出名单 · Take a plate off its list
    #[command(after_help = "Example:\n  parkgate park remove-plate U 粤B12345")]
    RemovePlate {
        /// `park_uuid`
        uuid: String,
        /// The plate
        plate: String,
        #[command(flatten)]
        place: StoreArgs,
    },
    /// 导入名单 · Import both lists from a CSV file, all lines or none
    #[command(
        after_help = "Examples:\n  parkgate park import-plates U plates.csv --dry-run\n  parkgate park import-plates U plates.csv --replace\n\nThe file has the columns plate,list,note or 车牌,名单,备注 in its first line, in any order; others are passed over. A list is\nallow or deny, 白名单 or 黑名单. UTF-8 or GBK, as spreadsheets save it."
    )]
    ImportPlates {
        /// `park_uuid`
        uuid: String,
        /// The CSV file
        file: PathBuf,
        /// Take plates that are not in the file off the lists
        #[arg(long)]
        replace: bool,
        /// Only say what would change
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        place: StoreArgs,
    },
}
