//! How long a batch of claimed deliveries belongs to this loop alone, and how large the next may be. Pure.

use std::time::Duration;

use tokio::time::Instant;

/// The lease of the batch in memory.
#[derive(Debug)]
pub(super) struct Lease {
    /// `None` where a claim ends with its process only.
    length: Option<Duration>,
    until: Instant,
    /// How many are claimed next: about as many as were begun within an earlier lease.
    size: usize,
    size_min: usize,
    size_max: usize,
    /// Begun of this batch.
    begun: usize,
}

impl Lease {
    pub(super) fn new(length: Option<Duration>, size_min: usize, size_max: usize, now: Instant) -> Lease {
        Lease { length, until: now, size: size_max, size_min: size_min.min(size_max), size_max, begun: 0 }
    }

    /// Begins a batch and returns how many to claim at most: more than last time, if the last batch was begun in time.
    pub(super) fn claim(&mut self, now: Instant) -> usize {
        if now <= self.until {
            self.size = (self.size * 2).min(self.size_max);
        }
        self.until = self.length.and_then(|length| now.checked_add(length)).unwrap_or(now);
        self.begun = 0;
        self.size
    }

    /// Counts a delivery of the batch as begun.
    pub(super) fn begin_one(&mut self) {
        self.begun += 1;
    }

    /// Is the lease over? Another node may then claim the rest of the batch.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.length.is_some() && now > self.until
    }

    /// The rest was released: the next batch is no larger than what was begun of this one.
    pub(super) fn shrink(&mut self) {
        self.size = self.begun.clamp(self.size_min, self.size_max);
    }

    /// Must a batch be used up before the next is claimed?
    pub(super) fn is_limited(&self) -> bool {
        self.length.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_platform_gets_small_batches_and_a_fast_one_large_ones_again() {
        let (second, begun) = (Duration::from_secs(1), Instant::now());
        let mut lease = Lease::new(Some(second * 10), 32, 256, begun);
        assert_eq!(lease.claim(begun), 256);
        for _ in 0..40 {
            lease.begin_one();
        }
        assert!(!lease.is_over(begun + second * 10), "at its end it still may");
        let late = begun + second * 10 + Duration::from_millis(1);
        assert!(lease.is_over(late));
        lease.shrink();
        assert_eq!(lease.claim(late), 40);
        lease.shrink();
        assert_eq!(lease.claim(late + second * 11), 32, "never fewer than may be on their way at once");
        assert_eq!(lease.claim(late + second * 12), 64);
        assert_eq!((lease.claim(late + second * 13), lease.claim(late + second * 14)), (128, 256));
        assert_eq!(lease.claim(late + second * 15), 256);
    }

    #[test]
    fn a_claim_of_this_process_alone_never_ends() {
        let begun = Instant::now();
        let mut lease = Lease::new(None, 32, 256, begun);
        assert_eq!((lease.claim(begun), lease.claim(begun + Duration::from_secs(99))), (256, 256));
        assert!(!lease.is_over(begun + Duration::from_secs(99_999)));
    }
}
