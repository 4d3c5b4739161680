//! `simulate`: flags.

use clap::Args;
use parkgate_text::texts;

use super::SecretArgs;

#[derive(Debug, Args)]
pub(crate) struct SimulateArgs {
    #[arg(long, value_name = "U", required_unless_present = "through_agent", help = texts().simulate.url)]
    pub(crate) url: Option<String>,
    #[command(flatten)]
    pub(crate) secret: SecretArgs,
    #[arg(long, value_name = "U", required_unless_present = "through_agent", help = texts().simulate.park)]
    pub(crate) park: Option<String>,
    #[arg(long, value_name = "N", default_value_t = 50, help = texts().simulate.rate)]
    pub(crate) rate: u32,
    #[arg(long = "for", value_name = "T", help = texts().simulate.run_for)]
    pub(crate) run_for: Option<String>,
    #[arg(long, value_name = "T", help = texts().simulate.day)]
    pub(crate) day: Option<String>,
    #[arg(long, value_name = "N", default_value_t = 1, help = texts().simulate.seed)]
    pub(crate) seed: u64,
    #[arg(long, value_name = "MS", help = texts().simulate.start)]
    pub(crate) start: Option<i64>,
    #[arg(long, value_name = "N", default_value_t = 500, help = texts().simulate.spaces)]
    pub(crate) spaces: u32,
    #[arg(long, value_name = "X", default_value_t = 0.05, help = texts().simulate.faults)]
    pub(crate) faults: f64,
    #[arg(long, value_name = "X", default_value_t = 1.0, help = texts().simulate.pictures)]
    pub(crate) pictures: f64,
    #[arg(long, value_name = "X", default_value_t = 0.01, help = texts().simulate.by_hand)]
    pub(crate) by_hand: f64,
    #[arg(long, help = texts().simulate.no_space)]
    pub(crate) no_space: bool,
    #[arg(long, value_name = "N", default_value_t = 16, help = texts().simulate.concurrency)]
    pub(crate) concurrency: usize,
    #[arg(long, value_name = "ADDR", num_args = 0..=1, require_equals = true, default_missing_value = "http://127.0.0.1:8070", help = texts().simulate.through_agent)]
    pub(crate) through_agent: Option<String>,
    #[arg(long, help = texts().flags.json)]
    pub(crate) json: bool,
}
