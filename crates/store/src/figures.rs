//! What a store says of itself to whoever watches the gate. Asked in memory or of the file system; no query is made.

/// How a store is at this moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoreFigures {
    /// Bytes of SQLite's write-ahead log.
    pub wal_bytes: Option<u64>,
    /// Open connections to PostgreSQL.
    pub connections: Option<ConnectionCounts>,
}

/// Open connections.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ConnectionCounts {
    /// Kept for the next call.
    pub idle: usize,
    /// Under a call.
    pub busy: usize,
}

impl ConnectionCounts {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: ConnectionCounts) -> ConnectionCounts {
        ConnectionCounts { idle: self.idle + other.idle, busy: self.busy + other.busy }
    }
}
