//! Which paths of calls are counted one by one: a path may hold an id, and there would be no end of them.

/// So many paths are counted by themselves: the protocol has some dozens of calls.
pub const PATHS_MAX: usize = 200;

/// All others together are counted under this one.
pub const OTHER_PATHS: &str = "…";

/// The path that a call is counted under, where so many others are counted by themselves and `is_counted` says whether it is one
/// of them.
#[must_use]
pub fn counted_path(path: &str, is_counted: bool, others: usize) -> &str {
    if is_counted || others < PATHS_MAX { path } else { OTHER_PATHS }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_is_counted_together() {
        assert_eq!(counted_path("/gate/x", false, PATHS_MAX - 1), "/gate/x");
        assert_eq!(counted_path("/gate/x", false, PATHS_MAX), OTHER_PATHS);
        assert_eq!(counted_path("/gate/x", true, PATHS_MAX), "/gate/x");
    }
}
