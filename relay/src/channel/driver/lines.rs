//! The attempts of a channel to open a source, those that succeeded included.

use forebay_core::lifecycle::Attempt;

use super::line::Line;

/// Why a line is there that somebody asks for: the lifecycle tells of attempts that it opened and
/// has not closed, and a line tells of itself only while it is there.
const OPEN: &str = "an attempt is told of between its opening and its closing";

/// What is on air, if anything is, and behind it what is on its way there: three at most.
#[derive(Default)]
pub(super) struct Lines(Vec<Line>);

impl Lines {
    pub(super) fn push(&mut self, line: Line) {
        debug_assert!(!self.has(line.attempt), "each attempt has a number of its own");
        self.0.push(line);
    }

    /// Whether this attempt is still open, or being opened.
    pub(super) fn has(&self, attempt: Attempt) -> bool {
        self.0.iter().any(|line| line.attempt == attempt)
    }

    pub(super) fn of(&self, attempt: Attempt) -> &Line {
        self.0.iter().find(|line| line.attempt == attempt).expect(OPEN)
    }

    pub(super) fn of_mut(&mut self, attempt: Attempt) -> &mut Line {
        self.0.iter_mut().find(|line| line.attempt == attempt).expect(OPEN)
    }

    pub(super) fn remove(&mut self, attempt: Attempt) -> Line {
        let at = self.place(attempt);
        self.0.remove(at)
    }

    /// What goes on air is the first from then on.
    pub(super) fn put_first(&mut self, attempt: Attempt) -> &mut Line {
        let at = self.place(attempt);
        self.0.swap(0, at);
        &mut self.0[0]
    }

    /// What is on air, if anything is; else what was asked for first.
    pub(super) fn first(&self) -> Option<&Line> {
        self.0.first()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Line> {
        self.0.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Line> {
        self.0.iter_mut()
    }

    fn place(&self, attempt: Attempt) -> usize {
        self.0.iter().position(|line| line.attempt == attempt).expect(OPEN)
    }
}
