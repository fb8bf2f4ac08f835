//! Bytes in pieces become lines.

/// Longer lines are cut. Real headers reach 6 KiB, and `data:` logos 100 KiB.
pub const MAX_LINE_BYTES: usize = 128 * 1024;

/// How the lines of a document end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// No line has ended yet.
    Unknown,
    /// With a line feed; carriage returns before it belong to the end.
    LineFeed,
    /// With a carriage return alone, as on old Macs.
    CarriageReturn,
}

/// Splits pushed bytes into lines. Keeps at most [`MAX_LINE_BYTES`].
#[derive(Debug)]
pub(super) struct Lines {
    /// The line so far, where it began in an earlier piece.
    rest: Vec<u8>,
    ending: Ending,
    /// Lines of which the end was cut off.
    too_long: u64,
    is_cutting: bool,
}

impl Lines {
    pub(super) fn new() -> Self {
        Self { rest: Vec::new(), ending: Ending::Unknown, too_long: 0, is_cutting: false }
    }

    pub(super) fn too_long(&self) -> u64 {
        self.too_long
    }

    /// Hands out the lines that these bytes complete, without their ends.
    pub(super) fn push(&mut self, mut bytes: &[u8], take: &mut impl FnMut(&[u8])) {
        while let Some((length, end_length)) = self.find_end(bytes) {
            let (line, rest) = bytes.split_at(length);
            bytes = &rest[end_length..];
            if self.rest.is_empty() && length <= MAX_LINE_BYTES {
                take(line);
            } else {
                self.append(line);
                take(&self.rest);
                self.rest.clear();
            }
            self.is_cutting = false;
        }
        self.append(bytes);
    }

    /// Hands out the last line, if it has no end.
    pub(super) fn finish(&mut self, take: &mut impl FnMut(&[u8])) {
        if !self.rest.is_empty() {
            take(&self.rest);
            self.rest.clear();
        }
    }

    fn append(&mut self, bytes: &[u8]) {
        let room = MAX_LINE_BYTES - self.rest.len();
        if bytes.len() > room && !self.is_cutting {
            self.too_long += 1;
            self.is_cutting = true;
        }
        self.rest.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// Where the next line ends, and how long its end is. The first end in a document says what
    /// ends all of its lines: a stray carriage return within a name must not make two lines of it.
    fn find_end(&mut self, bytes: &[u8]) -> Option<(usize, usize)> {
        if self.ending == Ending::Unknown {
            let at = bytes.iter().position(|&byte| byte == b'\n' || byte == b'\r');
            // A carriage return at the end of a piece was kept with the line.
            let after_return = self.rest.last() == Some(&b'\r');
            self.ending = match (after_return, bytes, at.map(|at| &bytes[at..])) {
                (true, [b'\n' | b'\r', ..], _) => Ending::LineFeed,
                (true, [_, ..], _) => Ending::CarriageReturn,
                (_, _, Some([b'\n', ..] | [b'\r', b'\n' | b'\r', ..])) => Ending::LineFeed,
                (_, _, Some([b'\r', _, ..])) => Ending::CarriageReturn,
                _ => return None,
            };
            if after_return && self.ending == Ending::CarriageReturn {
                return Some((0, 0));
            }
        }
        let end = if self.ending == Ending::CarriageReturn { b'\r' } else { b'\n' };
        bytes.iter().position(|&byte| byte == end).map(|at| (at, 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_in_pieces(bytes: &[u8], size: usize) -> Vec<String> {
        let (mut lines, mut found) = (Lines::new(), Vec::new());
        let mut take = |line: &[u8]| {
            found.push(String::from_utf8_lossy(line).trim_matches(['\r', '\n']).to_owned());
        };
        for piece in bytes.chunks(size) {
            lines.push(piece, &mut take);
        }
        lines.finish(&mut take);
        found
    }

    #[test]
    fn all_three_ends_of_lines_are_known() {
        let table: [(&str, &[&str]); 7] = [
            ("a\nb\n", &["a", "b"]),
            ("a\r\nb\r\nc", &["a", "b", "c"]),
            ("a\r\r\nb\r\r\n", &["a", "b"]),
            ("a\rb\rc", &["a", "b", "c"]),
            ("a\nb\rc\nd", &["a", "b\rc", "d"]),
            ("a\r\nb\rc\r\n", &["a", "b\rc"]),
            ("", &[]),
        ];
        for (text, expected) in table {
            for size in 1..=text.len().max(1) {
                assert_eq!(lines_in_pieces(text.as_bytes(), size), expected, "{text:?} in pieces of {size}");
            }
        }
    }

    #[test]
    fn a_line_without_an_end_is_cut_and_counted_once() {
        let (mut lines, mut found) = (Lines::new(), Vec::new());
        let mut take = |line: &[u8]| found.push(line.len());
        for _ in 0..300 {
            lines.push(&[b'x'; 1000], &mut take);
        }
        lines.push(b"\nshort\n", &mut take);
        assert_eq!(found, [MAX_LINE_BYTES, 5]);
        assert_eq!(lines.too_long(), 1);
    }
}
