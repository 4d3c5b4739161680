//! `simulate`: flags.

use clap::Args;

use super::SecretArgs;

#[derive(Debug, Args)]
pub(crate) struct SimulateArgs {
    /// Root of the platform
    #[arg(long, value_name = "U", required_unless_present = "through_agent")]
    pub(crate) url: Option<String>,
    #[command(flatten)]
    pub(crate) secret: SecretArgs,
    /// `park_uuid` to push for
    #[arg(long, value_name = "U", required_unless_present = "through_agent")]
    pub(crate) park: Option<String>,
    /// Records a second; 0 as fast as they go
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) rate: u32,
    /// How long it runs: 30s, 10m [default: 1m, or until --day is over]
    #[arg(long = "for", value_name = "T")]
    pub(crate) run_for: Option<String>,
    /// Simulated time to play, however long it takes: 24h, 7d
    #[arg(long, value_name = "T")]
    pub(crate) day: Option<String>,
    /// Repeats the same traffic
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// When the simulated time begins, ms since 1970 [default: so that it ends now]
    #[arg(long, value_name = "MS")]
    pub(crate) start: Option<i64>,
    /// Spaces of the car park, empty at the start
    #[arg(long, value_name = "N", default_value_t = 500)]
    pub(crate) spaces: u32,
    /// Share of records sent twice, late, out of order or with other content; 0 is an honest car park on a good line
    #[arg(long, value_name = "X", default_value_t = 0.05)]
    pub(crate) faults: f64,
    /// Share of records with a picture
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    pub(crate) pictures: f64,
    /// Share of vehicles released by hand, and of plates corrected; 0 for a platform that knows enters and leaves only
    #[arg(long, value_name = "X", default_value_t = 0.01)]
    pub(crate) by_hand: f64,
    /// Do not report free spaces: the platform counts
    #[arg(long)]
    pub(crate) no_space: bool,
    /// Pushes on their way at a time
    #[arg(long, value_name = "N", default_value_t = 16)]
    pub(crate) concurrency: usize,
    /// By an agent: the one running at ADDR, or one of its own if --url is given
    #[arg(long, value_name = "ADDR", num_args = 0..=1, require_equals = true, default_missing_value = "http://127.0.0.1:8070")]
    pub(crate) through_agent: Option<String>,
    /// 输出 JSON · As JSON
    #[arg(long)]
    pub(crate) json: bool,
}
