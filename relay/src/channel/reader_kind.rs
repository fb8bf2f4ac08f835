//! The kinds of readers of a channel, and what each counts into.
//!
//! A reader is not a person. A recording keeps a channel open as a viewer does, but nobody comes
//! back to it, it takes none of the places for viewers, and nothing of it is sent over the network.
//!
//! | kind | counts as a viewer, and for `max_viewers` | takes bandwidth | keeps the channel open | channel lingers after it |
//! |---|---|---|---|---|
//! | [`Viewer`](ReaderKind::Viewer), [`Hls`](ReaderKind::Hls) | yes | yes | yes | yes |
//! | [`Timeshift`](ReaderKind::Timeshift) | no | no | no | no |
//! | [`Record`](ReaderKind::Record), [`Job`](ReaderKind::Job) | no | no | yes | no |
//! | [`Push`](ReaderKind::Push) | no | yes | yes | no |
//! | [`Node`](ReaderKind::Node) | no | yes | yes | yes |

/// What reads a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReaderKind {
    /// A person who watches the transport stream.
    Viewer,
    /// A person who watches by HLS.
    Hls,
    /// The time-shift's file: it keeps what others have the channel opened for.
    Timeshift,
    /// A recording.
    Record,
    /// A push to another server.
    Push,
    /// A program that works on the stream, such as a transcoder. Its output is a channel, which
    /// lingers by itself.
    Job,
    /// Another node of a cluster, which has viewers of its own and counts them itself.
    Node,
}

impl ReaderKind {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Viewer, Self::Hls, Self::Timeshift, Self::Record, Self::Push, Self::Job, Self::Node];

    /// Its word in the status document.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Hls => "hls",
            Self::Timeshift => "timeshift",
            Self::Record => "record",
            Self::Push => "push",
            Self::Job => "job",
            Self::Node => "node",
        }
    }

    /// Whether it is a person: one of the channel's viewers, for whom `max_viewers` is meant.
    pub const fn is_viewer(self) -> bool {
        matches!(self, Self::Viewer | Self::Hls)
    }

    /// Whether what it reads goes over the network, for which `max_bandwidth` is meant.
    pub const fn takes_bandwidth(self) -> bool {
        matches!(self, Self::Viewer | Self::Hls | Self::Push | Self::Node)
    }

    /// Whether the channel is open as long as it reads.
    pub const fn keeps_open(self) -> bool {
        !matches!(self, Self::Timeshift)
    }

    /// Whether the channel stays open for `idle_timeout` after it has left, since people who zap
    /// come back.
    pub const fn lingers(self) -> bool {
        matches!(self, Self::Viewer | Self::Hls | Self::Node)
    }

    const fn index(self) -> usize {
        self as usize
    }
}

/// How many readers of each kind a channel has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Readers([usize; ReaderKind::ALL.len()]);

impl Readers {
    /// Those of one kind.
    pub const fn of(&self, kind: ReaderKind) -> usize {
        self.0[kind.index()]
    }

    /// The people who watch.
    pub fn viewers(&self) -> usize {
        self.count(ReaderKind::is_viewer)
    }

    /// Those who keep the channel open.
    pub(super) fn keeping_open(&self) -> usize {
        self.count(ReaderKind::keeps_open)
    }

    /// Those after whom the channel lingers.
    pub(super) fn lingering(&self) -> usize {
        self.count(ReaderKind::lingers)
    }

    /// Those who are sent something over the network.
    pub(super) fn taking_bandwidth(&self) -> usize {
        self.count(ReaderKind::takes_bandwidth)
    }

    fn count(&self, belongs: impl Fn(ReaderKind) -> bool) -> usize {
        ReaderKind::ALL.into_iter().filter(|&kind| belongs(kind)).map(|kind| self.of(kind)).sum()
    }

    /// Those of one kind, to be changed.
    pub(super) fn of_mut(&mut self, kind: ReaderKind) -> &mut usize {
        &mut self.0[kind.index()]
    }

    /// What the driver needs to hear of, not each reader who comes and goes.
    pub(super) fn demand(&self) -> (bool, bool) {
        (self.keeping_open() > 0, self.lingering() > 0)
    }
}
