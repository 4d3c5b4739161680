//! Records in a partition for each month, so that old ones go by dropping a table and not row by row.

use parkgate_wire::UnixMillis;

use crate::StoreError;

/// A partition: what was recorded from when it was begun until the next one was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Month {
    /// Rises by one.
    pub number: i64,
    /// When it was begun (ms); the first holds what was there before, too.
    pub begun_at: i64,
    /// Whether records still come to it.
    pub is_open: bool,
    /// When its personal data and pictures went (ms).
    pub redacted_at: Option<i64>,
    /// Its records.
    pub records: u64,
    /// When the newest of them came (ms).
    pub newest_at: Option<i64>,
    /// On the disk, with payments, the names of pictures and all indexes.
    pub bytes: u64,
}

/// What became of old months.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reduced {
    /// The months that were redacted or dropped.
    pub done: Vec<Month>,
    /// Dead letters that went with them.
    pub dead_letters: u64,
    /// The months that stay as they are for now.
    pub held: Vec<HeldMonth>,
}

/// A month whose records are still to arrive somewhere, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldMonth {
    /// Which.
    pub month: Month,
    /// Pending deliveries by the name of their subscriber.
    pub pending: Vec<(String, u64)>,
}

/// A store with monthly partitions.
pub trait Months {
    /// All of them, oldest first; none if the store is not cut.
    ///
    /// # Errors
    /// The store cannot be read.
    fn list(&self) -> Result<Vec<Month>, StoreError>;

    /// Cuts the store by months from now on, while it is being used; what is there stays together. False if it was cut
    /// before.
    ///
    /// # Errors
    /// The store cannot be changed now. Calling again goes on.
    fn begin(&self) -> Result<bool, StoreError>;

    /// Begins another month if the newest one is over; every gate calls this now and then. A clock that jumps costs one
    /// month more, never a record: a record's number decides where it goes, not a time.
    ///
    /// # Errors
    /// The store cannot be changed now. Calling again goes on.
    fn turn(&self) -> Result<Option<i64>, StoreError>;

    /// Takes plates, personal data, pictures and ignored pushes out of the months whose records all came before then.
    /// Serials, times and amounts stay: a push of that time is still known again. A month with pending deliveries stays as it
    /// is: they could only be sent without what went. Dead letters of the others go.
    ///
    /// # Errors
    /// The store cannot be changed now. Calling again goes on.
    fn redact(&self, before: UnixMillis) -> Result<Reduced, StoreError>;

    /// Drops the months whose records all came before then, whole: a push of that time would be taken as new. A month with
    /// pending deliveries stays.
    ///
    /// # Errors
    /// The store cannot be changed now. Calling again goes on.
    fn drop(&self, before: UnixMillis) -> Result<Reduced, StoreError>;
}
