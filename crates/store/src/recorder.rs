//! The queue in front of the store: what is in flight becomes one batch, one commit, and then the replies. One for
//! pushes that are recorded, another for those that are quarantined.
//!
//! A lane is a queue with a thread that takes everything that waits in it, up to a bound, and nothing waits for a timer:
//! under load batches grow by themselves, and a single push is committed at once. SQLite has one writer and so one lane.
//! PostgreSQL has several; the pushes of one park go by one of them, for batches of one park would wait for each other.
//! Where somebody holds a park, its pushes alone come to nothing. No park's pushes fill a queue: see [`Waiting`].
//! Only a committed batch gives a [`Recorded`]. If a thread or the task that answers ends by a fault of ours, whoever waits
//! gets an error, and the alarm is raised; from an alarm on, whoever raised it, nothing is acknowledged.

mod waiting;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parkgate_ledger::{ParkId, Verdict};
use tokio::sync::{mpsc, oneshot};

use self::waiting::{NoRoom, Waiting};
use crate::{Alarm, Entry, NO_PARK, StoreError};

/// Proof that a verdict is on disk: made here only, of a committed batch.
#[derive(Debug)]
pub struct Recorded<V = Verdict> {
    verdict: V,
}

impl<V> Recorded<V> {
    /// What became of the push.
    #[must_use]
    pub fn verdict(&self) -> &V {
        &self.verdict
    }
}

/// What the recorder did so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stats {
    /// Batches committed.
    pub batches: u64,
    /// Pushes in them.
    pub records: u64,
}

/// A handle on the queue.
pub struct Recorder<E = Entry, V = Verdict> {
    shared: Arc<RecorderState<E, V>>,
}

impl<E, V> Clone for Recorder<E, V> {
    fn clone(&self) -> Self {
        Recorder { shared: Arc::clone(&self.shared) }
    }
}

type Answer<V> = Result<Recorded<V>, StoreError>;
/// A batch, and who waits for each of it.
type Taken<E, V> = (Vec<E>, Vec<oneshot::Sender<Answer<V>>>);

/// A batch on its way back: answered, and only then forgotten, away from the writer's thread.
struct DecidedBatch<E, V> {
    entries: Vec<E>,
    senders: Vec<oneshot::Sender<Answer<V>>>,
    answers: Vec<Answer<V>>,
}

struct RecorderState<E, V> {
    alarm: Alarm,
    lanes: Vec<Lane<E, V>>,
    /// What is of one park goes by one lane, and fills no queue alone. None where parks are not told apart.
    park_of: Option<fn(&E) -> ParkId>,
    batch_max: usize,
    batches: AtomicU64,
    records: AtomicU64,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

struct Lane<E, V> {
    queue: Mutex<EntryQueue<E, V>>,
    filled: Condvar,
}

struct EntryQueue<E, V> {
    waiting: Waiting<(E, oneshot::Sender<Answer<V>>)>,
    stopping: bool,
    /// When the batch that is under way was taken.
    busy_since: Option<Instant>,
}

impl<E: Send + 'static, V: Send + 'static> Recorder<E, V> {
    /// Starts one lane, which commits batches by `record` and whose queue is everybody's. Must be called within a tokio
    /// runtime, whose threads send the replies. `alarm` is raised when its thread or the task that answers ends by a fault
    /// of ours; once it is raised nothing is acknowledged.
    #[must_use]
    pub fn start(
        alarm: &Alarm,
        record: impl Fn(&[E]) -> Result<Vec<V>, StoreError> + Send + Sync + 'static,
        queue_max: usize,
        batch_max: usize,
    ) -> Self {
        Self::start_all(alarm, record, queue_max, batch_max, 1, None)
    }

    /// Starts so many lanes, which share `queue_max`; pushes of one park go by one of them, and no park may hold more places
    /// of it than are left free.
    #[must_use]
    pub fn start_lanes(
        alarm: &Alarm,
        record: impl Fn(&[E]) -> Result<Vec<V>, StoreError> + Send + Sync + 'static,
        queue_max: usize,
        batch_max: usize,
        lanes: usize,
        park_of: fn(&E) -> ParkId,
    ) -> Self {
        Self::start_all(alarm, record, queue_max, batch_max, lanes, Some(park_of))
    }

