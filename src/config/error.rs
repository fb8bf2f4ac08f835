//! What is wrong with a configuration, and where.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A configuration that cannot be used: all its faults, in the order of the file.
///
/// `Display` prints one fault a line, in the form of compilers: `channels.toml:12:8: unknown key "nmae", …`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    faults: Vec<Fault>,
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
    /// # Panics
    ///
    /// If there is no fault: then there is no error.
    pub(super) fn new(mut faults: Vec<Fault>) -> Self {
        assert!(!faults.is_empty(), "an error has a fault");
        // Checks run by subject, people mend by line; the sort is stable.
        faults.sort_by_key(|fault| fault.place);
        Self { faults }
    }

    /// The file could not be read.
    pub(super) fn unreadable(path: &Path, error: &io::Error) -> Self {
        let message = match error.kind() {
            io::ErrorKind::NotFound => "no such file; name another one with --config FILE".into(),
            io::ErrorKind::InvalidData => "not a text in UTF-8".into(),
            _ => format!("cannot be read: {}", reason(error)),
        };
        Self::new(vec![Fault { path: path.into(), place: None, message }])
    }

    /// The faults, at least one.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }
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

impl Place {
    /// The place of a span of bytes in its text.
    pub(super) fn new(text: &str, span: &Range<usize>) -> Self {
        let before = text.get(..span.start).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        // An editor does not count the mark some put at the head of a text.
        let column = before[line_start..].chars().filter(|&c| c != '\u{feff}').count() + 1;
        Self { line: before.matches('\n').count() + 1, column }
    }
}

/// The system's words without its number: "No such file or directory".
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error ").next().unwrap_or(&text).into()
}
