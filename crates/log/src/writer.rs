//! Lines on their way to a file descriptor that may be slow, full or closed.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;
use std::time::{Duration, Instant};

use crate::Lines;

/// Up to this much is written at once: fewer calls, and yet a reader soon sees a line.
const CHUNK_BYTES: usize = 64 * 1024;
/// A non-blocking descriptor without room is tried again after this.
const AGAIN_AFTER: Duration = Duration::from_millis(10);

/// A queue of lines and the thread that writes them. The thread ends with the process.
pub(crate) struct LogWriter {
    shared: Arc<WriterState>,
}

struct WriterState {
    queue: Mutex<LineQueue>,
    /// Signals that lines arrived, or were written.
    changed: Condvar,
    bytes_max: usize,
}

#[derive(Default)]
struct LineQueue {
    lines: VecDeque<Box<[u8]>>,
    bytes: usize,
    /// Taken by the thread, not written yet.
    writing: usize,
    dropped: u64,
}

impl LogWriter {
    /// Starts a thread that writes to the output of `open`. `recovered` is called with the number of lost lines once
    /// lines can be written again.
    pub(crate) fn start<W: Write>(
        name: &str,
        bytes_max: usize,
        open: impl Fn() -> W + Send + 'static,
        recovered: impl Fn(u64) + Send + 'static,
    ) -> io::Result<LogWriter> {
        let shared = Arc::new(WriterState { queue: Mutex::default(), changed: Condvar::new(), bytes_max });
        let mine = Arc::clone(&shared);
        Builder::new().name(name.into()).spawn(move || {
            let mut state = WriterProgress::default();
            // Restarted after any panic: between two chunks only the reported loss and whether the last line was torn
            // are kept.
            while catch_unwind(AssertUnwindSafe(|| mine.run(&mut open(), &mut state, &recovered))).is_err() {
                let lost = mine.lock().writing as u64;
                mine.was_written(lost);
            }
        })?;
        Ok(LogWriter { shared })
    }

    /// Queues a line, or counts it as lost if there is no room.
    pub(crate) fn push(&self, line: &[u8]) {
        let mut queue = self.shared.lock();
        if queue.bytes + line.len() > self.shared.bytes_max {
            queue.dropped += 1;
            return;
        }
        queue.bytes += line.len();
        queue.lines.push_back(line.into());
        if queue.lines.len() == 1 {
            self.shared.changed.notify_all();
        }
    }

    pub(crate) fn lines(&self) -> Lines {
        let queue = self.shared.lock();
        Lines { dropped: queue.dropped, waiting: (queue.lines.len() + queue.writing) as u64 }
    }

    /// Waits until no line is waiting, or until that time.
    pub(crate) fn flush(&self, until: Instant) {
        let mut queue = self.shared.lock();
        while queue.writing > 0 || !queue.lines.is_empty() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            queue = self.shared.changed.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// The thread's progress.
#[derive(Default)]
struct WriterProgress {
    /// The last line was cut off: start the next one on a line of its own.
    is_torn: bool,
    /// Lost lines that were already reported.
    reported: u64,
}

impl WriterState {
    fn run(&self, out: &mut impl Write, state: &mut WriterProgress, recovered: &impl Fn(u64)) {
        loop {
            let (mut chunk, mut ends) = (Vec::new(), Vec::new());
            if state.is_torn {
                chunk.push(b'\n');
            }
            self.take(&mut chunk, &mut ends);
            let (written, failed) = write(out, &chunk);
            let begun = usize::from(state.is_torn);
            if written > 0 {
                state.is_torn = failed && written != begun && !ends.contains(&written);
            }
            let lost = ends.iter().filter(|end| **end > written).count();
            let (is_last, dropped) = self.was_written(lost as u64);
            if !failed && is_last && dropped > state.reported {
                recovered(dropped - state.reported);
                state.reported = dropped;
            }
        }
    }

    /// Waits for lines and takes a chunk of them; also returns where each ends.
    fn take(&self, chunk: &mut Vec<u8>, ends: &mut Vec<usize>) {
        let mut queue = self.lock();
        while queue.lines.is_empty() {
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        while chunk.len() < CHUNK_BYTES
            && let Some(line) = queue.lines.pop_front()
        {
            queue.bytes -= line.len();
            queue.writing += 1;
            chunk.extend_from_slice(&line);
            ends.push(chunk.len());
        }
    }

    /// A chunk is done, and this many of its lines are lost. Returns whether nothing is waiting, and how many were lost
    /// in all.
    fn was_written(&self, lost: u64) -> (bool, u64) {
        let mut queue = self.lock();
        queue.writing = 0;
        queue.dropped += lost;
        self.changed.notify_all();
        (queue.lines.is_empty(), queue.dropped)
    }

    fn lock(&self) -> MutexGuard<'_, LineQueue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many bytes were written, and whether the rest failed.
fn write(out: &mut impl Write, chunk: &[u8]) -> (usize, bool) {
    let mut written = 0;
    while let Some(rest) = chunk.get(written..).filter(|rest| !rest.is_empty()) {
        match out.write(rest) {
            Ok(0) => return (written, true),
            Ok(count) => written += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::sleep(AGAIN_AFTER),
            Err(_) => return (written, true),
        }
    }
    // Standard output is line-buffered, so flush what remains.
    (written, out.flush().is_err())
}

#[cfg(test)]
mod tests;
