//! What a source is judged by: the rules, their thresholds, and what is said when one fires.

use std::fmt;
use std::time::Duration;

/// What can be wrong with a source that goes on sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// Media goes on slower than time.
    Slow,
    /// The map announces pictures, and none come.
    VideoMissing,
    /// The map announces sound, and none comes.
    AudioMissing,
    /// The pictures, or the sound where there are none, are scrambled.
    Scrambled,
    /// Packets are damaged or lost, all the time.
    Damaged,
    /// The clock jumps again and again.
    ErraticClock,
    /// The same seconds come again.
    Repeating,
    /// The picture stands still.
    FrozenPicture,
}

impl Rule {
    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();

    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Slow,
        Self::VideoMissing,
        Self::AudioMissing,
        Self::Scrambled,
        Self::Damaged,
        Self::ErraticClock,
        Self::Repeating,
        Self::FrozenPicture,
    ];

    /// Its name in the configuration, in reports and in the log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Slow => "slow",
            Self::VideoMissing => "video_missing",
            Self::AudioMissing => "audio_missing",
            Self::Scrambled => "scrambled",
            Self::Damaged => "damaged",
            Self::ErraticClock => "erratic_clock",
            Self::Repeating => "repeating",
            Self::FrozenPicture => "frozen_picture",
        }
    }

    /// What a source with this fault is worth.
    pub const fn severity(self) -> Severity {
        match self {
            Self::AudioMissing | Self::Damaged | Self::ErraticClock | Self::FrozenPicture => {
                Severity::Programme
            }
            Self::Repeating => Severity::Notice,
            Self::Slow | Self::VideoMissing | Self::Scrambled => Severity::Nothing,
        }
    }

    /// Its place in [`Rule::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// What viewers have of a source that is not as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The programme, as well as it goes: better than nothing, as long as it lasts.
    Programme,
    /// Pictures, but probably not the programme: better than nothing, and from time to time it is
    /// tried whether there is more by now.
    Notice,
    /// Nothing.
    Nothing,
}

/// The threshold of each rule; `None` switches it off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// How far media may fall behind its best lead. Media at less than three quarters of its pace
    /// is noticed before, within 3 s.
    pub slow: Option<Duration>,
    /// How long announced pictures may be missing, by the sound's or the clock's time.
    pub video_missing: Option<Duration>,
    /// How long all announced sound may be missing, by the pictures' or the clock's time. Sound
    /// that has never come has 3 s more.
    pub audio_missing: Option<Duration>,
    /// How long most packets may be scrambled.
    pub scrambled: Option<Duration>,
    /// Damaged packets and breaks of continuity counters in each of three seconds.
    pub damaged: Option<u32>,
    /// Jumps of the clock within ten seconds.
    pub erratic_clock: Option<u32>,
    /// How long what came before may come again.
    pub repeating: Option<Duration>,
    /// How long the picture may stand still.
    pub frozen_picture: Option<Duration>,
}

impl Rules {
    /// Nothing is judged.
    pub const OFF: Self = Self {
        slow: None,
        video_missing: None,
        audio_missing: None,
        scrambled: None,
        damaged: None,
        erratic_clock: None,
        repeating: None,
        frozen_picture: None,
    };
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            slow: Some(Duration::from_secs(5)),
            video_missing: Some(Duration::from_secs(3)),
            // Speech has pauses, but encoders go on sending frames in them.
            audio_missing: Some(Duration::from_secs(5)),
            scrambled: Some(Duration::from_secs(1)),
            // A bad aerial, with blocks in the picture all the time, made 16.
            damaged: Some(20),
            erratic_clock: Some(4),
            repeating: Some(Duration::from_secs(2)),
            // Still pictures are programmes, too: radio, teleshopping, a test card.
            frozen_picture: None,
        }
    }
}

/// A rule has fired: what was seen is its `Display`, with figures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fault {
    /// Which one.
    pub rule: Rule,
    /// It has begun; else it goes on, and is told of again.
    pub is_new: bool,
    pub(super) seen: Seen,
}

/// What was seen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Seen {
    /// Media went on by less than time did.
    Drip { media: Duration, time: Duration },
    /// Media is behind where it was.
    Behind(Duration),
    /// Nothing of a kind came for so long.
    Missing(Duration),
    /// Most packets were scrambled for so long.
    Scrambled(Duration),
    /// So many errors in so long.
    Errors { count: u32, time: Duration },
    /// So many jumps in so long.
    Jumps { count: usize, time: Duration },
    /// So much was the same as so long before.
    Again { length: Duration, after: Duration },
    /// The picture stood still for so long.
    Still(Duration),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |time: Duration| time.as_secs_f64();
        match self.seen {
            Seen::Drip { media, time } => {
                write!(f, "only {:.1} s of media came in {:.1} s", seconds(media), seconds(time))
            }
            Seen::Behind(time) => write!(f, "media has fallen {:.1} s behind", seconds(time)),
            Seen::Missing(time) => {
                let kind = if self.rule == Rule::VideoMissing { "video" } else { "audio" };
                write!(f, "{kind} is announced, and none came for {:.1} s", seconds(time))
            }
            Seen::Scrambled(time) => write!(f, "scrambled for {:.1} s", seconds(time)),
            Seen::Errors { count, time } => {
                write!(f, "{count} damaged or lost packets in {:.1} s", seconds(time))
            }
            Seen::Jumps { count, time } => {
                write!(f, "the clock jumped {count} times in {:.1} s", seconds(time))
            }
            Seen::Again { length, after } => {
                let (length, after) = (seconds(length), seconds(after));
                write!(f, "{length:.1} s were the same as {after:.1} s before")
            }
            Seen::Still(time) => write!(f, "the picture has not moved for {:.1} s", seconds(time)),
        }
    }
}