    fn start_all(
        alarm: &Alarm,
        record: impl Fn(&[E]) -> Result<Vec<V>, StoreError> + Send + Sync + 'static,
        queue_max: usize,
        batch_max: usize,
        lanes: usize,
        park_of: Option<fn(&E) -> ParkId>,
    ) -> Self {
        let lanes = lanes.max(1);
        let places = queue_max.div_ceil(lanes);
        let new_lane = || {
            let queue = EntryQueue { waiting: Waiting::new(places), stopping: false, busy_since: None };
            Lane { queue: Mutex::new(queue), filled: Condvar::new() }
        };
        let shared = Arc::new(RecorderState {
            alarm: alarm.clone(),
            lanes: std::iter::repeat_with(new_lane).take(lanes).collect(),
            park_of,
            batch_max: batch_max.max(1),
            batches: AtomicU64::new(0),
            records: AtomicU64::new(0),
            threads: Mutex::default(),
        });
        // Waking a task from outside the runtime is dear, so a batch's answers go over in one piece.
        let (answers, decided) = mpsc::unbounded_channel::<DecidedBatch<E, V>>();
        let answering = tokio::spawn(answer_all(alarm.clone(), decided));
        let mine = Arc::clone(&shared);
        tokio::spawn(async move {
            // It ends with the threads, or with the runtime.
            if answering.await.is_err_and(|error| error.is_panic()) {
                mine.fail("the task that answers pushes panicked");
            }
        });
        let record = Arc::new(record);
        for index in 0..lanes {
            let (mine, record, answers) = (Arc::clone(&shared), Arc::clone(&record), answers.clone());
            let thread = std::thread::Builder::new().name("recorder".into()).spawn(move || {
                let Some(lane) = mine.lanes.get(index) else { return };
                if catch_unwind(AssertUnwindSafe(|| mine.run(lane, &*record, &answers))).is_err() {
                    mine.fail("a thread that records pushes panicked");
                }
            });
            match thread {
                Ok(thread) => lock(&shared.threads).push(thread),
                Err(error) => shared.fail(&format!("a thread that records pushes could not start: {error}")),
            }
        }
        Recorder { shared }
    }

    /// Records one push; ready when it is on disk.
    ///
    /// # Errors
    /// [`StoreError::Busy`] at once if there is no place left in the queue for this park; else why the store did not record it.
    pub async fn record(&self, entry: E) -> Result<Recorded<V>, StoreError> {
        if self.shared.alarm.is_raised() {
            return Err(ending());
        }
        let (sender, receiver) = oneshot::channel();
        {
            let lane = self.shared.lane_of(&entry).ok_or_else(|| StoreError::Away("no lane".into()))?;
            let mut queue = lock(&lane.queue);
            if queue.stopping {
                return Err(StoreError::Away("stopping".into()));
            }
            let park_of = self.shared.park_of.map(|park_of| move |waits: &(E, _)| park_of(&waits.0));
            queue.waiting.push((entry, sender), park_of).map_err(|no_room| {
                StoreError::Busy(match no_room {
                    NoRoom::Full(count) => format!("{count} pushes are waiting"),
                    NoRoom::ShareTaken(count) => {
                        format!("{count} pushes of this park are waiting, its share of the queue")
                    }
                })
            })?;
            if queue.waiting.len() == 1 {
                lane.filled.notify_one();
            }
        }
        receiver.await.unwrap_or_else(|_| Err(StoreError::Away("stopping".into())))
    }

    /// How long the oldest batch has been under way, if it is longer than that: the store hangs.
    #[must_use]
    pub fn stalled(&self, longer_than: Duration) -> Option<Duration> {
        let busy = self.shared.lanes.iter().filter_map(|lane| lock(&lane.queue).busy_since);
        busy.map(|since| since.elapsed()).max().filter(|longest| *longest > longer_than)
    }

    /// How many pushes wait.
    #[must_use]
    pub fn queue_len(&self) -> usize {
        self.shared.lanes.iter().map(|lane| lock(&lane.queue).waiting.len()).sum()
    }

    /// What was done so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            batches: self.shared.batches.load(Ordering::Relaxed),
            records: self.shared.records.load(Ordering::Relaxed),
        }
    }

    /// Takes no more, records what waits, and ends the threads. Blocks.
    pub fn stop(&self) {
        for lane in &self.shared.lanes {
            lock(&lane.queue).stopping = true;
            lane.filled.notify_all();
        }
        let threads = std::mem::take(&mut *lock(&self.shared.threads));
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("the recorder ended badly");
            }
        }
    }
}

/// Answers batches until all threads ended. Whatever was recorded: once the alarm is raised, what is on disk is in doubt.
async fn answer_all<E, V>(alarm: Alarm, mut decided: mpsc::UnboundedReceiver<DecidedBatch<E, V>>) {
    while let Some(DecidedBatch { entries, senders, answers }) = decided.recv().await {
        for (sender, answer) in senders.into_iter().zip(answers) {
            let answer = if alarm.is_raised() { Err(ending()) } else { answer };
            // Who gave up waiting sends the push again, and gets its answer then.
            drop(sender.send(answer));
        }
        drop(entries);
    }
}

fn ending() -> StoreError {
    StoreError::Away("the process is ending".into())
}

impl<E, V> RecorderState<E, V> {
    /// A fault of ours ended a part: whoever waits is let go, and the process must end.
    fn fail(&self, what: &str) {
        self.alarm.raise(what);
        for lane in &self.lanes {
            let mut queue = lock(&lane.queue);
            queue.stopping = true;
            let waiting: Vec<_> = queue.waiting.take(usize::MAX).collect();
            lane.filled.notify_all();
            drop(queue);
            // Dropping the senders answers those who wait: the store is away.
            drop(waiting);
        }
    }

