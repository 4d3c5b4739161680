//! The queue in front, with a store whose batches the test lets through one by one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use parkgate_ledger::{ParkId, Verdict};
use parkgate_store::{Alarm, Entry, Recorder, StoreError, VisitFilter};
use parkgate_wire::Seqno;

use crate::push::{T, leave, store};

/// Reports the size of each batch as it begins, waits to be let on, and answers with each push's own seqno.
struct Scripted {
    began: Sender<usize>,
    go_on: Mutex<Receiver<()>>,
}

fn scripted() -> (Arc<Scripted>, Receiver<usize>, Sender<()>) {
    let ((began, begins), (goes_on, go_on)) = (channel(), channel());
    (Arc::new(Scripted { began, go_on: Mutex::new(go_on) }), begins, goes_on)
}

impl Scripted {
    fn record(&self, batch: &[Entry]) -> Result<Vec<Verdict>, StoreError> {
        self.began.send(batch.len()).unwrap();
        self.go_on.lock().unwrap().recv().unwrap();
        for entry in batch {
            match entry.arrival.parking_serial.as_str() {
                "broken" => return Err(StoreError::Broken("scripted".into())),
                "full" => return Err(StoreError::Full("scripted".into())),
                // Not `panic!`, which a lock held above would remember.
                "panic" => std::panic::resume_unwind(Box::new("scripted")),
                _ => {}
            }
        }
        let repeated = |entry: &Entry| Verdict::Repeated { seqno: entry.arrival.seqno, refused_orders: Vec::new() };
        Ok(batch.iter().map(repeated).collect())
    }
}

fn named(serial: &str, seqno: u64) -> Entry {
    leave(serial, seqno, T, T)
}

/// What a push was answered: its seqno, or the kind of error.
fn shown(answer: Result<parkgate_store::Recorded, StoreError>) -> String {
    match answer {
        Ok(recorded) => match recorded.verdict() {
            Verdict::Repeated { seqno: Seqno(number), .. } => number.to_string(),
            other => format!("{other:?}"),
        },
        Err(StoreError::Busy(_)) => "busy".into(),
        Err(StoreError::Held(_)) => "held".into(),
        Err(StoreError::Full(_)) => "full".into(),
        Err(StoreError::Away(_) | StoreError::Unsynced(_)) => "away".into(),
        Err(StoreError::Exists(_)) => "exists".into(),
        Err(StoreError::Newer(_)) => "newer".into(),
        Err(StoreError::Key(_) | StoreError::KeyChanged(_)) => "key".into(),
        Err(StoreError::Broken(_)) => "broken".into(),
    }
}

/// Queues `entries` behind a batch that is under way, lets everything through, and gives the answers and batch sizes.
async fn behind_a_batch(
    queue_max: usize,
    batch_max: usize,
    entries: Vec<Entry>,
) -> (Vec<String>, Vec<usize>, Recorder) {
    let (store, begins, go_on) = scripted();
    let recorder = Recorder::start(&Alarm::default(), move |batch: &[Entry]| store.record(batch), queue_max, batch_max);
    let mine = recorder.clone();
    let first = tokio::spawn(async move { mine.record(named("first", 0)).await });
    let begins = tokio::task::spawn_blocking(move || begins.recv().map(|_| begins).unwrap()).await.unwrap();
    let mut waiting = Box::pin(join_all(entries.into_iter().map(|entry| recorder.record(entry))));
    // Polled once: all are queued, or turned away.
    assert!(futures_util::poll!(&mut waiting).is_pending());
    for _ in 0..100 {
        go_on.send(()).unwrap();
    }
    let answers = waiting.await.into_iter().map(shown).collect();
    assert_eq!(shown(first.await.unwrap()), "0");
    (answers, begins.try_iter().collect(), recorder)
}

