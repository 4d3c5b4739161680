//! What goes on while the sender runs, beside sending.

use parkgate_client::Credentials;
use parkgate_wire::{PushKind, Secret};
use serde_json::json;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::*;
use crate::outbox::{Added, DiskLimits, checkpoint};
use crate::record::Record;
use crate::space::SpaceSource;

const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// A sender whose platform is not there, on an outbox that others can look into.
struct Running {
    outbox: Arc<Outbox>,
    folder: TempDir,
    stop: watch::Sender<bool>,
    sending: JoinHandle<()>,
    upkeep: JoinHandle<Result<(), OutboxError>>,
}

impl Running {
    fn on(folder: TempDir, outbox: Arc<Outbox>) -> Running {
        let wait = Duration::from_millis(20);
        let credentials = Credentials::of_park(Secret::new("1"));
        let sender = OutboxSender {
            outbox: Arc::clone(&outbox),
            client: Client::new("http://127.0.0.1:9", Some("P"), credentials).unwrap(),
            backoff: Backoff { first: wait, max: wait, asked_max: wait },
            on_hint: OnHint::Accept,
            on_too_large: OnTooLarge::WithoutPictures,
            concurrency: 1,
            newest_first: false,
            added: Arc::default(),
        };
        let (stop, stopped) = watch::channel(false);
        let upkeep = tokio::spawn(checkpoint::copy_now_and_then(Arc::clone(&outbox), wait, stopped.clone()));
        Running { outbox, folder, stop, sending: tokio::spawn(sender.run(stopped)), upkeep }
    }

    fn database(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.folder.path().join("outbox.db")).unwrap()
    }

    async fn stop(self) {
        self.stop.send(true).unwrap();
        self.sending.await.unwrap();
        self.upkeep.await.unwrap().unwrap();
    }
}

fn outbox() -> (TempDir, Arc<Outbox>) {
    let folder = tempfile::tempdir().unwrap();
    let outbox = Outbox::open(folder.path(), DiskLimits::default(), SpaceSource::default()).unwrap();
    (folder, Arc::new(outbox))
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(30), "it never came true: {what}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_long_ago_is_forgotten_while_the_agent_runs_too() {
    let (folder, outbox) = outbox();
    let running = Running::on(folder, outbox);
    let database = running.database();
    let rows = || database.query_row("SELECT count(*) FROM sent", [], |row| row.get::<_, i64>(0)).unwrap();
    for serial in ["at the start", "a day later", "and another"] {
        let old = "INSERT INTO sent (serial, kind, digest, enter_time, sent_at) VALUES (?1, 0, x'00', 0, 1)";
        database.busy_timeout(Duration::from_secs(5)).unwrap();
        database.execute(old, [serial]).unwrap();
        until(serial, || rows() == 0).await;
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_a_wrong_date_put_off_by_a_year_is_tried_at_once() {
    let (folder, outbox) = outbox();
    let given = json!({ "parking_serial": "S1", "enter_time": "1624874732253" });
    let record = Record::from_json(PushKind::Enter, given.as_object().unwrap()).unwrap();
    let Added::Queued(id) = outbox.add(&record, now()).unwrap() else { panic!("not queued") };
    outbox.settle(&[(id, Settlement::Later { due: now().after(YEAR), reason: "x".into() })], now()).unwrap();
    let running = Running::on(folder, outbox);
    let database = running.database();
    let attempts = || database.query_row("SELECT attempts FROM records", [], |row| row.get::<_, i64>(0)).unwrap();
    until("it is tried", || attempts() > 3).await;
    // The date is set back while the agent runs.
    database.busy_timeout(Duration::from_secs(5)).unwrap();
    database.execute("UPDATE records SET due = due + ?1", [i64::try_from(YEAR.as_millis()).unwrap()]).unwrap();
    let before = attempts();
    until("it is tried again", || attempts() > before + 1).await;
    assert_eq!(running.outbox.counts(now()).unwrap().queued, 1);
    running.stop().await;
}
