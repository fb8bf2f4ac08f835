//! Breaks of a programme, in which something else is listed behind EXT-X-DISCONTINUITY.

use std::sync::Arc;
use std::time::Duration;

use super::media::Media;
use super::settings::{Container, Hls};
use super::state::{Segment, State};
use crate::clip::Clip;
use crate::origin::behaviour::ticks_90k;

/// A part may end so much sooner than it should, in 90 kHz ticks.
const TOLERANCE_90K: u64 = 9_000;

/// Breaks at regular intervals: the programme stops for a time, and goes on where it stopped. Each
/// begins with the same media, bit for bit.
#[derive(Debug, Clone)]
pub struct Breaks {
    pub(super) clip: Arc<Clip>,
    pub(super) programme: Duration,
    pub(super) length: Duration,
    pub(super) later: [Duration; 2],
    pub(super) container: Option<Container>,
    pub(super) is_slate: bool,
}

impl Breaks {
    /// After each so much of the programme, this clip for so long. Both lengths are whole numbers
    /// of segments.
    pub fn new(clip: Arc<Clip>, programme: Duration, length: Duration) -> Self {
        Self { clip, programme, length, later: [Duration::ZERO; 2], container: None, is_slate: false }
    }

    /// Adds so much to the time stamps of the programme, and of the breaks.
    #[must_use]
    pub fn later(self, programme: Duration, breaks: Duration) -> Self {
        Self { later: [programme, breaks], ..self }
    }

    /// The segments of the breaks are of another kind.
    #[must_use]
    pub fn container(self, container: Container) -> Self {
        Self { container: Some(container), ..self }
    }

    /// One segment is listed again and again, behind an EXT-X-DISCONTINUITY each time.
    #[must_use]
    pub fn slate(self) -> Self {
        Self { is_slate: true, ..self }
    }
}

/// Where a broadcast with breaks is.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// The programme, while there is a break.
    programme: Option<Media>,
    /// Its media so far, in 90 kHz ticks.
    played_90k: u64,
    /// When the part that is being cut ends.
    ends_90k: u64,
    /// The segment of which a slate is made.
    pub(super) slate: Option<usize>,
}

/// What is broadcast, of which `is_break` is to be cut.
pub(super) fn media_of(hls: &Hls, is_break: bool) -> Media {
    let Some(breaks) = &hls.breaks else { return Media::new(hls, 0) };
    let later_90k = ticks_90k(breaks.later[usize::from(is_break)]);
    if !is_break {
        return Media::new(hls, later_90k);
    }
    let container = breaks.container.unwrap_or(hls.container);
    Media::new(&Hls { clip: breaks.clip.clone(), container, ..hls.clone() }, later_90k)
}

impl State {
    /// Begins with the break, or with the programme, if it is time; where the next segment begins
    /// in the list then, in 90 kHz ticks.
    pub(super) fn take_turns(&mut self) -> Option<u64> {
        let breaks = self.hls.breaks.clone()?;
        let (programme, length) = (ticks_90k(breaks.programme), ticks_90k(breaks.length));
        let end = self.segments.last().map_or(0, Segment::end_90k);
        if self.segments.is_empty() {
            self.turns.ends_90k = programme;
        }
        let in_break = self.turns.programme.is_some();
        if end + TOLERANCE_90K < self.turns.ends_90k {
            if in_break && breaks.is_slate {
                let media = media_of(&self.hls, true);
                self.begin_part(media);
            }
            return None;
        }
        let begin = self.turns.ends_90k;
        self.turns.slate = None;
        let media = if let Some(mut media) = self.turns.programme.take() {
            self.turns.ends_90k += programme;
            media.go_back(self.turns.played_90k);
            media
        } else {
            self.turns.played_90k += programme;
            self.turns.ends_90k += length;
            media_of(&self.hls, true)
        };
        let before = self.begin_part(media);
        if !in_break {
            self.turns.programme = Some(before);
        }
        self.turns.slate = (!in_break && breaks.is_slate).then_some(self.segments.len());
        Some(begin)
    }
}
