//! Work on spans by several threads, taken in the order of the spans. No more are under way than a few for each thread.

use std::num::NonZero;
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use anyhow::{Context, anyhow};
use parkgate_store::RecordSpan;

/// Threads that read and encode. More would take the gate's processors.
const WORKERS_MAX: usize = 4;
/// Spans that wait for each of them.
const AHEAD: usize = 1;

/// Does `work` on each span that `spans` gives, and hands what came of it to `take`, until one of them has enough.
pub(super) fn run<T: Send>(
    mut spans: impl FnMut() -> anyhow::Result<Option<RecordSpan>>,
    work: &(dyn Fn(RecordSpan) -> anyhow::Result<T> + Sync),
    take: &mut dyn FnMut(T) -> anyhow::Result<ControlFlow<()>>,
) -> anyhow::Result<()> {
    let count = std::thread::available_parallelism().map_or(1, NonZero::get).clamp(1, WORKERS_MAX);
    std::thread::scope(|scope| {
        let workers: Vec<Worker<T>> = (0..count)
            .map(|_| {
                let (to, for_work) = sync_channel::<RecordSpan>(AHEAD + 1);
                let (finished, from) = sync_channel(AHEAD + 1);
                scope.spawn(move || {
                    // Nobody takes it any more: done.
                    for_work.iter().all(|span| finished.send(work(span)).is_ok());
                });
                Worker { to, from }
            })
            .collect();
        let (mut given, mut taken, mut is_end) = (0, 0, false);
        loop {
            while !is_end && given < taken + count * (AHEAD + 1) {
                match spans()? {
                    None => is_end = true,
                    Some(span) => {
                        let worker = workers.get(given % count).context("a worker")?;
                        worker.to.send(span).map_err(|_| anyhow!("a thread of the export ended"))?;
                        given += 1;
                    }
                }
            }
            if taken == given {
                return Ok(());
            }
            let worker = workers.get(taken % count).context("a worker")?;
            let done = worker.from.recv().map_err(|_| anyhow!("a thread of the export ended"))??;
            taken += 1;
            if take(done)?.is_break() {
                return Ok(());
            }
        }
    })
}

struct Worker<T> {
    to: SyncSender<RecordSpan>,
    from: Receiver<anyhow::Result<T>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_worked_on_by_many_is_taken_in_order_and_ends_when_there_is_enough() {
        let span = |number| RecordSpan { after: number, through: number + 1, newest: 1000 };
        let run_to = |enough: usize| {
            let (mut next, mut taken) = (0, Vec::new());
            let spans = || {
                next += 1;
                Ok((next <= 100).then(|| span(next)))
            };
            run(spans, &|span| Ok(span.after), &mut |number| {
                taken.push(number);
                Ok(if taken.len() == enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            })
            .unwrap();
            taken
        };
        assert_eq!(run_to(usize::MAX), (1..=100).collect::<Vec<_>>());
        assert_eq!(run_to(7), (1..=7).collect::<Vec<_>>());
        let mut left = 3;
        let spans = || {
            left -= 1;
            Ok((left >= 0).then(|| span(left)))
        };
        let failed: anyhow::Result<()> =
            run(spans, &|_| Err::<(), _>(anyhow!("no")), &mut |()| Ok(ControlFlow::Continue(())));
        assert_eq!(failed.unwrap_err().to_string(), "no");
    }
}
