//! How far an import is, in a line of the terminal.

use std::io::{self, IsTerminal as _, Write as _};

/// Of the bar, in characters.
const WIDTH: u64 = 30;

/// The line, where somebody sees it. It goes when this is dropped.
#[derive(Debug)]
pub(super) struct Line {
    is_terminal: bool,
}

impl Line {
    pub(super) fn new() -> Self {
        Self { is_terminal: io::stderr().is_terminal() }
    }

    /// Whether anybody sees it.
    pub(super) fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Shows how many bytes have come, and how many there are; 0 where nobody knows.
    pub(super) fn show(&self, bytes: u64, length: u64) {
        if self.is_terminal {
            let _ = write!(io::stderr(), "\r\x1b[K{}", bar(bytes, length));
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.is_terminal {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

fn bar(bytes: u64, length: u64) -> String {
    let megabytes = bytes / 1_000_000;
    if length == 0 || bytes > length {
        return format!("{megabytes} MB");
    }
    let full = usize::try_from(bytes * WIDTH / length).expect("it is a part of the width");
    let empty = usize::try_from(WIDTH).expect("it is small") - full;
    format!("[{}{}] {megabytes} of {} MB", "#".repeat(full), " ".repeat(empty), length / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_full_as_the_list_has_come() {
        assert_eq!(bar(5_000_000, 0), "5 MB");
        assert_eq!(bar(1_000_000, 2_000_000), format!("[{}{}] 1 of 2 MB", "#".repeat(15), " ".repeat(15)));
        assert_eq!(bar(3, 3), format!("[{}] 0 of 0 MB", "#".repeat(30)));
        // More has come than was announced.
        assert_eq!(bar(3_000_000, 2_000_000), "3 MB");
    }
}
