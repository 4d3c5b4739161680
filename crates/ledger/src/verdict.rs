//! The verdict on one push.

use parkgate_wire::Seqno;

/// The outcome of one arrival, in the words of the reply table (`DESIGN.md` 3.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// New, and recorded; orders that were taken before are named and left out of the payments.
    Recorded {
        /// `parking_order`s that were not accepted, in the order of the list, each once.
        refused_orders: Vec<String>,
    },
    /// The same content came before: answered as the first time.
    Repeated {
        /// The first one's.
        seqno: Seqno,
        /// The first one's.
        refused_orders: Vec<String>,
    },
    /// Its key is taken by other content (`leave.md`, note 1): ignored, and kept as a conflict.
    Conflict {
        /// This request's, or that of the first push with this other content.
        seqno: Seqno,
        /// The key that is taken, as its sender knows it: the serial, of an update `flow_no`.
        key: String,
    },
    /// There are already too many other contents under this key to keep another one as a conflict.
    /// Nothing is recorded, so the push must be quarantined before it is answered as a conflict.
    Overflowing,
}
