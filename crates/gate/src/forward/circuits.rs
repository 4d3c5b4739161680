//! Which subscribers are away: shared by their loops and by comparison, which asks one of them before a push is answered.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use parkgate_client::{Backoff, Circuit, Contact, chance};

/// One circuit for each subscriber, by its key.
#[derive(Debug, Default)]
pub(super) struct Circuits {
    known: Mutex<HashMap<i64, Arc<Mutex<Circuit>>>>,
}

impl Circuits {
    pub(super) fn of(&self, subscriber: i64) -> Arc<Mutex<Circuit>> {
        Arc::clone(self.lock().entry(subscriber).or_default())
    }

    /// Forgets subscribers that were removed.
    pub(super) fn keep(&self, is_there: impl Fn(i64) -> bool) {
        self.lock().retain(|id, _| is_there(*id));
    }

    /// Notes what an attempt outside a subscriber's loop says of it.
    pub(super) fn note(&self, subscriber: i64, contact: Contact, asking: &Backoff) {
        let circuit = self.of(subscriber);
        let mut circuit = circuit.lock().unwrap_or_else(PoisonError::into_inner);
        circuit.note(contact, asking, chance(), Instant::now());
    }

    pub(super) fn is_away(&self, subscriber: i64) -> bool {
        self.of(subscriber).lock().unwrap_or_else(PoisonError::into_inner).is_open()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<i64, Arc<Mutex<Circuit>>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
