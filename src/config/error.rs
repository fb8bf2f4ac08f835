//! What is wrong with a configuration, and where.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use forebay_relay::error::reason;

/// Faults of one file that are told: whoever mends these sees the others next time.
const MAX_FAULTS: usize = 100;

/// The longest message of a fault, in characters: it may repeat what was typed.
const MAX_MESSAGE: usize = 500;

/// A configuration that cannot be used: its first faults, in the order of the file.
///
/// `Display` prints one fault a line, in the form of compilers: `channels.toml:12:8: unknown key
/// "nmae", …`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    faults: Vec<Fault>,
    /// How many more there are.
    more: usize,
}

/// One thing wrong in a configuration. It holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The file, as it was named.
    pub path: PathBuf,
    /// Where in the file; nowhere if it could not be read at all.
    pub place: Option<Place>,
    /// What was found and what was expected.
    pub message: String,
}

/// A place in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
}

impl Error {
    /// The file could not be read.
    pub(super) fn unreadable(path: &Path, error: &io::Error) -> Self {
        let message = match error.kind() {
            io::ErrorKind::NotFound => "no such file; name another one with --config FILE".into(),
            io::ErrorKind::InvalidData => "not a text in UTF-8".into(),
            _ => format!("cannot be read: {}", reason(error)),
        };
        Self { faults: vec![Fault { path: path.into(), place: None, message }], more: 0 }
    }

    /// These faults, of which there is one at least.
    pub(super) fn of(faults: Vec<Fault>) -> Self {
        let mut error = Self { faults, more: 0 };
        error.more = error.faults.len().saturating_sub(MAX_FAULTS);
        error.faults.truncate(MAX_FAULTS);
        error
    }

    /// These faults before those of the file.
    pub(super) fn behind(self, mut before: Vec<Fault>) -> Self {
        before.extend(self.faults);
        Self { more: self.more, ..Self::of(before) }
    }

    /// The first faults, at least one and at most a hundred.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// How many faults there are besides.
    pub fn more(&self) -> usize {
        self.more
    }
}

/// The faults of one file while it is checked.
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// Where each begins, and its message.
    kept: Vec<(usize, String)>,
    /// Those that were let go.
    more: usize,
}

impl Faults {
    /// Notes a fault of what begins at byte `at`.
    pub(super) fn push(&mut self, at: usize, message: String) {
        self.kept.push((at, shortened(message)));
        // Checks run by subject, and the next fault may stand before all of these.
        if self.kept.len() >= 2 * MAX_FAULTS {
            self.keep_first();
        }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.kept.len() + self.more
    }

    /// All of them as an error, if there is one.
    pub(super) fn into_result(mut self, text: &str, path: &Path) -> Result<(), Error> {
        if self.count() == 0 {
            return Ok(());
        }
        self.keep_first();
        let mut places = Places::of(text);
        let fault = |(at, message)| Fault { path: path.into(), place: Some(places.next(at)), message };
        Err(Error { faults: self.kept.into_iter().map(fault).collect(), more: self.more })
    }

    fn keep_first(&mut self) {
        // People mend by line. The sort is stable.
        self.kept.sort_by_key(|&(at, _)| at);
        self.more += self.kept.len().saturating_sub(MAX_FAULTS);
        self.kept.truncate(MAX_FAULTS);
    }
}

fn shortened(mut message: String) -> String {
    if let Some((end, _)) = message.char_indices().nth(MAX_MESSAGE) {
        message.truncate(end);
        message.push('…');
    }
    message
}

/// Finds places in a text in one pass over it.
pub(super) struct Places<'a> {
    text: &'a str,
    at: usize,
    place: Place,
}

impl<'a> Places<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        Self { text, at: 0, place: Place { line: 1, column: 1 } }
    }

    /// The place of byte `at`, which is not before that of the call before.
    pub(super) fn next(&mut self, at: usize) -> Place {
        let between = self.text.get(self.at..at).unwrap_or_default();
        let (last, lines) = match between.rfind('\n') {
            None => (between, 0),
            Some(end) => (&between[end + 1..], between.matches('\n').count()),
        };
        if lines > 0 {
            self.place = Place { line: self.place.line + lines, column: 1 };
        }
        // An editor does not count the mark some put at the head of a text.
        self.place.column += last.chars().filter(|&c| c != '\u{feff}').count();
        self.at = at;
        self.place
    }
}

/// In the words that stand behind those that are told.
pub(crate) fn more_faults(more: usize) -> String {
    format!("and {more} more faults, which are not shown")
}

impl std::error::Error for Error {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, fault) in self.faults.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            fault.fmt(f)?;
        }
        if let (more @ 1.., Some(fault)) = (self.more, self.faults.first()) {
            write!(f, "\n{}: {}", fault.path.display(), more_faults(more))?;
        }
        Ok(())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.path.display())?;
        if let Some(Place { line, column }) = self.place {
            write!(f, "{line}:{column}:")?;
        }
        write!(f, " {}", self.message)
    }
}
