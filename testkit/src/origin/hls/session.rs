//! Addresses of a broadcast that are one client's for a while, with numbers of segments of their
//! own.

use std::time::{Duration, SystemTime};

use super::State;
use super::playlist::listed;

/// Where the addresses of sessions begin.
pub(super) const FOLDER: &str = "session/";

/// How a session numbers its segments, in their names too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbering {
    /// As every other does.
    Same,
    /// A thousand higher than the one before.
    Higher,
    /// From 0, so that the same numbers and names mean other segments in each session.
    FromZero,
}

/// A session.
#[derive(Debug, Clone, Copy)]
pub(super) struct Session {
    number: usize,
    /// When it ends, since 1970.
    ends: Duration,
    /// What is added to the place of a segment for its number.
    shift: i64,
}

impl Session {
    /// The number of a segment, by its place.
    pub(super) fn sequence(&self, segment: usize) -> i64 {
        i64::try_from(segment).expect("a test is short") + self.shift
    }

    /// The place of the segment with this number.
    pub(super) fn segment(&self, sequence: i64) -> Option<usize> {
        usize::try_from(sequence - self.shift).ok()
    }

    pub(super) fn is_over(&self) -> bool {
        now() >= self.ends
    }
}

impl State {
    /// Begins a session: the path of its entry with its query.
    pub(super) fn issue_session(&mut self, numbering: Numbering, lifetime: Duration) -> String {
        let number = self.sessions.len();
        let place = |number: usize| i64::try_from(number).expect("a test is short");
        let shift = match numbering {
            Numbering::Same => 100,
            Numbering::Higher => 1000 * (place(number) + 1),
            Numbering::FromZero => -place(listed(self).start),
        };
        let expire = now().as_secs() + lifetime.as_secs();
        let session = Session { number, ends: Duration::from_secs(expire), shift };
        self.sessions.push(session);
        format!("{FOLDER}{}/index.m3u8?expire={expire}", session.number)
    }

    /// The session of a path behind [`FOLDER`], and what it asks for.
    pub(super) fn session<'a>(&self, path: &'a str) -> Option<(Session, &'a str)> {
        let (number, name) = path.split_once('/')?;
        Some((*self.sessions.get(number.parse::<usize>().ok()?)?, name))
    }
}

fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("it is later than 1970")
}