#[tokio::test]
async fn what_is_in_flight_becomes_a_batch_up_to_the_bound_answered_in_order() {
    let entries = (1..=7).map(|seqno| named("s", seqno)).collect();
    let (answers, batches, recorder) = behind_a_batch(100, 5, entries).await;
    assert_eq!(answers, ["1", "2", "3", "4", "5", "6", "7"]);
    assert_eq!(batches, [5, 2]);
    let stats = recorder.stats();
    assert_eq!((stats.batches, stats.records, recorder.queue_len()), (3, 8, 0));
}

#[tokio::test]
async fn a_full_queue_is_busy_at_once() {
    let entries = (1..=4).map(|seqno| named("s", seqno)).collect();
    let (answers, ..) = behind_a_batch(3, 10, entries).await;
    assert_eq!(answers, ["1", "2", "3", "busy"]);
}

#[tokio::test]
async fn one_bad_push_does_not_fail_its_neighbours() {
    for bad in ["broken", "panic"] {
        let entries = vec![named("s", 1), named(bad, 2), named("s", 3)];
        let (answers, batches, recorder) = behind_a_batch(10, 10, entries).await;
        assert_eq!(answers, ["1", "broken", "3"], "{bad}");
        assert_eq!(batches, [3, 1, 1, 1], "{bad}");
        assert_eq!(recorder.stats().records, 3);
    }
}

#[tokio::test]
async fn a_full_disk_fails_the_whole_batch_once() {
    let entries = vec![named("s", 1), named("full", 2), named("s", 3)];
    let (answers, batches, _) = behind_a_batch(10, 10, entries).await;
    assert_eq!((answers, batches), (vec!["full".to_owned(); 3], vec![3]));
}

#[tokio::test]
async fn stopping_finishes_the_queue_and_takes_no_more() {
    let (_folder, store) = store();
    let recorder = {
        let store = Arc::clone(&store);
        Recorder::start(&Alarm::default(), move |batch: &[Entry]| store.record(batch), 1000, 16)
    };
    let mut waiting = Box::pin(join_all((0..200).map(|seqno| recorder.record(named(&seqno.to_string(), seqno)))));
    assert!(futures_util::poll!(&mut waiting).is_pending());
    let stopped = recorder.clone();
    tokio::task::spawn_blocking(move || stopped.stop()).await.unwrap();
    assert!(waiting.await.into_iter().all(|answer| answer.is_ok()));
    assert_eq!(shown(recorder.record(named("late", 999)).await), "away");
    recorder.stop();
    let listed = store.visits(&VisitFilter { park_uuid: None, plate: None, since: None, limit: 1000 }).unwrap();
    assert_eq!(listed.len(), 200);
}

#[tokio::test]
async fn one_parks_flood_is_not_anothers_busy() {
    let (store, begins, go_on) = scripted();
    let recorder = Recorder::start_lanes(
        &Alarm::default(),
        move |batch: &[Entry]| store.record(batch),
        100,
        100,
        1,
        |entry| entry.arrival.park,
    );
    let of = |park: i64, seqno: u64| {
        let mut entry = named("s", seqno);
        entry.arrival.park = ParkId(park);
        entry
    };
    let (mine, first) = (recorder.clone(), of(1, 1000));
    let first = tokio::spawn(async move { mine.record(first).await });
    let begins = tokio::task::spawn_blocking(move || begins.recv().map(|_| begins).unwrap()).await.unwrap();
    let flood = (0..200).map(|seqno| of(1, seqno));
    let others = (0..20).map(|other| of(i64::try_from(other).unwrap() + 2, 500 + other));
    let mut waiting = Box::pin(join_all(flood.chain(others).map(|entry| recorder.record(entry))));
    assert!(futures_util::poll!(&mut waiting).is_pending());
    for _ in 0..10 {
        go_on.send(()).unwrap();
    }
    let answers: Vec<String> = waiting.await.into_iter().map(shown).collect();
    assert_eq!(answers[..200].iter().filter(|answer| *answer == "busy").count(), 150, "half of the queue is its share");
    assert!(answers[200..].iter().all(|answer| answer != "busy"), "{answers:?}");
    assert_eq!(shown(first.await.unwrap()), "1000");
    drop(begins);
}

