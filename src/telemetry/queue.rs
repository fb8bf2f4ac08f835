//! Lines on their way to a writer that may hang: a terminal stopped by Ctrl-S, a pipe that nobody
//! reads, a slow disk.
//!
//! Whoever logs only copies the line into a buffer. One thread writes; while it hangs, lines wait
//! up to a limit, and those beyond it are lost and counted. The log says later how many.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tracing::{info, warn};
use tracing_subscriber::fmt::MakeWriter;

use super::LOST;

/// What may wait for one writer, in bytes: some five thousand lines, and no burden for a small
/// machine.
const MAX_WAITING: usize = 1 << 20;

/// The longest line, in bytes. Whoever logs limits each field; this is for what nobody thought of.
const MAX_LINE: usize = 16 << 10;

/// How often lost lines are told, at most.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// How long the end of the process waits for a writer to take the last lines.
const LAST_LINES: Duration = Duration::from_secs(1);

/// How long to wait for a writer that says it would block.
const RETRY: Duration = Duration::from_millis(20);

/// Takes lines and never blocks.
#[derive(Clone)]
pub(super) struct Queue(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// The state has changed.
    changed: Condvar,
    lost: AtomicU64,
    /// Of what the lines are, and so what to do with one that is too long.
    format: Format,
}

/// What a line is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// A long one is cut.
    Text,
    /// Half an object is worth nothing: a long one is lost.
    Json,
}

#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    /// How many lines that is.
    lines: u64,
    phase: Phase,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Open,
    /// No more lines are waited for.
    Closing,
    /// The thread has ended.
    Closed,
}

/// Ends the thread of a queue when it is dropped, and waits a moment for the last lines.
pub(super) struct Closer(Queue);

impl Queue {
    /// A queue in front of `writer`, which `name` stands for in the log. `tick` is called now and
    /// then, on its thread.
    pub(super) fn start(
        name: &'static str,
        format: Format,
        writer: impl Write + Send + 'static,
        tick: impl FnMut() + Send + 'static,
    ) -> io::Result<(Self, Closer)> {
        let queue = Self::new(format);
        let worker = Worker {
            queue: queue.clone(),
            name,
            writer,
            is_failing: false,
            told: 0,
            tell_at: Instant::now(),
            tick,
        };
        thread::Builder::new().name(format!("log-{name}")).spawn(move || worker.run())?;
        let closer = Closer(queue.clone());
        Ok((queue, closer))
    }

    fn new(format: Format) -> Self {
        let (state, changed) = (Mutex::default(), Condvar::new());
        Self(Arc::new(Shared { state, changed, lost: AtomicU64::new(0), format }))
    }

    /// How many lines the writer did not get.
    pub(super) fn lost(&self) -> u64 {
        self.0.lost.load(Ordering::Relaxed)
    }

    fn lose(&self, lines: u64) {
        self.0.lost.fetch_add(lines, Ordering::Relaxed);
        LOST.fetch_add(lines, Ordering::Relaxed);
    }

