//! The limit of open files and sockets: raised at the start as far as the system allows.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Kept for the database, logs, listeners and subscribers.
const OURS: u64 = 256;
/// Each connection needs one for its socket and one for a picture that is written.
const OF_CONNECTION: u64 = 2;
/// Never fewer, whatever the limit: with less the gate could hardly serve.
const CONNECTIONS_MIN: usize = 16;

/// Raises the limit, and returns how many connections there may be: as many as were set, if the limit allows them.
pub(crate) fn connections_within(connections_max: usize) -> usize {
    let descriptors = raised();
    let within = within(connections_max, descriptors);
    if within < connections_max {
        tracing::warn!(
            connections_max,
            descriptors,
            connections = within,
            "the system allows fewer open files than connections_max needs (RLIMIT_NOFILE, ulimit -n, LimitNOFILE=): \
             no more connections are taken than these allow"
        );
    }
    within
}

/// None where there is no limit.
fn raised() -> Option<u64> {
    let now = getrlimit(Resource::Nofile);
    if now.current == now.maximum {
        return now.current;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: now.maximum, maximum: now.maximum }) {
        Ok(()) => now.maximum,
        Err(error) => {
            tracing::warn!(%error, "the limit of open files could not be raised");
            now.current
        }
    }
}

fn within(connections_max: usize, descriptors: Option<u64>) -> usize {
    let Some(descriptors) = descriptors else { return connections_max };
    let connections = descriptors.saturating_sub(OURS) / OF_CONNECTION;
    connections_max.min(usize::try_from(connections).unwrap_or(usize::MAX).max(CONNECTIONS_MIN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_as_many_as_descriptors_allow() {
        for (connections_max, descriptors, expected) in [
            (8192, Some(16640), 8192),
            (8192, Some(16639), 8191),
            (8192, Some(1024), 384),
            (8192, Some(20), 16),
            (8, Some(1024), 8),
            (usize::MAX, Some(u64::MAX), usize::try_from((u64::MAX - 256) / 2).unwrap()),
            (8192, None, 8192),
        ] {
            assert_eq!(within(connections_max, descriptors), expected, "{connections_max} {descriptors:?}");
        }
    }
}
