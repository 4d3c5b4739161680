//! What the store's own calls leave to this database: its readiness, and that gates look at the registry again.

use super::link::{Fault, Link};
use super::{migrate, moving};

/// In the transaction of a change to what the registry holds.
pub(super) async fn changed(link: &Link) -> Result<(), Fault> {
    link.execute("UPDATE registry_version SET version = version + 1", &[]).await?;
    Ok(())
}

/// Writes, commits, and so waits for what every answer waits for.
pub(super) async fn probe(link: &Link) -> Result<(), Fault> {
    migrate::fits(link).await?;
    moving::refuse_moved(link).await?;
    link.begin().await?;
    link.execute("UPDATE registry_version SET version = version", &[]).await?;
    link.commit().await
}
