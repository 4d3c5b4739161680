//! A limit on the memory that all bodies together hold.
//!
//! A sender may hold as much as is left free: one alone gets half of the limit, two greedy ones a third each, and a
//! modest one always finds room. So many half-sent forms from one address do not turn away a push from another.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// This much of each body is not counted: nearly every body is shorter, and lies in its connection's buffer anyway.
const UNCOUNTED_BYTES: usize = 16 * 1024;
/// Counted with the first byte beyond: the connection's buffer has grown, and another piece of its size is on its way.
const BUFFER_BYTES: usize = 128 * 1024;
/// Taken in steps of this size, so that a long body does not lock the budget for each piece.
const STEP_BYTES: usize = 64 * 1024;

/// The memory held by all bodies together.
#[derive(Debug)]
pub struct BodyBudget {
    bytes_max: usize,
    taken: Mutex<BytesTaken>,
}

#[derive(Debug, Default)]
struct BytesTaken {
    all: usize,
    of_senders: HashMap<IpAddr, usize>,
}

/// The memory held by one body, until it is dropped.
#[derive(Debug)]
pub struct BodyShare {
    budget: Option<Arc<BodyBudget>>,
    sender: IpAddr,
    /// Bytes in memory now.
    bytes: usize,
    /// Bytes that may be in memory.
    granted: usize,
    /// Bytes counted for it in the budget.
    taken: usize,
    found_no_room: bool,
}

/// There is no room for more of this body at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BudgetFull;

impl BodyBudget {
    /// A budget of this many bytes.
    #[must_use]
    pub fn new(bytes_max: usize) -> Arc<Self> {
        Arc::new(BodyBudget { bytes_max, taken: Mutex::default() })
    }

    /// The share of a body from this sender.
    #[must_use]
    pub fn share(self: &Arc<Self>, sender: IpAddr) -> BodyShare {
        BodyShare {
            budget: Some(Arc::clone(self)),
            sender,
            bytes: 0,
            granted: UNCOUNTED_BYTES,
            taken: 0,
            found_no_room: false,
        }
    }

    fn take(&self, sender: IpAddr, bytes: usize) -> Result<(), BudgetFull> {
        let mut taken = self.lock();
        let of_sender = taken.of_senders.get(&sender).copied().unwrap_or_default();
        if of_sender.saturating_add(bytes) > self.bytes_max.saturating_sub(taken.all) {
            return Err(BudgetFull);
        }
        taken.all += bytes;
        taken.of_senders.insert(sender, of_sender + bytes);
        Ok(())
    }

    fn give_back(&self, sender: IpAddr, bytes: usize) {
        let mut taken = self.lock();
        taken.all = taken.all.saturating_sub(bytes);
        if let Some(of_sender) = taken.of_senders.get_mut(&sender) {
            *of_sender = of_sender.saturating_sub(bytes);
            if *of_sender == 0 {
                taken.of_senders.remove(&sender);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BytesTaken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BodyShare {
    /// A share that is never refused.
    #[must_use]
    pub fn unbounded() -> BodyShare {
        let sender = IpAddr::from([0, 0, 0, 0]);
        BodyShare { budget: None, sender, bytes: 0, granted: usize::MAX, taken: 0, found_no_room: false }
    }

    /// This many more bytes are in memory.
    pub(crate) fn keep(&mut self, bytes: usize) -> Result<(), BudgetFull> {
        self.bytes = self.bytes.saturating_add(bytes);
        let Some(budget) = self.budget.as_ref().filter(|_| self.bytes > self.granted) else { return Ok(()) };
        let more = (self.bytes - self.granted).next_multiple_of(STEP_BYTES);
        let taken = more + if self.taken == 0 { BUFFER_BYTES } else { 0 };
        budget.take(self.sender, taken).inspect_err(|BudgetFull| self.found_no_room = true)?;
        self.granted += more;
        self.taken += taken;
        Ok(())
    }

    /// Was more of the body refused? Then that is why it was not read.
    pub(crate) fn found_no_room(&self) -> bool {
        self.found_no_room
    }

    /// This many bytes are no longer in memory, but on disk.
    pub(crate) fn forget(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

impl Drop for BodyShare {
    fn drop(&mut self) {
        if let Some(budget) = self.budget.as_ref().filter(|_| self.taken > 0) {
            budget.give_back(self.sender, self.taken);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender(number: u8) -> IpAddr {
        IpAddr::from([127, 0, 0, number])
    }

    #[test]
    fn short_bodies_are_not_counted_and_long_ones_are_with_their_buffer() {
        let budget = BodyBudget::new(512 * 1024);
        let mut share = budget.share(sender(1));
        assert_eq!((share.keep(UNCOUNTED_BYTES), budget.lock().all), (Ok(()), 0));
        assert_eq!((share.keep(1), budget.lock().all), (Ok(()), BUFFER_BYTES + STEP_BYTES));
        assert_eq!((share.keep(STEP_BYTES - 1), budget.lock().all), (Ok(()), BUFFER_BYTES + STEP_BYTES));
        assert_eq!((share.keep(1), budget.lock().all), (Ok(()), BUFFER_BYTES + 2 * STEP_BYTES));
        drop(share);
        let taken = budget.lock();
        assert_eq!((taken.all, taken.of_senders.len()), (0, 0));
    }

    #[test]
    fn one_sender_keeps_half_and_others_find_room() {
        let budget = BodyBudget::new(8 * (BUFFER_BYTES + STEP_BYTES));
        let mut held = Vec::new();
        let mut fill = |number: u8| {
            let before = budget.lock().all;
            loop {
                let mut share = budget.share(sender(number));
                if share.keep(UNCOUNTED_BYTES + STEP_BYTES).is_err() {
                    return (budget.lock().all - before) / (BUFFER_BYTES + STEP_BYTES);
                }
                held.push(share);
            }
        };
        assert_eq!(fill(1), 4, "half, to the byte");
        assert_eq!(fill(1), 0);
        assert_eq!(fill(2), 2);
        assert_eq!(fill(3), 1);
        assert_eq!(budget.share(sender(4)).keep(UNCOUNTED_BYTES), Ok(()));
        held.clear();
        assert_eq!(budget.lock().all, 0);
    }

    #[test]
    fn what_went_to_disk_makes_room_for_what_follows() {
        let budget = BodyBudget::new(1024 * 1024);
        let mut share = budget.share(sender(1));
        for _ in 0..1000 {
            assert_eq!(share.keep(STEP_BYTES), Ok(()));
            share.forget(STEP_BYTES);
        }
        let mut unbounded = BodyShare::unbounded();
        assert_eq!(unbounded.keep(usize::MAX), Ok(()));
        assert_eq!(unbounded.keep(usize::MAX), Ok(()));
    }
}
