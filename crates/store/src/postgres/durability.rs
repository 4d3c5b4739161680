//! What the server is set to, where it keeps less than an answer promises.

use super::fault::Fault;
use super::link::Link;

/// Unknown where another database of this protocol has no such setting; YugabyteDB has it, and replicates by other means.
const SETTINGS: &str = "SELECT current_setting('fsync', true), current_setting('full_page_writes', true), \
    CASE WHEN version() NOT LIKE '%-YB-%' THEN current_setting('synchronous_standby_names', true) END";

/// A sentence for each, where the URL names so many hosts.
pub(super) async fn warnings(link: &Link, hosts: usize) -> Result<Vec<String>, Fault> {
    let Some(row) = link.query_opt(SETTINGS, &[]).await? else { return Ok(Vec::new()) };
    let setting = |column: usize| row.try_get::<_, Option<String>>(column);
    let (fsync, full_page_writes, standbys) = (setting(0)?, setting(1)?, setting(2)?);
    let mut warnings = Vec::new();
    if hosts > 1 && standbys.is_some_and(|names| names.trim().is_empty()) {
        warnings.push(format!(
            "the URL names {hosts} hosts and synchronous_standby_names is empty: what was answered may be on one of them only, and \
             is lost if another takes over before it has it"
        ));
    }
    if fsync.is_some_and(|set| set == "off") {
        warnings.push("fsync is off: what was answered is lost with the server's power".to_owned());
    }
    if full_page_writes.is_some_and(|set| set == "off") {
        warnings.push("full_page_writes is off: a page half written when the power goes is not mended".to_owned());
    }
    Ok(warnings)
}
