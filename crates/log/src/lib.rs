//! The output of long-running programs: their log on stderr, and the few lines they print on stdout.
//!
//! Logging and printing never wait and never fail, whatever happened to the reader: a full disk, a closed pipe, one
//! that nobody reads. Lines wait in a bounded buffer for a thread that writes them; lines that find no room or cannot
//! be written are lost and counted. Panics go into the log, too, since the default hook writes to stderr itself and may
//! block there for ever.

mod writer;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, IsTerminal};
use std::panic::PanicHookInfo;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use self::writer::LogWriter;

/// Stdout gets an address or a command to paste; the log gets what a burst of requests causes.
const STDOUT_BYTES_MAX: usize = 64 * 1024;
/// Room for waiting lines of the log: some 20 000 of the usual length.
const LOG_BYTES_MAX: usize = 4 * 1024 * 1024;

static LOG: OnceLock<LogWriter> = OnceLock::new();
static STDOUT: OnceLock<LogWriter> = OnceLock::new();

/// Why logging could not start.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The variable is not a valid filter.
    #[error("{name}={text}: {error}")]
    Filter {
        /// The variable's name.
        name: &'static str,
        /// Its value.
        text: String,
        /// What is wrong with it.
        error: String,
    },
    /// The thread could not be started, or something else is logging already.
    #[error("no log: {0}")]
    Start(String),
}

/// Counts of log lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lines {
    /// Lost: there was no room for them, or they could not be written.
    pub dropped: u64,
    /// Not written yet.
    pub waiting: u64,
}

/// From now on, logs to stderr, panics included: text for people on a terminal, JSON otherwise. `PARKGATE_LOG`, else
/// `RUST_LOG`, sets the filter.
///
/// The variable is not a valid filter, or something is logging already.
pub fn to_stderr() -> Result<(), LogError> {
    let filter = filter()?;
    let started = |error: io::Error| LogError::Start(error.to_string());
    let writer = LogWriter::start("log", LOG_BYTES_MAX, io::stderr, report_lost).map_err(started)?;
    let writer = LOG.get_or_init(|| writer);
    // A subscriber that cannot write would report that on stderr, and panic if it cannot do that either.
    let log = tracing_subscriber::fmt::layer().with_writer(LogOutput(writer)).log_internal_errors(false);
    let filtered = tracing_subscriber::registry().with(filter);
    let is_set = if io::stderr().is_terminal() {
        filtered.with(log.with_target(false)).try_init()
    } else {
        filtered.with(log.json().flatten_event(true)).try_init()
    };
    is_set.map_err(|error| LogError::Start(error.to_string()))?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// Looks at the variable only.
///
/// # Errors
/// It is not a valid filter.
pub fn check_filter() -> Result<(), LogError> {
    filter().map(drop)
}

/// Prints a line on stdout, without waiting for its reader. The line is lost if nobody reads.
pub fn print(line: &str) {
    let writer = match STDOUT.get() {
        Some(writer) => writer,
        None => match LogWriter::start("stdout", STDOUT_BYTES_MAX, io::stdout, |_| {}) {
            Ok(started) => STDOUT.get_or_init(|| started),
            Err(error) => return tracing::warn!(%error, line, "nothing can be printed"),
        },
    };
    let mut bytes = Vec::with_capacity(line.len() + 1);
    bytes.extend_from_slice(line.as_bytes());
    bytes.push(b'\n');
    writer.push(&bytes);
}

/// How many log lines are waiting and lost.
#[must_use]
pub fn lines() -> Lines {
    LOG.get().map(LogWriter::lines).unwrap_or_default()
}

/// Waits until everything logged and printed is written, but no longer than this: at the end of the process.
pub fn flush(within: Duration) {
    let until = Instant::now() + within;
    for writer in [STDOUT.get(), LOG.get()].into_iter().flatten() {
        writer.flush(until);
    }
}

fn filter() -> Result<Targets, LogError> {
    let set = ["PARKGATE_LOG", "RUST_LOG"].into_iter().find_map(|name| {
        let text = std::env::var(name).ok().filter(|text| !text.is_empty())?;
        Some((name, text))
    });
    match set {
        None => Ok(Targets::new().with_default(LevelFilter::INFO)),
        Some((name, text)) => text.parse().map_err(|error: tracing_subscriber::filter::ParseError| {
            let error = error.to_string();
            LogError::Filter { name, text, error }
        }),
    }
}

fn report_lost(lines: u64) {
    tracing::warn!(lines, "lines of the log were lost: it could not be written, or nobody read it");
}

/// Replaces the default panic hook.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let said = panic.payload_as_str().unwrap_or("no message");
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or_default();
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        tracing::error!(said, place, thread, %backtrace, "a fault of ours: panicked");
    } else {
        tracing::error!(said, place, thread, "a fault of ours: panicked");
    }
}

/// The subscriber's output.
struct LogOutput(&'static LogWriter);

impl<'a> MakeWriter<'a> for LogOutput {
    type Writer = LogLine;

    fn make_writer(&'a self) -> LogLine {
        LogLine(self.0)
    }
}

/// Takes a whole line: the subscriber writes each at once.
struct LogLine(&'static LogWriter);

impl io::Write for LogLine {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