/// What a hundred pushes at once are answered: none may be left waiting, whatever ended.
async fn answers<E: Send + 'static>(
    recorder: &Recorder<E, u64>,
    entry: impl Fn() -> E,
) -> Vec<Result<u64, StoreError>> {
    let pushes = join_all((0..100).map(|_| recorder.record(entry())));
    let answers =
        tokio::time::timeout(Duration::from_secs(60), pushes).await.unwrap_or_else(|_| panic!("a push hangs for ever"));
    answers.into_iter().map(|answer| answer.map(|recorded| *recorded.verdict())).collect()
}

fn is_away(answer: &Result<u64, StoreError>) -> bool {
    matches!(answer, Err(StoreError::Away(_)))
}

#[tokio::test]
async fn a_thread_that_panics_leaves_no_push_hanging_and_raises_the_alarm() {
    let alarm = Alarm::default();
    let held = |_: &[()]| Err::<Vec<u64>, _>(StoreError::Held(Vec::new()));
    // Asked whose each push is, outside of what is caught for a batch's sake.
    let panics = |(): &()| std::panic::resume_unwind(Box::new("scripted"));
    let recorder = Recorder::start_lanes(&alarm, held, 1000, 16, 1, panics);
    assert!(answers(&recorder, || ()).await.iter().all(is_away));
    assert_eq!(alarm.wait().await, "a thread that records pushes panicked");
    assert!(is_away(&recorder.record(()).await.map(|recorded| *recorded.verdict())));
    recorder.stop();
}

/// Panics when it is forgotten, which is after its push was answered; once.
struct Trap(Arc<AtomicBool>);

impl Drop for Trap {
    fn drop(&mut self) {
        if self.0.swap(false, Ordering::Relaxed) {
            std::panic::resume_unwind(Box::new("scripted"));
        }
    }
}

#[tokio::test]
async fn a_task_that_panics_leaves_no_push_hanging_and_raises_the_alarm() {
    let (alarm, armed) = (Alarm::default(), Arc::new(AtomicBool::new(true)));
    let record = |batch: &[Trap]| Ok(batch.iter().map(|_| 7).collect());
    let recorder = Recorder::start(&alarm, record, 1000, 1);
    let answers = answers(&recorder, || Trap(Arc::clone(&armed))).await;
    assert!(matches!(answers.first(), Some(Ok(7))), "{answers:?}");
    assert!(answers.iter().skip(1).all(is_away), "{answers:?}");
    assert_eq!(alarm.wait().await, "the task that answers pushes panicked");
    recorder.stop();
}

#[tokio::test]
async fn once_the_alarm_is_raised_nothing_is_acknowledged_not_even_what_is_under_way() {
    let (store, begins, go_on) = scripted();
    let alarm = Alarm::default();
    let recorder = Recorder::start(&alarm, move |batch: &[Entry]| store.record(batch), 10, 10);
    let mut pushed = Box::pin(recorder.record(named("s", 1)));
    assert!(futures_util::poll!(&mut pushed).is_pending());
    let begins = tokio::task::spawn_blocking(move || begins.recv().map(|_| begins).unwrap()).await.unwrap();
    // It hangs, and readiness can see it.
    assert!(recorder.stalled(Duration::ZERO).is_some());
    assert!(recorder.stalled(Duration::from_secs(600)).is_none());
    alarm.raise("a sync failed");
    go_on.send(()).unwrap();
    assert_eq!(shown(pushed.await), "away", "it was committed, but what is on disk is in doubt");
    assert_eq!(shown(recorder.record(named("s", 2)).await), "away");
    recorder.stop();
    assert!(recorder.stalled(Duration::ZERO).is_none());
    drop(begins);
}
