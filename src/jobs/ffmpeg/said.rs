//! What a program says, kept to a limit, without addresses.

use std::collections::VecDeque;

use forebay_core::address::without_addresses;

/// Lines that are kept, the last ones, and bytes of each.
const MAX_LINES: usize = 50;
const MAX_LINE: usize = 400;

/// Of these, a message has the last few.
const TOLD: usize = 3;

/// The last lines of a program.
#[derive(Debug, Default)]
pub struct Said {
    lines: VecDeque<String>,
    line: Vec<u8>,
    /// Only lines of the log count, which begin with a bracket: progress comes between them.
    is_log_only: bool,
}

impl Said {
    /// One that leaves out what is no log.
    pub fn of_log() -> Self {
        Self { is_log_only: true, ..Self::default() }
    }

    /// Takes the next bytes.
    pub fn handle_bytes(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if byte == b'\n' || byte == b'\r' {
                self.end_line();
            } else if self.line.len() < MAX_LINE {
                self.line.push(byte);
            }
        }
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let line = without_addresses(String::from_utf8_lossy(&line).trim());
        if line.is_empty() || self.is_log_only && !line.starts_with('[') {
            return;
        }
        if self.lines.len() == MAX_LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    /// The last lines, as one.
    pub fn text(mut self) -> String {
        self.end_line();
        if self.lines.is_empty() {
            return "it said nothing".to_owned();
        }
        let from = self.lines.len().saturating_sub(TOLD);
        self.lines.range(from..).map(String::as_str).collect::<Vec<_>>().join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept_without_addresses() {
        let mut said = Said::default();
        for n in 0..1000 {
            said.handle_bytes(format!("line {n}\r\n").as_bytes());
        }
        said.handle_bytes(b"cannot open 'http://joe:secret@host/a?token=x': no\n");
        said.handle_bytes(&vec![b'y'; 1 << 20]);
        assert_eq!((said.lines.len(), said.line.len()), (MAX_LINES, MAX_LINE));
        let text = said.text();
        assert!(text.starts_with("line 999; cannot open 'http://… no; yyy"), "{text}");
    }

    #[test]
    fn silence_is_said_too() {
        assert_eq!(Said::default().text(), "it said nothing");
    }
}
