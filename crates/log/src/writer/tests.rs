use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;

/// Handles each write as the test says: accepts this many bytes, or fails.
struct Scripted {
    asked: Sender<Vec<u8>>,
    answers: Receiver<io::Result<usize>>,
}

impl Write for Scripted {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.asked.send(piece.to_vec()).unwrap();
        // The test has ended: nobody reads any more.
        self.answers.recv().unwrap_or_else(|_| Err(ErrorKind::BrokenPipe.into())).map(|count| count.min(piece.len()))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Test {
    writer: LogWriter,
    asked: Receiver<Vec<u8>>,
    answer: Sender<io::Result<usize>>,
    recovered: Receiver<u64>,
}

fn scripted(bytes_max: usize) -> Test {
    let ((asks, asked), (answer, answers), (recovers, recovered)) = (channel(), channel(), channel());
    let scripted = Mutex::new(Some(Scripted { asked: asks, answers }));
    let open = move || scripted.lock().unwrap().take().unwrap();
    let writer = LogWriter::start("test", bytes_max, open, move |lost| recovers.send(lost).unwrap()).unwrap();
    Test { writer, asked, answer, recovered }
}

impl Test {
    /// What the writer wants to write now, as text.
    fn asked(&self) -> String {
        String::from_utf8(self.asked.recv().unwrap()).unwrap()
    }

    fn flush(&self) {
        self.writer.flush(Instant::now() + Duration::from_secs(60));
    }
}

const FULL: ErrorKind = ErrorKind::StorageFull;

#[test]
fn who_logs_never_waits_for_a_reader_that_does_not_read_and_the_bound_is_kept() {
    let test = scripted(8);
    test.writer.push(b"a\n");
    assert_eq!(test.asked(), "a\n");
    // The reader hangs. Four more lines have room, the fifth has not.
    for _ in 0..4 {
        test.writer.push(b"b\n");
    }
    assert_eq!(test.writer.lines(), Lines { dropped: 0, waiting: 5 });
    test.writer.push(b"\n");
    assert_eq!(test.writer.lines(), Lines { dropped: 1, waiting: 5 });
    // The end of the process does not wait for it either.
    test.writer.flush(Instant::now());
    // It reads again: everything that was waiting, in one piece, and the number of lost lines.
    test.answer.send(Ok(99)).unwrap();
    assert_eq!(test.asked(), "b\nb\nb\nb\n");
    test.answer.send(Ok(99)).unwrap();
    assert_eq!(test.recovered.recv().unwrap(), 1);
    test.flush();
    assert_eq!(test.writer.lines(), Lines { dropped: 1, waiting: 0 });
}

#[test]
fn lines_that_cannot_be_written_are_counted_and_reported_once_when_it_can_be() {
    let test = scripted(1000);
    for lost in 1..=3 {
        test.writer.push(b"lost\n");
        assert_eq!(test.asked(), "lost\n");
        test.answer.send(Err(FULL.into())).unwrap();
        test.flush();
        assert_eq!(test.writer.lines(), Lines { dropped: lost, waiting: 0 });
    }
    for _ in 0..2 {
        test.writer.push(b"good\n");
        assert_eq!(test.asked(), "good\n");
        test.answer.send(Ok(99)).unwrap();
        test.flush();
    }
    assert_eq!(test.recovered.recv().unwrap(), 3);
    assert!(test.recovered.try_recv().is_err(), "reported once");
}

#[test]
fn a_line_that_was_cut_off_does_not_run_into_the_next() {
    let test = scripted(1000);
    test.writer.push(b"first\n");
    assert_eq!(test.asked(), "first\n");
    test.writer.push(b"second\n");
    test.writer.push(b"third\n");
    test.answer.send(Ok(2)).unwrap();
    assert_eq!(test.asked(), "rst\n");
    test.answer.send(Err(ErrorKind::Interrupted.into())).unwrap();
    assert_eq!(test.asked(), "rst\n");
    test.answer.send(Err(FULL.into())).unwrap();
    assert_eq!(test.asked(), "\nsecond\nthird\n");
    // Written exactly to the end of a line: nothing is torn, and one line is lost.
    test.answer.send(Ok("\nsecond\n".len())).unwrap();
    assert_eq!(test.asked(), "third\n");
    test.answer.send(Err(FULL.into())).unwrap();
    test.flush();
    assert_eq!(test.writer.lines(), Lines { dropped: 2, waiting: 0 });
    test.writer.push(b"fourth\n");
    assert_eq!(test.asked(), "fourth\n");
    test.answer.send(Ok(99)).unwrap();
    assert_eq!(test.recovered.recv().unwrap(), 2);
}

#[test]
fn a_descriptor_that_does_not_wait_is_tried_again_and_a_panic_ends_nothing() {
    let test = scripted(1000);
    test.writer.push(b"a\n");
    assert_eq!(test.asked(), "a\n");
    test.answer.send(Err(ErrorKind::WouldBlock.into())).unwrap();
    assert_eq!(test.asked(), "a\n");
    test.answer.send(Ok(99)).unwrap();
    test.flush();

    let (sender, receiver) = channel();
    let open = move || {
        let sender = sender.clone();
        Panicking(sender)
    };
    let writer = LogWriter::start("test", 1000, open, |_| {}).unwrap();
    for _ in 0..2 {
        writer.push(b"panic\n");
        assert_eq!(receiver.recv().unwrap(), b"panic\n");
        writer.flush(Instant::now() + Duration::from_secs(60));
    }
    assert_eq!(writer.lines(), Lines { dropped: 2, waiting: 0 });
}

struct Panicking(Sender<Vec<u8>>);

impl Write for Panicking {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.0.send(piece.to_vec()).unwrap();
        std::panic::resume_unwind(Box::new("scripted"));
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