    fn lane_of(&self, entry: &E) -> Option<&Lane<E, V>> {
        match self.lanes.as_slice() {
            [only] => Some(only),
            lanes => lanes.get((self.park(entry).0.unsigned_abs() % lanes.len() as u64) as usize),
        }
    }

    fn park(&self, entry: &E) -> ParkId {
        self.park_of.map_or(NO_PARK, |park_of| park_of(entry))
    }

    fn run(
        &self,
        lane: &Lane<E, V>,
        record: &impl Fn(&[E]) -> Result<Vec<V>, StoreError>,
        decided: &mpsc::UnboundedSender<DecidedBatch<E, V>>,
    ) {
        while let Some(taken) = lane.take(self.batch_max) {
            let mut left = Some(taken);
            while let Some((entries, senders)) = left.take() {
                let answers = self.record_counted(record, &entries);
                let done;
                (done, left) = self.without_free(DecidedBatch { entries, senders, answers });
                if decided.send(done).is_err() {
                    // The runtime ended, and all who waited with it.
                    lock(&lane.queue).stopping = true;
                }
            }
        }
    }

    fn record_counted(&self, record: &impl Fn(&[E]) -> Result<Vec<V>, StoreError>, entries: &[E]) -> Vec<Answer<V>> {
        let answers = record_all(record, entries);
        let committed = answers.iter().filter(|answer| answer.is_ok()).count() as u64;
        if committed > 0 {
            self.batches.fetch_add(1, Ordering::Relaxed);
            self.records.fetch_add(committed, Ordering::Relaxed);
        }
        answers
    }

    /// Of a batch that came to nothing for parks that somebody holds, what is of other parks is left to be recorded.
    fn without_free(&self, all: DecidedBatch<E, V>) -> (DecidedBatch<E, V>, Option<Taken<E, V>>) {
        let is_free = |entry: &E, answer: &Answer<V>| matches!(answer, Err(StoreError::Held(parks)) if !parks.contains(&self.park(entry)));
        let free = all.entries.iter().zip(&all.answers).filter(|(entry, answer)| is_free(entry, answer)).count();
        // None to leave out, or all: then the same would come of it again.
        if free == 0 || free == all.entries.len() {
            return (all, None);
        }
        let mut done = DecidedBatch { entries: Vec::new(), senders: Vec::new(), answers: Vec::new() };
        let (mut entries, mut senders) = (Vec::new(), Vec::new());
        for ((entry, sender), answer) in all.entries.into_iter().zip(all.senders).zip(all.answers) {
            if is_free(&entry, &answer) {
                entries.push(entry);
                senders.push(sender);
            } else {
                done.entries.push(entry);
                done.senders.push(sender);
                done.answers.push(answer);
            }
        }
        (done, Some((entries, senders)))
    }
}

impl<E, V> Lane<E, V> {
    /// All that waits, up to the bound; none when there is nothing left to do.
    fn take(&self, batch_max: usize) -> Option<Taken<E, V>> {
        let mut queue = lock(&self.queue);
        queue.busy_since = None;
        while queue.waiting.is_empty() {
            if queue.stopping {
                return None;
            }
            queue = self.filled.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        queue.busy_since = Some(Instant::now());
        Some(queue.waiting.take(batch_max).unzip())
    }
}

/// One commit for all. If the store finds something broken, each alone: one bad row must not fail its neighbours.
fn record_all<E, V>(record: &impl Fn(&[E]) -> Result<Vec<V>, StoreError>, entries: &[E]) -> Vec<Answer<V>> {
    match record_once(record, entries) {
        Ok(recorded) => recorded.into_iter().map(Ok).collect(),
        Err(StoreError::Broken(_)) if entries.len() > 1 => {
            entries.iter().flat_map(|entry| record_all(record, std::slice::from_ref(entry))).collect()
        }
        Err(error @ StoreError::Held(_)) => {
            tracing::warn!(%error, "of a batch only other parks' pushes can be recorded");
            entries.iter().map(|_| Err(error.clone())).collect()
        }
        Err(error) => {
            tracing::error!(%error, pushes = entries.len(), "a batch was not recorded");
            entries.iter().map(|_| Err(error.clone())).collect()
        }
    }
}

fn record_once<E, V>(
    record: &impl Fn(&[E]) -> Result<Vec<V>, StoreError>,
    entries: &[E],
) -> Result<Vec<Recorded<V>>, StoreError> {
    let verdicts = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| record(entries)))
        .map_err(|_| StoreError::Broken("the store panicked".into()))??;
    if verdicts.len() != entries.len() {
        return Err(StoreError::Broken("the store answered for another number of pushes".into()));
    }
    Ok(verdicts.into_iter().map(|verdict| Recorded { verdict }).collect())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
