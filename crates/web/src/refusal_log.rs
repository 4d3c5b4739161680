//! Limits the log lines about pushes that were not taken, for each reason and address: one sender's mistake, repeated all
//! day, must not push everything else out of the log. What is not logged one by one is counted, and the count logged once a minute.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::host::host_of;

/// Lines of one reason and address within a window. Enough to see what it is about.
const LINES_MAX: u32 = 10;
const LOOK_EVERY: Duration = Duration::from_secs(2);
const WINDOW: Duration = Duration::from_secs(60);
/// Reasons and addresses kept apart within a window; those beyond share one entry for each reason.
const ENTRIES_MAX: usize = 4096;

/// What was said within the last window.
#[derive(Default)]
pub(crate) struct RefusalLog(Mutex<HashMap<LogKey, LogWindow>>);

/// A reason, and where its push came from.
type LogKey = (&'static str, IpAddr);

struct LogWindow {
    begun: Instant,
    lines: u32,
    unlogged: u64,
}

impl RefusalLog {
    /// May a line be written about this one?
    pub(crate) fn admits(&self, reason: &'static str, address: IpAddr) -> bool {
        self.admits_at(reason, address, Instant::now())
    }

    fn admits_at(&self, reason: &'static str, address: IpAddr, now: Instant) -> bool {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key = (reason, host_of(address));
        if windows.len() >= ENTRIES_MAX && !windows.contains_key(&key) {
            key.1 = ELSEWHERE;
        }
        let window = windows.entry(key).or_insert(LogWindow { begun: now, lines: 0, unlogged: 0 });
        if window.lines < LINES_MAX {
            window.lines += 1;
            return true;
        }
        window.unlogged += 1;
        false
    }

    /// Ends windows that are over, and logs how much was left out in them. Called every few seconds.
    pub(crate) fn look(&self) {
        for ((reason, network), unlogged) in self.over(Instant::now()) {
            tracing::warn!(reason, %network, unlogged, "more pushes were not taken for this reason than were logged one by one");
        }
    }

    /// What was left out in windows that are over.
    fn over(&self, now: Instant) -> Vec<(LogKey, u64)> {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = |_: &LogKey, window: &mut LogWindow| now.saturating_duration_since(window.begun) >= WINDOW;
        let over = windows.extract_if(is_over).filter(|(_, window)| window.unlogged > 0);
        over.map(|(key, window)| (key, window.unlogged)).collect()
    }
}

/// Logs what was left out, until it is dropped.
pub(crate) async fn follow(log: Arc<RefusalLog>) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        log.look();
    }
}

/// Those for whom there was no entry.
const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn each_reason_and_address_has_ten_lines_a_minute_and_the_rest_is_logged_as_a_sum() {
        let (log, begun) = (RefusalLog::default(), Instant::now());
        for _ in 0..LINES_MAX {
            assert!(log.admits_at("Missing", v4(1), begun));
        }
        for _ in 0..5 {
            assert!(!log.admits_at("Missing", v4(1), begun));
        }
        assert!(log.admits_at("Signature", v4(1), begun) && log.admits_at("Missing", v4(2), begun));
        assert!(log.over(begun + WINDOW - Duration::from_secs(1)).is_empty());
        assert_eq!(log.over(begun + WINDOW), [(("Missing", v4(1)), 5)]);
        assert!(log.over(begun + WINDOW).is_empty(), "logged once");
        assert!(log.admits_at("Missing", v4(1), begun + WINDOW), "a new window");
    }

    #[test]
    fn who_has_many_addresses_has_not_many_lines() {
        let (log, now) = (RefusalLog::default(), Instant::now());
        let address = |host: u16| IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, host]);
        assert_eq!((0..100).filter(|host| log.admits_at("Missing", address(*host), now)).count(), LINES_MAX as usize);
        let mapped = IpAddr::from([0, 0, 0, 0, 0, 0xffff, 0xc000, 0x0201]);
        assert!(log.admits_at("Missing", mapped, now));
        assert_eq!((0..100).filter(|_| log.admits_at("Missing", v4(1), now)).count(), LINES_MAX as usize - 1);
    }

    #[test]
    fn the_memory_for_addresses_is_bounded() {
        let (log, now) = (RefusalLog::default(), Instant::now());
        let address = |number: u32| IpAddr::V4(Ipv4Addr::from_bits(number + 1));
        let admitted = (0..ENTRIES_MAX as u32 + 1000).filter(|number| log.admits_at("Missing", address(*number), now));
        assert_eq!(admitted.count(), ENTRIES_MAX + LINES_MAX as usize);
        assert_eq!(log.0.lock().unwrap().len(), ENTRIES_MAX + 1);
        assert!(log.admits_at("Missing", address(0), now), "one that has its entry keeps it");
        assert_eq!(log.over(now + WINDOW), [(("Missing", ELSEWHERE), 1000 - u64::from(LINES_MAX))]);
    }
}
