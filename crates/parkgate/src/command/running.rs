//! What long-running programs share: a log that nothing waits for, and an end that comes whatever hangs.

use std::io;
use std::thread::Builder;
use std::time::Duration;

use anyhow::Context;
use parkgate_log::LogError;
use parkgate_text::texts;
use tokio::runtime::Runtime;

use crate::output::{BROKEN, ComponentFailed, misuse};

/// How long blocking threads may take at the end: a hanging disk must not hold up the process.
const THREADS_END_WITHIN: Duration = Duration::from_secs(2);
/// How long the log may take at the end: its reader may have stopped.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Logs to stderr from now on.
pub(super) fn log() -> anyhow::Result<()> {
    parkgate_log::to_stderr().map_err(|error| match error {
        LogError::Filter { .. } => misuse((texts().general.log_filter)(&error.to_string())),
        LogError::Start(_) => error.into(),
    })
}

/// Runs the program to its end. It is a task, so that a panic ends it as one of its parts' panics would.
pub(super) fn run(
    runtime: Runtime,
    program: impl Future<Output = anyhow::Result<()>> + Send + 'static,
) -> anyhow::Result<()> {
    let running = runtime.spawn(program);
    let done = runtime.block_on(running);
    let done = done.unwrap_or_else(|error| Err(ComponentFailed((texts().general.fault)(&error.to_string())).into()));
    runtime.shutdown_timeout(THREADS_END_WITHIN);
    parkgate_log::flush(LAST_WORDS);
    done
}

/// Ends the process after this time, whatever hangs, unless it has ended before.
pub(super) fn end_within(within: Duration) -> anyhow::Result<()> {
    let end = move || {
        std::thread::sleep(within);
        tracing::error!(code = BROKEN, "the process did not end by itself in time: ending it");
        parkgate_log::flush(LAST_WORDS);
        std::process::exit(i32::from(BROKEN));
    };
    let started: io::Result<_> = Builder::new().name("end".into()).spawn(end);
    started.map(drop).context("no thread that sees to the end")
}
