//! How a source that sends by itself brings its media in time: evenly, in lumps, or faster than it
//! plays.
//!
//! Evenly is how a live source sends, after a head start of some seconds that many give. In lumps
//! is how programs send that get segments of some seconds and pass each on when it is there. Faster
//! than it plays comes a file from a web server. [`Rhythm`] tells them apart by how far media is
//! ahead of time, and [`Spread`] gives the media of a lump to viewers over the time that it lasts.

use std::collections::VecDeque;
use std::time::Duration;

use crate::time::{MediaTime, Moment, duration_to_ticks};

/// How far media may be ahead of time: a head start is 10 to 15 s, and lumps are up to 10 s. A
/// source that brings more is to be read no faster than it plays; what it has sent already waits in
/// the sockets.
pub const MAX_AHEAD: Duration = Duration::from_secs(16);

/// The shortest time without media that is a lull. Shorter ones are hidden by what viewers have in
/// store.
const LULL: Duration = Duration::from_secs(1);

/// A stretch between two lulls is a lump if it came within this part of the time that it plays, in
/// percent.
const MAX_LUMP: u32 = 75;

/// Time is cut into windows, each of which is even or not.
const WINDOW: Duration = Duration::from_secs(2);

/// The most media of an even window, in percent of its time. Lumps of 3 s make windows with one and
/// a half times their time.
const MAX_EVEN: u32 = 125;

/// Even windows in a row after which a source is even, whatever it was before.
const EVEN_WINDOWS: u32 = 2;

/// Where media was at some time.
#[derive(Debug, Clone, Copy)]
struct Stand {
    at: Moment,
    media: MediaTime,
}

impl Stand {
    /// The time and the media from `earlier` to here.
    fn since(self, earlier: Self) -> (Duration, Duration) {
        (self.at.since(earlier.at), self.media.since(earlier.media))
    }
}

/// Watches when the media of one source comes.
#[derive(Debug, Default)]
pub struct Rhythm(Option<Course>);

/// What has come since the first time stamp.
#[derive(Debug)]
struct Course {
    last: Stand,
    /// How far media was ahead of time then. An even source uses this up: its head start says
    /// nothing of how it sends later.
    ahead: Duration,
    /// Where media stood when the last lull ended.
    stretch: Stand,
    /// Where the window on hand began.
    window: Stand,
    /// The reader has paused in this window, so that it says nothing of the source, and until when.
    held_until: Option<Moment>,
    even_windows: u32,
    /// Lumps in a row.
    lumps: u32,
}

/// What came with some media.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// Media goes on.
    Going,
    /// Media goes on after a lull.
    AfterLull,
    /// Nothing that plays.
    Nothing,
}

impl Rhythm {
    /// Something came at `now`, and with it media stands at `media`.
    pub fn advance(&mut self, now: Moment, media: MediaTime) -> Arrival {
        let new = Stand { at: now, media };
        match &mut self.0 {
            // Media that does not go on says nothing of how it comes.
            Some(course) if media > course.last.media => course.advance(new),
            Some(_) => Arrival::Nothing,
            None => {
                self.0 = Some(Course::new(new));
                Arrival::Going
            }
        }
    }

    /// The reader pauses until then, since there is enough to give.
    pub fn hold(&mut self, until: Moment) {
        if let Some(course) = &mut self.0 {
            course.held_until = Some(until);
        }
    }

    /// How long the media that has come still lasts.
    pub fn ahead(&self, now: Moment) -> Duration {
        self.0.as_ref().map_or(Duration::ZERO, |course| course.ahead_at(now))
    }

    /// Whether the source sends in lumps.
    pub fn is_lumpy(&self) -> bool {
        self.0.as_ref().is_some_and(|course| course.lumps > 0)
    }

    /// Whether any media has come.
    pub fn has_begun(&self) -> bool {
        self.0.is_some()
    }
}

impl Course {
    fn new(first: Stand) -> Self {
        Self {
            last: first,
            ahead: Duration::ZERO,
            stretch: first,
            window: first,
            held_until: None,
            even_windows: 0,
            lumps: 0,
        }
    }

