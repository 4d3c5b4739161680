//! The loop by a clock that the test holds: tokio's, paused.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

use super::*;
use crate::backoff::Backoff;
use crate::circuit::Contact;

const SECOND: Duration = Duration::from_secs(1);
const BACKOFF: Backoff = Backoff { first: SECOND, max: SECOND, asked_max: SECOND };
const LIMITS: DispatchLimits = DispatchLimits {
    concurrency: 4,
    ahead: 4,
    claim_max: 16,
    lease: None,
    per_second: None,
    settle_max: 8,
    settle_after: Duration::ZERO,
    gather: Duration::ZERO,
    drain: SECOND,
};

/// What a push comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Script {
    Passes,
    Fails,
    Hangs,
    Panics,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Became {
    Sent,
    Again,
    Released,
}

/// A queue in memory, and all that was asked of it.
#[derive(Default)]
struct Scripted {
    waiting: Mutex<BTreeMap<u32, Script>>,
    claimed: Mutex<Vec<u32>>,
    claims: Mutex<Vec<(ClaimWish, Instant)>>,
    batches: Mutex<Vec<Vec<(u32, Became)>>>,
    released: Mutex<Vec<ReleaseReason>>,
    sent_at: Mutex<Vec<Instant>>,
    unwritable: AtomicUsize,
    on_their_way: AtomicUsize,
    most_on_their_way: AtomicUsize,
    added: Notify,
}

impl Scripted {
    fn add(&self, deliveries: impl IntoIterator<Item = (u32, Script)>) {
        self.waiting.lock().unwrap().extend(deliveries);
        self.added.notify_one();
    }

    /// Of all that was settled, what came of one.
    fn became(&self, delivery: u32) -> Vec<Became> {
        let batches = self.batches.lock().unwrap();
        batches.iter().flatten().filter(|(one, _)| *one == delivery).map(|(_, became)| *became).collect()
    }

    fn sent(&self) -> usize {
        self.batches.lock().unwrap().iter().flatten().filter(|(_, became)| *became == Became::Sent).count()
    }
}

struct InMemory(Arc<Scripted>);

impl Queue for InMemory {
    type Delivery = (u32, Script);
    type Attempt = (u32, Script);
    type Settled = (u32, Became);

    fn claim(
        &mut self,
        wish: ClaimWish,
    ) -> impl Future<Output = ClaimBatch<(u32, Script), (u32, Became)>> + Send + 'static {
        let queue = Arc::clone(&self.0);
        async move {
            queue.claims.lock().unwrap().push((wish, Instant::now()));
            let mut claimed = queue.claimed.lock().unwrap();
            let waiting = queue.waiting.lock().unwrap();
            let free = waiting.iter().filter(|(id, _)| !claimed.contains(id));
            let deliveries: Vec<_> = free.take(wish.max).map(|(id, script)| (*id, *script)).collect();
            claimed.extend(deliveries.iter().map(|(id, _)| *id));
            ClaimBatch { is_more: !deliveries.is_empty(), deliveries, ..ClaimBatch::default() }
        }
    }

    fn send(&mut self, (id, script): (u32, Script)) -> impl Future<Output = (u32, Script)> + Send + 'static {
        let queue = Arc::clone(&self.0);
        queue.sent_at.lock().unwrap().push(Instant::now());
        async move {
            let on_their_way = queue.on_their_way.fetch_add(1, Ordering::SeqCst) + 1;
            queue.most_on_their_way.fetch_max(on_their_way, Ordering::SeqCst);
            match script {
                Script::Passes | Script::Fails => tokio::time::sleep(SECOND / 100).await,
                Script::Hangs => pending().await,
                Script::Panics => std::panic::resume_unwind(Box::new("scripted")),
            }
            queue.on_their_way.fetch_sub(1, Ordering::SeqCst);
            (id, script)
        }
    }

    fn classify(
        &mut self,
        (id, script): (u32, Script),
        circuit: &mut Circuit,
    ) -> ((u32, Became), Option<CircuitChange>) {
        let (became, contact) = match script {
            Script::Passes => (Became::Sent, Contact::Answered),
            _ => (Became::Again, Contact::Failed { retry_after: None }),
        };
        ((id, became), circuit.note(contact, &BACKOFF, 1.0, Instant::now().into_std()))
    }

    fn settle(&mut self, settled: Vec<(u32, Became)>) -> impl Future<Output = Vec<(u32, Became)>> + Send + 'static {
        let queue = Arc::clone(&self.0);
        async move {
            let is_unwritable =
                queue.unwritable.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
            if is_unwritable.is_ok() {
                return settled;
            }
            let mut waiting = queue.waiting.lock().unwrap();
            for (id, became) in &settled {
                if *became == Became::Sent {
                    waiting.remove(id);
                }
                queue.claimed.lock().unwrap().retain(|claimed| claimed != id);
            }
            queue.batches.lock().unwrap().push(settled);
            Vec::new()
        }
    }

    fn release(&mut self, deliveries: Vec<(u32, Script)>, reason: ReleaseReason) -> Vec<(u32, Became)> {
        self.0.released.lock().unwrap().push(reason);
        deliveries.into_iter().map(|(id, _)| (id, Became::Released)).collect()
    }

    fn added(&self) -> impl Future<Output = ()> + Send {
        self.0.added.notified()
    }
}

