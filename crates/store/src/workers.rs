//! Work on many things by several threads at once, which ends with the first failure.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Mutex, PoisonError};

/// Does `work` on everything that `next` gives, by `threads` threads. `next` is asked by the calling thread, which waits while
/// all threads are busy.
///
/// # Errors
/// The first failure of either. What was begun is finished, nothing else is.
pub(crate) fn at_once<T: Send, E: Send>(
    threads: usize,
    mut next: impl FnMut() -> Result<Option<T>, E>,
    work: impl Fn(T) -> Result<(), E> + Sync,
) -> Result<(), E> {
    let (give, taken) = sync_channel::<T>(threads);
    let taken = Mutex::new(taken);
    let failure: Mutex<Option<E>> = Mutex::new(None);
    let is_over = AtomicBool::new(false);
    let fail = |error: E| {
        failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        is_over.store(true, Ordering::Relaxed);
    };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    // The lock is held while waiting: whoever has it takes the next one.
                    let next = taken.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok(thing) = next else { return };
                    // Taken all the same, or the giver would wait for ever.
                    if !is_over.load(Ordering::Relaxed)
                        && let Err(error) = work(thing)
                    {
                        fail(error);
                    }
                }
            });
        }
        // Dropped at the end of this block: then the threads end, too.
        let give = give;
        while !is_over.load(Ordering::Relaxed) {
            match next() {
                Ok(Some(thing)) => {
                    if give.send(thing).is_err() {
                        break;
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    fail(error);
                    break;
                }
            }
        }
    });
    failure.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;

    fn numbers(end: u64) -> impl FnMut() -> Result<Option<u64>, String> {
        let mut numbers = 0..end;
        move || Ok(numbers.next())
    }

    #[test]
    fn everything_is_worked_on_once() {
        let sum = AtomicU64::new(0);
        at_once(4, numbers(1000), |number| {
            sum.fetch_add(number, Ordering::Relaxed);
            Ok(())
        })
        .unwrap();
        assert_eq!(sum.into_inner(), 999 * 1000 / 2);
    }

    #[test]
    fn the_first_failure_ends_it() {
        let begun = AtomicU64::new(0);
        let failed = at_once(2, numbers(1_000_000), |number| {
            begun.fetch_add(1, Ordering::Relaxed);
            if number == 7 { Err("seven".to_owned()) } else { Ok(()) }
        });
        assert_eq!(failed, Err("seven".into()));
        assert!(begun.into_inner() < 1_000_000);
        let mut asked = numbers(3);
        let failed =
            at_once(2, || asked().and_then(|n| if n == Some(2) { Err("two".into()) } else { Ok(n) }), |_| Ok(()));
        assert_eq!(failed, Err("two".into()));
    }
}
