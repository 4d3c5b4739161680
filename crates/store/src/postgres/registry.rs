//! What the store's own calls leave to this database: its readiness.

use super::fault::Fault;
use super::link::Link;
use super::{migrate, moving};

/// Writes, commits, and so waits for what every answer waits for.
pub(super) async fn probe(link: &Link) -> Result<(), Fault> {
    migrate::fits(link).await?;
    moving::refuse_moved(link).await?;
    link.begin().await?;
    link.execute("UPDATE registry_version SET version = version", &[]).await?;
    link.commit().await
}
