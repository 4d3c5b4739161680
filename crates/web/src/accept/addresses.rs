//! How many connections each address has, or requests, where a proxy brings them: no address may have them all.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::host::host_of;

#[derive(Debug)]
pub(super) struct Addresses {
    max: usize,
    counts: Mutex<HashMap<IpAddr, usize>>,
}

/// Counts until it is dropped.
#[derive(Debug)]
pub(super) struct CountedAddress {
    host: IpAddr,
    addresses: Arc<Addresses>,
}

impl Addresses {
    pub(super) fn new(max: usize) -> Arc<Self> {
        Arc::new(Addresses { max, counts: Mutex::default() })
    }

    /// Counts one more; none if there are as many as may be.
    pub(super) fn count(self: &Arc<Self>, address: IpAddr) -> Option<CountedAddress> {
        let host = host_of(address);
        let mut counts = lock(&self.counts);
        let count = counts.entry(host).or_default();
        if *count >= self.max {
            return None;
        }
        *count += 1;
        drop(counts);
        Some(CountedAddress { host, addresses: Arc::clone(self) })
    }
}

impl Drop for CountedAddress {
    fn drop(&mut self) {
        let mut counts = lock(&self.addresses.counts);
        if let Some(count) = counts.get_mut(&self.host) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.host);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_has_as_many_as_may_be_and_again_when_one_ends() {
        let addresses = Addresses::new(2);
        let mut held =
            vec![addresses.count(of("127.0.0.2")).unwrap(), addresses.count(of("::ffff:127.0.0.2")).unwrap()];
        assert!(addresses.count(of("127.0.0.2")).is_none());
        assert!(addresses.count(of("127.0.0.3")).is_some());
        held.pop();
        held.push(addresses.count(of("127.0.0.2")).unwrap());
        drop(held);
        assert!(lock(&addresses.counts).is_empty(), "nothing is remembered of who is gone");
    }

    #[test]
    fn addresses_of_one_ipv6_host_are_one() {
        let addresses = Addresses::new(1);
        let _held = addresses.count(of("2001:db8:1:2::1")).unwrap();
        assert!(addresses.count(of("2001:db8:1:2:ffff::9")).is_none());
        assert!(addresses.count(of("2001:db8:1:3::1")).is_some());
    }
}
