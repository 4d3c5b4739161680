//! A push as it was received, and what became of it.

use std::sync::Arc;
use std::time::Instant;

use parkgate_client::now;
use parkgate_gate::admit::Rejection;
use parkgate_gate::{GateFault, KnownPark, Quarantining, RecordedUnder};
use parkgate_store::Recorded;
use parkgate_wire::{PushKind, Seqno, UnixMillis};

use crate::client_address::ClientAddress;
use crate::server::Server;

/// A push whose request has begun.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Received {
    pub(crate) kind: PushKind,
    /// Its name, in the reply and in the log.
    pub(crate) seqno: Seqno,
    pub(crate) received_at: UnixMillis,
    pub(crate) started: Instant,
    pub(crate) client: ClientAddress,
}

impl Received {
    pub(crate) fn now(server: &Server, kind: PushKind, client: ClientAddress) -> Received {
        let (started, seqno, received_at) = (Instant::now(), server.gate.next_seqno(), now());
        Received { kind, seqno, received_at, started, client }
    }
}

/// What became of a push.
#[derive(Debug)]
pub(crate) struct PushOutcome {
    /// The park it is of, as far as that is known: some want every reply with HTTP status 200.
    pub(crate) park: Option<Arc<KnownPark>>,
    pub(crate) result: PushResult,
}

#[derive(Debug)]
pub(crate) enum PushResult {
    /// The ledger decided it, and that is on disk.
    Recorded { recorded: Recorded, under: RecordedUnder },
    /// Admitted, in a gate that records nothing.
    Verified,
    /// Not admitted.
    Refused { rejection: Rejection, kept: Quarantining },
    /// Ignored for its key, like so many others before it that it is not kept as a conflict any more.
    Overflowed { key: String, kept: Quarantining },
    /// Its pictures were not received: the disk is nearly full, and the push had not proved to be a good one when they came.
    DiskLow,
    /// Bodies keep as much in memory as they may, or as this sender may.
    NoMemory,
    /// Our own fault.
    Failed(GateFault),
}

/// Before its park is known.
impl From<PushResult> for PushOutcome {
    fn from(result: PushResult) -> Self {
        PushOutcome { park: None, result }
    }
}
