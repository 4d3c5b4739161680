//! Figures of the process, under the names that every Prometheus client uses for them. What the system does not say is left
//! out.

use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

/// What is known of the process from its start.
pub(super) struct ProcessFigures {
    /// Seconds since 1970.
    started: f64,
}

impl ProcessFigures {
    pub(super) fn begin() -> ProcessFigures {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        ProcessFigures { started: since_1970.as_secs_f64() }
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        let help = "When the process started, in seconds since 1970";
        registry.register("process_start_time_seconds", help, ConstGauge::new(self.started));
        if let Some(bytes) = resident_bytes() {
            registry.register("process_resident_memory_bytes", "Memory that the process keeps", ConstGauge::new(bytes));
        }
        if let Some(seconds) = cpu_seconds() {
            let help = "Time of processors that the process used";
            registry.register("process_cpu_seconds", help, ConstCounter::new(seconds));
        }
        if let Some(files) = open_files() {
            registry.register("process_open_fds", "Open files and sockets", ConstGauge::new(files));
        }
        if let Some(files) = getrlimit(Resource::Nofile).current.and_then(|files| i64::try_from(files).ok()) {
            registry.register("process_max_fds", "Files and sockets that may be open", ConstGauge::new(files));
        }
    }
}

fn resident_bytes() -> Option<i64> {
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: i64 = pages.split(' ').nth(1)?.parse().ok()?;
    pages.checked_mul(i64::try_from(page_size()).ok()?)
}

fn cpu_seconds() -> Option<f64> {
    cpu_seconds_in(&std::fs::read_to_string("/proc/self/stat").ok()?, clock_ticks_per_second())
}

/// The process's name, in brackets, may hold anything, so fields are counted from its end (`proc_pid_stat(5)`: 14 and 15).
fn cpu_seconds_in(stat: &str, ticks_per_second: u64) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut ticks = fields.split(' ').skip(11).map_while(|ticks| ticks.parse::<u64>().ok());
    let (of_ours, of_the_system) = (ticks.next()?, ticks.next()?);
    (ticks_per_second > 0).then(|| of_ours.saturating_add(of_the_system) as f64 / ticks_per_second as f64)
}

fn open_files() -> Option<i64> {
    // One of them is the folder that is read here.
    let entries = std::fs::read_dir("/proc/self/fd").ok()?.count();
    i64::try_from(entries.saturating_sub(1)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_processs_time_is_found_whatever_its_name_is() {
        let stat = "1 (a) b) S 1 1 1 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 1 0 9 0 0";
        assert_eq!(cpu_seconds_in(stat, 100), Some(2.0));
        assert_eq!(cpu_seconds_in("1 (a", 100), None);
        assert_eq!(cpu_seconds_in("1 (a) S 1", 100), None);
    }
}
