//! The latest lines of the log, for pages that show them.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value};
use tracing_subscriber::fmt::MakeWriter;

/// Lines that are kept: some minutes of a busy server.
const MAX_LINES: usize = 2_000;

/// The longest line that is kept, in bytes: with all of them, 16 MB at most, and 1 MB in practice.
const MAX_LINE: usize = 8 * 1024;

/// Those of this process, of which there is one log.
pub(super) static RECENT: Recent = Recent::new();

/// The latest lines.
pub(super) struct Recent(Mutex<Kept>);

struct Kept {
    /// Each as JSON.
    lines: VecDeque<Box<[u8]>>,
    /// Lines that have left again.
    before: u64,
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Line {
    /// Counts from the start of the process.
    pub(crate) id: u64,
    /// In UTC (RFC 3339).
    pub(crate) at: String,
    /// `ERROR`, `WARN`, `INFO`, `DEBUG` or `TRACE`.
    pub(crate) level: String,
    /// The part of the program that wrote it.
    pub(crate) target: String,
    /// What it says.
    pub(crate) message: String,
    /// What else it says, by name.
    pub(crate) fields: Map<String, Value>,
    /// What it is about, the outermost first, each by its name and its fields.
    pub(crate) spans: Vec<Map<String, Value>>,
}

/// The lines behind the one with this number, at most `limit` of them, the newest last.
pub(crate) fn lines_after(after: Option<u64>, limit: usize) -> Vec<Line> {
    RECENT.after(after, limit)
}

impl Recent {
    const fn new() -> Self {
        Self(Mutex::new(Kept { lines: VecDeque::new(), before: 0 }))
    }

    fn after(&self, after: Option<u64>, limit: usize) -> Vec<Line> {
        let (first, raw) = {
            let kept = self.kept();
            let skipped = after.map_or(0, |after| (after + 1).saturating_sub(kept.before));
            let skipped = usize::try_from(skipped).unwrap_or(usize::MAX).min(kept.lines.len());
            let skipped = skipped.max(kept.lines.len().saturating_sub(limit));
            let raw: Vec<Box<[u8]>> = kept.lines.iter().skip(skipped).cloned().collect();
            (kept.before + skipped as u64, raw)
        };
        // Read outside of the lock: whoever logs waits for it.
        (first..).zip(raw).filter_map(|(id, line)| parse(id, &line)).collect()
    }

    fn push(&self, line: &[u8]) {
        if line.len() > MAX_LINE {
            return;
        }
        let mut kept = self.kept();
        if kept.lines.len() == MAX_LINES {
            kept.lines.pop_front();
            kept.before += 1;
        }
        kept.lines.push_back(line.into());
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn parse(id: u64, line: &[u8]) -> Option<Line> {
    let mut fields: Map<String, Value> = serde_json::from_slice(line).ok()?;
    let mut text = |key: &str| match fields.remove(key) {
        Some(Value::String(text)) => text,
        _ => String::new(),
    };
    let [at, level, target, message] = ["timestamp", "level", "target", "message"].map(&mut text);
    let spans = match fields.remove("spans") {
        Some(Value::Array(spans)) => spans,
        _ => Vec::new(),
    };
    let spans = spans.into_iter().filter_map(|span| match span {
        Value::Object(span) => Some(span),
        _ => None,
    });
    Some(Line { id, at, level, target, message, spans: spans.collect(), fields })
}

impl<'w> MakeWriter<'w> for &'static Recent {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self
    }
}

/// Each call is a line: that is how they are written.
impl Write for &'static Recent {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_are_kept_and_told_once() {
        let recent = Recent::new();
        assert_eq!(recent.after(None, 10), []);
        for at in 0..MAX_LINES + 5 {
            let line =
                format!(r#"{{"timestamp":"t","level":"INFO","message":"m{at}","target":"a","n":{at}}}"#);
            recent.push(line.as_bytes());
        }
        recent.push(&[b'x'; MAX_LINE + 1]);
        let all = recent.after(None, usize::MAX);
        assert_eq!((all.len(), all[0].id, &*all[0].message), (MAX_LINES, 5, "m5"));
        let last = recent.after(None, 1);
        assert_eq!((last.len(), &last[0].fields["n"]), (1, &(MAX_LINES + 4).into()));
        assert_eq!(recent.after(Some(last[0].id), 10), []);
        assert_eq!(recent.after(Some(last[0].id - 2), 10).len(), 2);
        assert_eq!(recent.after(Some(0), usize::MAX).len(), MAX_LINES);
        assert_eq!(recent.after(Some(u64::MAX - 1), 10), []);
    }
}