    fn ahead_at(&self, now: Moment) -> Duration {
        self.ahead.saturating_sub(now.since(self.last.at))
    }

    fn advance(&mut self, new: Stand) -> Arrival {
        let came = new.media.since(self.last.media);
        // While the reader paused, the sockets held what came.
        let read_since = self.held_until.map_or(self.last.at, |until| until.max(self.last.at));
        let is_after_lull = new.at.since(read_since) >= LULL;
        if is_after_lull {
            let (took, plays) = self.last.since(self.stretch);
            // A stretch that is too short to be one is none.
            let is_lump = plays >= LULL && took * 100 <= plays * MAX_LUMP;
            self.lumps = if is_lump { self.lumps + 1 } else { 0 };
            // From where media stood: the lump begins with what comes now.
            self.stretch = Stand { at: new.at, media: self.last.media };
            self.window = self.stretch;
            self.held_until = None;
            self.even_windows = 0;
        }
        self.ahead = self.ahead_at(new.at) + came;
        self.last = new;
        self.end_window();
        if is_after_lull { Arrival::AfterLull } else { Arrival::Going }
    }

    /// Judges the window on hand, if it is over.
    fn end_window(&mut self) {
        let (time, came) = self.last.since(self.window);
        if time < WINDOW {
            return;
        }
        // A window in which the reader paused says nothing of the source.
        if came * 100 <= time * MAX_EVEN && self.held_until.is_none() {
            self.ahead = self.ahead.saturating_sub(time);
            self.even_windows += 1;
        } else {
            self.even_windows = 0;
        }
        if self.even_windows >= EVEN_WINDOWS {
            self.lumps = 0;
        }
        self.window = self.last;
        self.held_until = None;
    }
}

/// The reserve that a lump is to find: lumps come a little early or late.
const RESERVE: Duration = Duration::from_millis(500);

/// Lumps whose reserve is looked at together.
const LUMPS: usize = 4;

/// Gives the media of a lumpy source to viewers over the time that it lasts.
///
/// The first byte of a lump goes out when it comes, and the last one just before the next lump
/// does. Where a lump is late, all media is from then on given later by as much; where all of the
/// last lumps came early, sooner. So viewers are behind the source by the length of a lump, and by
/// as much as lumps are late.
#[derive(Debug)]
pub struct Spread {
    /// When which media is due.
    origin: Stand,
    /// How much media the last lumps found that was not due yet, the newest last.
    reserves: VecDeque<Duration>,
}

impl Spread {
    /// Begins with a lump that comes at `now`, whose first media is `media`.
    pub fn new(now: Moment, media: MediaTime) -> Self {
        Self { origin: Stand { at: now, media }, reserves: VecDeque::new() }
    }

    /// When this media is due.
    pub fn due(&self, media: MediaTime) -> Moment {
        if media < self.origin.media {
            return self.origin.at;
        }
        self.origin.at + media.since(self.origin.media)
    }

    /// The media `media` came at `now`, and nothing was left to be given: what comes late is due
    /// when it comes.
    pub fn run_dry(&mut self, now: Moment, media: MediaTime) {
        if self.due(media) < now {
            self.origin = Stand { at: now, media };
        }
    }

    /// A lump begins, and as much as `reserve` of the last one was not due yet.
    pub fn begin_lump(&mut self, reserve: Duration) {
        if self.reserves.len() == LUMPS {
            self.reserves.pop_front();
        }
        self.reserves.push_back(reserve);
        // The least of the last ones: one late lump needs its reserve.
        let least = self.reserves.iter().min().copied().unwrap_or_default();
        // Twice the reserve, so that it is not moved to and fro.
        if self.reserves.len() == LUMPS && least > RESERVE * 2 {
            let surplus = least.saturating_sub(RESERVE);
            // Media is due sooner, so what stood for a later time stands for an earlier one.
            self.origin.media = self.origin.media.shifted(duration_to_ticks(surplus));
            self.reserves.clear();
        }
    }
}

#[cfg(test)]
mod tests;