    /// Takes a whole line.
    fn push(&self, line: &[u8]) {
        let is_long = line.len() > MAX_LINE;
        if is_long && self.0.format == Format::Json {
            return self.lose(1);
        }
        let mut state = self.state();
        if state.phase == Phase::Closed || state.waiting.len() + line.len().min(MAX_LINE) > MAX_WAITING {
            drop(state);
            return self.lose(1);
        }
        if is_long {
            const MARK: &str = "…\n";
            let mut end = MAX_LINE - MARK.len();
            // Not within a character: those bytes begin with 10.
            while line[end] & 0xc0 == 0x80 {
                end -= 1;
            }
            state.waiting.extend_from_slice(&line[..end]);
            state.waiting.extend_from_slice(MARK.as_bytes());
        } else {
            state.waiting.extend_from_slice(line);
        }
        state.lines += 1;
        drop(state);
        self.0.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'w> MakeWriter<'w> for Queue {
    type Writer = Line<'w>;

    fn make_writer(&'w self) -> Line<'w> {
        Line(self)
    }
}

/// Where one line is written to, in one piece.
pub(super) struct Line<'a>(&'a Queue);

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Closer {
    fn drop(&mut self) {
        let Queue(shared) = &self.0;
        let mut state = self.0.state();
        state.phase = Phase::Closing;
        shared.changed.notify_all();
        // A writer that hangs is left alone: its thread ends with the process.
        let waited =
            shared.changed.wait_timeout_while(state, LAST_LINES, |state| state.phase != Phase::Closed);
        drop(waited);
    }
}

/// The thread that writes.
struct Worker<W, T> {
    queue: Queue,
    name: &'static str,
    writer: W,
    is_failing: bool,
    /// Lost lines that the log has told.
    told: u64,
    /// Not before this.
    tell_at: Instant,
    tick: T,
}

impl<W: Write, T: FnMut()> Worker<W, T> {
    fn run(mut self) {
        let mut batch = Vec::new();
        loop {
            let (lines, phase) = self.take(&mut batch);
            if lines > 0 {
                self.write(&batch, lines);
                batch.clear();
            }
            let is_told = self.tell(phase == Phase::Closing);
            if phase == Phase::Closing && lines == 0 && !is_told {
                self.queue.state().phase = Phase::Closed;
                return self.queue.0.changed.notify_all();
            }
        }
    }

    /// Waits for lines, but no longer than until there may be something to tell.
    fn take(&self, batch: &mut Vec<u8>) -> (u64, Phase) {
        let Queue(shared) = &self.queue;
        let state = self.queue.state();
        let has_nothing = |state: &mut State| state.lines == 0 && state.phase == Phase::Open;
        let waited = shared.changed.wait_timeout_while(state, TELL_EVERY, has_nothing);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut state.waiting, batch);
        (std::mem::take(&mut state.lines), state.phase)
    }

    fn write(&mut self, batch: &[u8], lines: u64) {
        let result = self.write_all(batch);
        let was_failing = std::mem::replace(&mut self.is_failing, result.is_err());
        match result {
            // Told once: what is told may go the same way.
            Err(error) if !was_failing => {
                self.queue.lose(lines);
                warn!(to = self.name, %error, "the log cannot be written: its lines are lost");
            }
            Err(_) => self.queue.lose(lines),
            Ok(()) if was_failing => info!(to = self.name, "the log can be written again"),
            Ok(()) => {}
        }
    }

    fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.writer.write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Whoever shares our stderr may have made it so.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(RETRY),
                Err(error) => return Err(error),
            }
        }
        self.writer.flush()
    }

    /// Tells how many lines were lost, if any were and it is time; whether it has.
    fn tell(&mut self, is_last: bool) -> bool {
        let now = Instant::now();
        if now < self.tell_at && !is_last {
            return false;
        }
        self.tell_at = now + TELL_EVERY;
        (self.tick)();
        let lines = self.queue.lost() - self.told;
        if self.is_failing || lines == 0 {
            return false;
        }
        self.told += lines;
        warn!(to = self.name, lines, "lines of the log were lost: its reader was too slow");
        true
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// A writer that waits for its turn before each write, and says what it was given.
    struct Hanging {
        go: Receiver<io::Result<()>>,
        written: Sender<String>,
    }

    impl Write for Hanging {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.go.recv().unwrap_or(Ok(()))?;
            let _ = self.written.send(String::from_utf8_lossy(bytes).into());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A queue, its end, what lets its writer write once, and what that has written.
    fn start(format: Format) -> (Queue, Closer, Sender<io::Result<()>>, Receiver<String>) {
        let (go, turns) = channel();
        let (written, read) = channel();
        let (queue, closer) = Queue::start("test", format, Hanging { go: turns, written }, || ()).unwrap();
        (queue, closer, go, read)
    }

    fn waiting(queue: &Queue) -> usize {
        queue.state().waiting.len()
    }

    #[test]
    fn a_writer_that_hangs_costs_lines_and_holds_up_nobody() {
        let (queue, closer, go, written) = start(Format::Text);
        let line = format!("{}\n", "x".repeat(1023));
        let lines = 3 * MAX_WAITING / line.len();
        // The writer has the first line, and hangs.
        queue.push(b"first\n");
        while waiting(&queue) > 0 {
            thread::yield_now();
        }
        for _ in 0..lines {
            queue.push(line.as_bytes());
        }
        assert_eq!(waiting(&queue), MAX_WAITING);
        assert_eq!(queue.lost(), lines as u64 * 2 / 3);

        let began = Instant::now();
        go.send(Ok(())).unwrap();
        assert_eq!(written.recv().unwrap(), "first\n");
        go.send(Ok(())).unwrap();
        assert_eq!(written.recv().unwrap().len(), MAX_WAITING);
        // It hangs again, with a line; the end waits for it, but not for ever.
        queue.push(b"last\n");
        drop(closer);
        assert!(began.elapsed() < LAST_LINES * 3);
    }

    #[test]
    fn the_last_lines_are_written_at_the_end() {
        let (queue, closer, go, written) = start(Format::Text);
        drop(go);
        for at in 0..100 {
            queue.push(format!("{at}\n").as_bytes());
        }
        drop(closer);
        let all: String = written.try_iter().collect();
        assert_eq!(all.lines().last(), Some("99"));
        assert_eq!(all.lines().count(), 100);
        queue.push(b"too late\n");
        assert_eq!(queue.lost(), 1);
    }

    #[test]
    fn lines_that_cannot_be_written_are_counted() {
        let (queue, closer, go, written) = start(Format::Text);
        go.send(Err(io::ErrorKind::StorageFull.into())).unwrap();
        queue.push(b"one\n");
        while queue.lost() == 0 {
            thread::yield_now();
        }
        drop(go);
        queue.push(b"two\n");
        drop(closer);
        assert_eq!(written.try_iter().collect::<String>(), "two\n");
        assert_eq!(queue.lost(), 1);
    }

    #[test]
    fn lines_that_were_lost_are_told_when_others_get_through() {
        let queue = Queue::new(Format::Text);
        while queue.lost() < 7 {
            queue.push(&[b'x'; 1024]);
        }
        queue.state().phase = Phase::Closing;
        let (written, read) = channel();
        let worker = Worker {
            queue: queue.clone(),
            name: "test",
            writer: Hanging { go: channel().1, written },
            is_failing: false,
            told: 0,
            tell_at: Instant::now(),
            tick: || (),
        };
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(queue).finish();
        tracing::subscriber::with_default(subscriber, || worker.run());
        let last = read.try_iter().last().unwrap();
        let expected = "lines of the log were lost: its reader was too slow to=\"test\" lines=7\n";
        assert!(last.ends_with(expected), "{last}");
    }

    #[test]
    fn a_line_has_a_limit() {
        let long = format!("{}\n", "ä".repeat(MAX_LINE));
        let (text, text_closer, go, written) = start(Format::Text);
        drop(go);
        text.push(long.as_bytes());
        drop(text_closer);
        let cut: String = written.try_iter().collect();
        assert!(cut.len() <= MAX_LINE && cut.len() > MAX_LINE - 4, "{}", cut.len());
        assert!(cut.ends_with("ä…\n"), "between characters");

        let (json, json_closer, go, written) = start(Format::Json);
        drop(go);
        json.push(long.as_bytes());
        drop(json_closer);
        assert_eq!((written.try_iter().count(), json.lost()), (0, 1));
    }
}
