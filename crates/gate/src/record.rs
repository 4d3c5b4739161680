//! What becomes of an admitted push: its pictures are made durable, then it is recorded, and whoever waits for it is woken.
//! Only a committed batch gives a [`Recorded`].

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;
use parkgate_ledger::{Arrival, ParkId, Verdict};
use parkgate_store::{Inline, Recorded, Recorder};
use parkgate_wire::advisory::advise;
use parkgate_wire::field::parameter_of_part;
use parkgate_wire::{Form, Seqno, UnixMillis};

use crate::admit::{Admitted, EntryContext};
use crate::fault::GateFault;
use crate::figures::Figures;
use crate::forward::Forwarder;
use crate::notes::Notes;
use crate::pictures::{ArrivedFiles, StoredPictures};
use crate::settings::Mode;

/// What became of an admitted push.
#[derive(Debug)]
pub enum Recording {
    /// The ledger decided it, and that is on disk.
    Recorded {
        /// The proof.
        recorded: Recorded,
        /// What it stands under.
        under: RecordedUnder,
    },
    /// Checked, in a gate that records nothing.
    Verified,
    /// Ignored for its key, like so many others before it that it is not kept as a conflict any more. It belongs in the
    /// quarantine.
    Overflowing {
        /// The key that is taken, as its sender knows it.
        key: String,
        /// As it came.
        form: Form,
        /// Durable already.
        pictures: StoredPictures,
    },
}

/// Where a record is found.
#[derive(Debug, Clone)]
pub struct RecordedUnder {
    /// The key of the epoch it belongs to.
    pub epoch: ParkId,
    /// What makes it unique among its kind.
    pub key: String,
    /// The serial of the stay it is about, where that is not the key.
    pub visit_serial: Option<String>,
}

impl RecordedUnder {
    fn of(arrival: &Arrival) -> RecordedUnder {
        let visit_serial = arrival.own_key.as_ref().map(|_| arrival.parking_serial.clone());
        RecordedUnder { epoch: arrival.park, key: arrival.key().to_owned(), visit_serial }
    }

    /// The serial of the stay it is about.
    pub(crate) fn stay(&self) -> &str {
        self.visit_serial.as_deref().unwrap_or(&self.key)
    }
}

/// Records admitted pushes.
pub struct PushRecorder {
    pub(crate) mode: Mode,
    /// Digests of pushes are keyed with it.
    pub(crate) content_key: [u8; 32],
    pub(crate) recorder: Recorder,
    pub(crate) notes: Arc<Notes>,
    pub(crate) figures: Figures,
    /// None where nothing is recorded.
    pub(crate) forwarder: Option<Arc<Forwarder>>,
}

impl PushRecorder {
    /// Records a push that was received at `received_at` under the name `seqno`. `inline` names the
    /// platform that is asked about it before it is answered.
    ///
    /// # Errors
    /// The store did not record it, or a picture could not be kept.
    pub async fn record(
        &self,
        admitted: Admitted,
        files: ArrivedFiles,
        seqno: Seqno,
        received_at: UnixMillis,
        inline: Option<Inline>,
    ) -> Result<Recording, GateFault> {
        let park = Arc::clone(&admitted.park);
        if admitted.by_old_secret {
            self.notes.old_secret_used(&park, received_at, seqno);
        }
        if self.mode == Mode::VerifyOnly {
            return Ok(Recording::Verified);
        }
        let advisories = advise(admitted.push.kind, &admitted.push.params, received_at);
        let pictures = self.store_pictures(files).await?;
        let context = EntryContext { seqno, received_at, inline, pictures: pictures.clone() };
        let (entry, form) = admitted.into_entry(context, &self.content_key);
        let (under, kind) = (RecordedUnder::of(&entry.arrival), entry.arrival.kind);
        let recorded = self.recorder.record(entry).await?;
        match recorded.verdict() {
            Verdict::Recorded { .. } => {
                if let Some(forwarder) = &self.forwarder {
                    forwarder.wake();
                }
                advisories.iter().for_each(|advisory| self.figures.advise(advisory.code));
            }
            Verdict::Repeated { .. } => {}
            Verdict::Conflict { .. } => self.notes.conflict(&park),
            Verdict::Overflowing => {
                self.notes.conflict(&park);
                let key = form.get(kind.key_name()).unwrap_or_default().to_owned();
                return Ok(Recording::Overflowing { key, form, pictures });
            }
        }
        Ok(Recording::Recorded { recorded, under })
    }

    /// Makes the pictures durable, several at a time: a record must never name a picture that is not there.
    async fn store_pictures(&self, files: ArrivedFiles) -> Result<StoredPictures, GateFault> {
        let stored = files.into_iter().map(|(part, file)| async move {
            let name = parameter_of_part(&part).to_owned();
            let picture = file.store().await?;
            self.figures.image_bytes.inc_by(picture.size);
            Ok::<_, GateFault>((name, Arc::new(picture)))
        });
        try_join_all(stored).await
    }

    /// The queue in front of the store.
    #[must_use]
    pub fn queue(&self) -> &Recorder {
        &self.recorder
    }

    /// How long the oldest batch has been under way, if it is longer than that.
    pub(crate) fn stalled(&self, longer_than: Duration) -> Option<Duration> {
        self.recorder.stalled(longer_than)
    }

    /// Commits what is queued.
    pub(crate) fn stop(&self) {
        self.recorder.stop();
    }
}