struct Loop {
    queue: Arc<Scripted>,
    stop: watch::Sender<bool>,
    running: JoinHandle<()>,
}

fn begin(limits: DispatchLimits) -> Loop {
    let queue = Arc::<Scripted>::default();
    let (stop, stopped) = watch::channel(false);
    let running = tokio::spawn(Dispatch::new(InMemory(Arc::clone(&queue)), Arc::default(), limits).run(stopped));
    Loop { queue, stop, running }
}

impl Loop {
    async fn stop(self) -> Arc<Scripted> {
        self.stop.send(true).unwrap();
        self.running.await.unwrap();
        self.queue
    }
}

fn passing(ids: std::ops::Range<u32>) -> impl Iterator<Item = (u32, Script)> {
    ids.map(|id| (id, Script::Passes))
}

/// With the clock paused, time only goes on when nothing else can.
async fn until(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..100_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("it never came true: {what}");
}

#[tokio::test(start_paused = true)]
async fn all_are_sent_once_so_many_at_a_time_and_settled_in_batches() {
    let running = begin(DispatchLimits { settle_after: SECOND / 20, ..LIMITS });
    running.queue.add(passing(0..100));
    until("all are sent", || running.queue.sent() == 100).await;
    let queue = running.stop().await;
    assert!((0..100).all(|id| queue.became(id) == [Became::Sent]));
    assert_eq!(queue.most_on_their_way.load(Ordering::SeqCst), LIMITS.concurrency);
    let batches = queue.batches.lock().unwrap();
    assert!(batches.len() < 50 && batches.iter().all(|batch| batch.len() < 16), "{batches:?}");
    assert!(queue.claims.lock().unwrap().iter().all(|(wish, _)| wish.max <= LIMITS.claim_max && !wish.is_away));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_claimed_for_nothing_where_more_may_be_sent_than_is_claimed_at_once() {
    let running = begin(DispatchLimits { concurrency: 10, ahead: 10, claim_max: 4, ..LIMITS });
    running.queue.add((0..10).map(|id| (id, Script::Hangs)).chain(passing(10..60)));
    until("as many as may be are on their way", || running.queue.sent_at.lock().unwrap().len() == 10).await;
    tokio::time::sleep(IDLE * 5).await;
    let queue = running.stop().await;
    assert!(queue.claims.lock().unwrap().iter().all(|(wish, _)| wish.max > 0));
    assert!(queue.claimed.lock().unwrap().len() <= 10 + 4, "the rest is not claimed");
}

#[tokio::test(start_paused = true)]
async fn one_that_hangs_or_panics_holds_one_place_and_a_notice_wakes_at_once() {
    let running = begin(LIMITS);
    running.queue.add([(0, Script::Hangs), (1, Script::Panics)].into_iter().chain(passing(2..50)));
    until("all others are sent", || running.queue.sent() == 48).await;
    tokio::time::sleep(IDLE * 3).await;
    let begun = Instant::now();
    running.queue.add(passing(60..61));
    until("the new one is sent", || running.queue.sent() == 49).await;
    assert!(begun.elapsed() < IDLE / 2, "{:?}", begun.elapsed());
    let begun = Instant::now();
    let queue = running.stop().await;
    assert_eq!(begun.elapsed(), LIMITS.drain, "what hangs has so long");
    assert!(queue.became(0).is_empty() && queue.became(1).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_platform_that_is_away_is_asked_by_one_at_a_time_and_the_rest_is_released() {
    let running = begin(LIMITS);
    running.queue.add((0..20).map(|id| (id, Script::Fails)));
    until("the circuit opens", || !running.queue.released.lock().unwrap().is_empty()).await;
    assert!(matches!(running.queue.released.lock().unwrap()[0], ReleaseReason::Away(rest) if !rest.is_zero()));
    tokio::time::sleep(SECOND / 10).await;
    let before = running.queue.sent_at.lock().unwrap().len();
    tokio::time::sleep(SECOND * 10).await;
    let asked = running.queue.sent_at.lock().unwrap().len() - before;
    assert!((9..=10).contains(&asked), "{asked}: once a second");
    let newest: Vec<bool> = {
        let claims = running.queue.claims.lock().unwrap();
        claims.iter().filter(|(wish, _)| wish.is_away).map(|(wish, _)| wish.rather_newest).collect()
    };
    assert!(newest.contains(&true) && newest.contains(&false), "none is the one that always asks");
    // It is back.
    running.queue.waiting.lock().unwrap().values_mut().for_each(|script| *script = Script::Passes);
    let begun = Instant::now();
    until("all are sent", || running.queue.sent() == 20).await;
    assert!(begun.elapsed() < SECOND * 3);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_written_down_is_kept_and_written_down_later() {
    let running = begin(LIMITS);
    running.queue.unwritable.store(3, Ordering::SeqCst);
    running.queue.add(passing(0..10));
    let begun = Instant::now();
    until("all are settled", || running.queue.sent() == 10).await;
    assert!(begun.elapsed() >= IDLE * 3, "{:?}", begun.elapsed());
    let queue = running.stop().await;
    assert!((0..10).all(|id| queue.became(id) == [Became::Sent]), "and sent once");
}

#[tokio::test(start_paused = true)]
async fn nothing_that_cannot_be_written_down_keeps_a_loop_from_its_end() {
    let running = begin(LIMITS);
    running.queue.unwritable.store(usize::MAX, Ordering::SeqCst);
    running.queue.add(passing(0..10));
    until("some were sent", || running.queue.sent_at.lock().unwrap().len() >= 4).await;
    let queue = running.stop().await;
    assert_eq!(queue.sent(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_rate_is_kept_and_what_is_not_begun_within_its_lease_is_released() {
    let lease = Some(SECOND);
    let limits = DispatchLimits { ahead: 0, lease, per_second: Some(10), claim_max: 64, ..LIMITS };
    let running = begin(limits);
    running.queue.add(passing(0..60));
    let begun = Instant::now();
    until("all are sent", || running.queue.sent() == 60).await;
    assert!(begun.elapsed() > SECOND * 5, "{:?}", begun.elapsed());
    let queue = running.stop().await;
    let reasons = queue.released.lock().unwrap();
    assert!(!reasons.is_empty() && reasons.iter().all(|reason| *reason == ReleaseReason::Unsent), "{reasons:?}");
    let sizes: Vec<usize> = queue.claims.lock().unwrap().iter().map(|(wish, _)| wish.max).collect();
    assert!(sizes[0] == 64 && sizes[1] < 16, "fewer are claimed: {sizes:?}");
}

#[tokio::test(start_paused = true)]
async fn asked_to_stop_it_releases_what_waits_and_settles_what_is_on_its_way() {
    let running = begin(DispatchLimits { concurrency: 1, settle_after: SECOND, ..LIMITS });
    running.queue.add(passing(0..5));
    until("one is on its way", || running.queue.sent_at.lock().unwrap().len() == 1).await;
    let queue = running.stop().await;
    assert_eq!(queue.became(0), [Became::Sent]);
    assert!((1..5).all(|id| queue.became(id) == [Became::Released]));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_stop_is_a_stop() {
    let running = begin(LIMITS);
    drop(running.stop);
    running.running.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_panics_ends_the_loop() {
    struct Broken(Option<oneshot::Receiver<()>>);
    impl Queue for Broken {
        type Delivery = ();
        type Attempt = ();
        type Settled = ();
        fn claim(&mut self, _: ClaimWish) -> impl Future<Output = ClaimBatch<(), ()>> + Send + 'static {
            let first = self.0.take();
            async move {
                assert!(first.is_none(), "scripted");
                ClaimBatch::default()
            }
        }
        fn send(&mut self, (): ()) -> impl Future<Output = ()> + Send + 'static {
            std::future::ready(())
        }
        fn classify(&mut self, (): (), _: &mut Circuit) -> ((), Option<CircuitChange>) {
            ((), None)
        }
        fn settle(&mut self, _: Vec<()>) -> impl Future<Output = Vec<()>> + Send + 'static {
            std::future::ready(Vec::new())
        }
        fn release(&mut self, _: Vec<()>, _: ReleaseReason) -> Vec<()> {
            Vec::new()
        }
        fn added(&self) -> impl Future<Output = ()> + Send {
            pending()
        }
    }
    let (_stop, stopped) = watch::channel(false);
    let (_keep, first) = oneshot::channel();
    let queue = Broken(Some(first));
    let ended = tokio::spawn(Dispatch::new(queue, Arc::default(), LIMITS).run(stopped)).await;
    assert!(ended.is_err_and(|error| error.is_panic()));
}
