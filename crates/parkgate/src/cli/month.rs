//! `month`.

use clap::Subcommand;

use super::StoreArgs;

#[derive(Debug, Subcommand)]
pub(crate) enum MonthCommand {
    /// 开始按月分区 · From now on a partition a month, while the gates run; what is there stays together
    #[command(after_help = "Example:\n  parkgate month begin --store postgres://user@host/parkgate")]
    Begin {
        #[command(flatten)]
        place: StoreArgs,
    },
    /// 月份列表 · All months, oldest first
    #[command(after_help = "Example:\n  parkgate month list --json")]
    List {
        /// 输出 JSON · As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: StoreArgs,
    },
    /// 脱敏 · Plates, ID data and pictures of old months go; serials, times and amounts stay
    #[command(
        alias = "strip",
        after_help = "A push of such a month is still known and answered as the first time. A month with pending deliveries waits until they\narrived or were dropped: they would be sent without what goes. Dead letters go with the month.\n\nExample:\n  parkgate month redact --before 2026-01"
    )]
    Redact {
        #[command(flatten)]
        which: BeforeArgs,
        #[command(flatten)]
        place: StoreArgs,
    },
    /// 删除 · Drop old months whole
    #[command(
        after_help = "A push of such a month would be taken as new. A month with pending deliveries waits; dead letters go with it.\n\nExample:\n  parkgate month drop --before 2021-01"
    )]
    Drop {
        #[command(flatten)]
        which: BeforeArgs,
        #[command(flatten)]
        place: StoreArgs,
    },
}

/// Which months are meant.
#[derive(Debug, clap::Args)]
pub(crate) struct BeforeArgs {
    /// Those whose records all came before this month (China's time), such as 2026-01
    #[arg(long, value_name = "YYYY-MM")]
    pub(crate) before: String,
    /// 输出 JSON · As JSON
    #[arg(long)]
    pub(crate) json: bool,
}
