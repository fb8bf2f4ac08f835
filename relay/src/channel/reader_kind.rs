//! The kinds of readers of a channel, and what each counts into.
//!
//! A reader is not always a person. A recording keeps a channel open like a viewer, but it takes no
//! place of `max_viewers`, sends nothing over the network, and does not come back, so the channel
//! need not linger.
//!
//! The columns: the reader counts as a viewer, also for `max_viewers`; it takes bandwidth; it keeps
//! the channel open; the channel lingers after it has left.
//!
//! | kind | viewer | bandwidth | keeps open | lingers |
//! |---|---|---|---|---|
//! | [`Ts`](ReaderKind::Ts), [`Hls`](ReaderKind::Hls) | yes | yes | yes | yes |
//! | [`Timeshift`](ReaderKind::Timeshift) | no | no | no | no |
//! | [`Record`](ReaderKind::Record) | no | no | yes | no |
//! | [`Job`](ReaderKind::Job) | no | no | yes | yes |
//! | [`Push`](ReaderKind::Push) | no | yes | yes | no |
//! | [`Node`](ReaderKind::Node) | no | yes | yes | yes |

/// The kind of a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReaderKind {
    /// A person who watches the transport stream.
    Ts,
    /// A person who watches by HLS.
    Hls,
    /// The time-shift: it stores media while other readers keep the channel open.
    Timeshift,
    /// A recording.
    Record,
    /// A push to another server.
    Push,
    /// A program that processes the stream, such as a transcoder. The viewers are those of its
    /// output.
    Job,
    /// Another node of a cluster. It counts its own viewers.
    Node,
}

impl ReaderKind {
    /// All kinds.
    pub const ALL: [Self; 7] =
        [Self::Ts, Self::Hls, Self::Timeshift, Self::Record, Self::Push, Self::Job, Self::Node];

    /// The word in the status document.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ts => "viewer",
            Self::Hls => "hls",
            Self::Timeshift => "timeshift",
            Self::Record => "record",
            Self::Push => "push",
            Self::Job => "job",
            Self::Node => "node",
        }
    }

    /// Whether the reader is a viewer, which counts for `max_viewers`.
    pub const fn is_viewer(self) -> bool {
        matches!(self, Self::Ts | Self::Hls)
    }

    /// Whether the reader's media goes over the network, and counts for `max_bandwidth`.
    pub const fn takes_bandwidth(self) -> bool {
        matches!(self, Self::Ts | Self::Hls | Self::Push | Self::Node)
    }

    /// Whether the reader keeps the channel open.
    pub const fn keeps_open(self) -> bool {
        !matches!(self, Self::Timeshift)
    }

    /// Whether the channel stays open for `idle_timeout` after the reader left: people who zap come
    /// back, and a job that failed is begun anew.
    pub const fn lingers(self) -> bool {
        matches!(self, Self::Ts | Self::Hls | Self::Job | Self::Node)
    }

    const fn index(self) -> usize {
        self as usize
    }
}

/// How many readers of each kind a channel has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Readers([usize; ReaderKind::ALL.len()]);

impl Readers {
    /// The readers of one kind.
    pub const fn of(&self, kind: ReaderKind) -> usize {
        self.0[kind.index()]
    }

    /// The viewers.
    pub fn viewers(&self) -> usize {
        self.count(ReaderKind::is_viewer)
    }

    /// The readers that keep the channel open.
    pub(super) fn keeping_open(&self) -> usize {
        self.count(ReaderKind::keeps_open)
    }

    /// The readers after whom the channel lingers.
    pub(super) fn lingering(&self) -> usize {
        self.count(ReaderKind::lingers)
    }

    /// The readers whose media goes over the network.
    pub(super) fn taking_bandwidth(&self) -> usize {
        self.count(ReaderKind::takes_bandwidth)
    }

    fn count(&self, belongs: impl Fn(ReaderKind) -> bool) -> usize {
        ReaderKind::ALL.into_iter().filter(|&kind| belongs(kind)).map(|kind| self.of(kind)).sum()
    }

    /// The number of readers of one kind, to be changed.
    pub(super) fn of_mut(&mut self, kind: ReaderKind) -> &mut usize {
        &mut self.0[kind.index()]
    }
}
