//! An upstream that is open: from its pieces to the picture that viewers see.

use std::time::Duration;

use forebay_core::cadence::Allowance;
use forebay_core::health::{Inspector, Rules};
use forebay_core::pacer::Pacer;
use forebay_core::time::Moment;
use forebay_core::ts::demux;
use forebay_core::ts::scout::Scout;
use forebay_core::ts::splice::Splice;
use forebay_core::ts::sync::{Item, Sync};

use super::flow::{self, Flow};
use crate::input::{Error, Pace, Piece, Upstream, sniff};
use crate::model::Policy;

/// Bytes in which a transport stream must be found: a disguise in front of one is far shorter.
const MAX_UNLOCKED: u64 = 256 * 1024;

/// Whatever has a length and is no longer may be a notice that the channel is not there.
const MAX_NOTICE: Duration = Duration::from_mins(1);

/// Passes of a file without a picture, after which it is given up.
const MAX_BLIND_PASSES: u32 = 2;

/// An upstream is read in the last part of a tick, so that it costs one wake-up a tick and not one for each packet that comes. What it has
/// sent before waits in the kernel.
const READING: Duration = Duration::from_millis(2);

/// An upstream that was not quiet for so long at the tick has more: it is read on.
const QUIET: Duration = Duration::from_millis(1);

/// An upstream that is open.
pub(super) struct Input {
    pub(super) upstream: Upstream,
    sync: Sync,
    /// The first bytes, until a transport stream is found.
    pub(super) beginning: Vec<u8>,
    bytes: u64,
    pub(super) is_locked: bool,
    blind_passes: u32,
    tempo: Tempo,
    /// When the last piece came.
    read_at: Moment,
    /// What may still be read in this tick.
    allowance: Allowance,
    /// Set while the pace says to wait.
    pub(super) resumes_at: Option<Moment>,
    /// Looks at it until it goes on air.
    scout: Option<Scout>,
    pub(super) inspector: Inspector,
    /// Segments of an HLS source that the inspector knows to be over.
    segments: u64,
    /// How much of what viewers are given is ahead of time, beyond what each viewer is.
    lead: Duration,
}

/// How much of a source that can be read at any speed viewers are given at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lead {
    /// A segment of an HLS source, or at least `burst`. Nobody watches yet, so nobody is left
    /// behind. Beyond that, what an HLS source has for a head start, or any other source that has
    /// all its media at hand, `head_start`.
    Opening { burst: Duration, head_start: Duration },
    /// This much: viewers have had nothing for a while.
    Burst(Duration),
    /// Nothing: viewers have enough.
    None,
}

/// How its media goes on in time.
enum Tempo {
    /// It could be read at any speed, and is read no faster than it plays.
    Paced(Pacer),
    /// It sends by itself.
    Live(Box<Flow>),
}

impl Tempo {
    fn of(pace: Pace, policy: &Policy) -> Self {
        match pace {
            Pace::MediaTime => Self::Paced(Pacer::new(policy.burst)),
            Pace::Live => Self::Live(Box::new(Flow::new(policy.read_ahead, policy.buffer_bytes))),
        }
    }
}

/// What has become of the picture that a candidate could go on air with.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Picture {
    #[default]
    Unchanged,
    /// There is a new one, and it is whole.
    New,
    /// It is held no longer.
    Gone,
}

/// What came of a piece.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) bytes: u64,
    /// Bytes that were no part of a packet.
    pub(super) skipped: u64,
    /// A transport stream was found.
    pub(super) is_found: bool,
    pub(super) picture: Picture,
    /// Media time went on.
    pub(super) has_progress: bool,
    /// Something came that is no part of it yet.
    pub(super) is_alive: bool,
}

impl Input {
    /// A candidate; of a source that can be read at any speed as much comes at once as a viewer is
    /// given.
    pub(super) fn new(upstream: Upstream, rules: Rules, program: Option<u16>, policy: &Policy) -> Self {
        let mut inspector = Inspector::new(rules, program);
        let tempo = Tempo::of(upstream.pace, policy);
        if matches!(tempo, Tempo::Paced(_)) {
            inspector.set_paced();
        }
        Self {
            upstream,
            sync: Sync::new(),
            beginning: Vec::new(),
            bytes: 0,
            is_locked: false,
            blind_passes: 0,
            tempo,
            read_at: Moment::ZERO,
            allowance: Allowance::default(),
            resumes_at: None,
            scout: Some(Scout::new(program).passing_scrambled(rules.scrambled.is_none())),
            inspector,
            segments: 0,
            lead: Duration::ZERO,
        }
    }

    /// Whether it is what viewers see.
    pub(super) fn is_on_air(&self) -> bool {
        self.scout.is_none()
    }

    /// Puts it on air. `lead` is how much of a source that can be read at any speed comes at once.
    pub(super) fn go_on_air(&mut self, now: Moment, splice: &mut Splice, lead: Lead) {
        if let Some(scout) = self.scout.take() {
            scout.hand_over(splice);
        }
        if let Tempo::Paced(pacer) = &mut self.tempo {
            let lead = match lead {
                Lead::Opening { burst, head_start } => {
                    let monitor = self.upstream.monitor.as_ref();
                    let (segment, head_start) = monitor.map_or((Duration::ZERO, head_start), |monitor| {
                        (monitor.at_once(), monitor.head_start())
                    });
                    // Who joins later begins where it would be without a head start.
                    self.lead = segment.saturating_sub(burst);
                    burst + self.lead + head_start
                }
                Lead::Burst(burst) => burst,
                Lead::None => Duration::ZERO,
            };
            *pacer = Pacer::new(lead);
        }
        self.set_pace(now, splice);
    }

    /// When it is read next, at a tick of this length that was last at `ticked_at`; `None` for at once.
    pub(super) fn reads_at(&self, ticked_at: Moment, tick: Duration) -> Option<Moment> {
        let has_picture = self.scout.as_ref().is_none_or(Scout::has_picture);
        let is_live = has_picture && matches!(self.tempo, Tempo::Live(_));
        let rests = is_live && ticked_at.since(self.read_at) >= QUIET;
        let rests_until = rests.then(|| ticked_at + tick.saturating_sub(READING));
        self.resumes_at.max(rests_until).max(self.allowance.renews_at(tick))
    }

    /// Whether it gives viewers who wait for whole segments some at once.
    pub(super) fn has_head_start(&self) -> bool {
        self.upstream.monitor.as_ref().is_some_and(|monitor| !monitor.head_start().is_zero())
    }

    /// Counts of the source.
    pub(super) fn counts(&self, splice: &Splice) -> demux::Counts {
        self.scout.as_ref().map_or_else(|| splice.input_counts(), Scout::input_counts)
    }

    /// Memory that it takes beside what is on air, in bytes.
    pub(super) fn memory(&self) -> usize {
        let held = self.flow().map_or(0, Flow::memory);
        self.scout.as_ref().map_or(0, Scout::memory) + held
    }

    /// Notes that a piece was read in a tick of this length; whether it was the last in that.
    pub(super) fn spend(&mut self, now: Moment, tick: Duration, piece: &Piece) -> bool {
        let bytes = if let Piece::Bytes(bytes) = piece { bytes.len() } else { 0 };
        self.allowance.spend(now, tick, bytes as u64)
    }

    /// A source that falls behind: whether it can do with less, and is about to. Then it is judged
    /// anew.
    pub(super) fn makes_do_with_less(&mut self) -> bool {
        let has_less = self.upstream.monitor.as_ref().is_some_and(|monitor| monitor.ask_for_less());
        if has_less {
            self.inspector.forget_pace();
        }
        has_less
    }

    /// How long it may stand still, of one that comes in parts.
    pub(super) fn patience(&self) -> Option<Duration> {
        self.upstream.monitor.as_ref().map(|monitor| monitor.stall_after())
    }

    /// Takes a piece, for `splice` if it is on air.
    pub(super) fn take(&mut self, now: Moment, piece: &Piece, splice: &mut Splice) -> Result<Taken, Error> {
        let segments = self.upstream.monitor.as_ref().map_or(0, |monitor| monitor.segments_taken());
        if std::mem::replace(&mut self.segments, segments) != segments {
            self.inspector.handle_part(now);
        }
        match piece {
            Piece::Bytes(bytes) => self.push(now, bytes, splice),
            Piece::Cut => {
                self.inspector.cut();
                match &mut self.scout {
                    Some(scout) => scout.cut(),
                    None => splice.cut(),
                }
                Ok(Taken::default())
            }
            Piece::Life => Ok(Taken { is_alive: true, ..Taken::default() }),
            Piece::Seam => self.begin_anew(splice),
        }
    }

    /// The run of bytes ends here, and another begins.
    fn begin_anew(&mut self, splice: &mut Splice) -> Result<Taken, Error> {
        if !self.is_locked {
            return Err(Error::NotTransportStream(sniff::describe(&self.beginning)));
        }
        self.sync = Sync::new();
        self.inspector.seam();
        let mut taken = Taken::default();
        let Some(scout) = &mut self.scout else {
            splice.finish();
            splice.begin();
            return Ok(taken);
        };
        // A clip of one picture is complete only here.
        if scout.finish() {
            taken.picture = Picture::New;
        } else {
            // A list of segments has other seams than that behind its last.
            let is_blind = !scout.has_picture() && self.upstream.monitor.is_none();
            self.blind_passes = if is_blind { self.blind_passes + 1 } else { 0 };
            if self.blind_passes >= MAX_BLIND_PASSES {
                return Err(Error::NoPicture);
            }
            scout.begin();
        }
        Ok(taken)
    }

    fn push(&mut self, now: Moment, bytes: &[u8], splice: &mut Splice) -> Result<Taken, Error> {
        self.bytes += bytes.len() as u64;
        self.read_at = now;
        if !self.is_locked && self.beginning.len() < sniff::LOOKED_AT {
            self.beginning.extend(bytes.iter().take(sniff::LOOKED_AT - self.beginning.len()));
        }
        self.resumes_at = None;
        let mut taken = Taken { bytes: bytes.len() as u64, ..Taken::default() };
        let had_picture = self.scout.as_ref().is_some_and(Scout::has_picture);
        // What is cut small can be given in small steps.
        for bytes in bytes.chunks(flow::STEP) {
            self.push_step(now, bytes, splice, &mut taken);
        }
        if !self.is_locked {
            self.is_locked = self.sync.stride().is_some();
            taken.is_found = self.is_locked;
            if !self.is_locked && self.bytes > MAX_UNLOCKED {
                return Err(Error::NotTransportStream(sniff::describe(&self.beginning)));
            }
        }
        if had_picture && self.scout.as_ref().is_some_and(|scout| !scout.has_picture()) {
            taken.picture = Picture::Gone;
        }
        taken.has_progress = match &mut self.scout {
            Some(scout) => scout.take_progress(),
            None => splice.take_progress(),
        };
        self.set_pace(now, splice);
        Ok(taken)
    }

    fn push_step(&mut self, now: Moment, bytes: &[u8], splice: &mut Splice, taken: &mut Taken) {
        let mut items = self.sync.push(bytes);
        while let Some(item) = items.next() {
            let packets = match item {
                Item::Packets(packets) => packets,
                Item::Skipped { bytes } => {
                    taken.skipped += bytes;
                    continue;
                }
            };
            self.inspector.push(now, packets);
            if let Tempo::Live(flow) = &mut self.tempo {
                if !flow.arrive(now, self.inspector.decoded(), packets, self.scout.is_none()) {
                    continue;
                }
                while let Some(held) = flow.take_held() {
                    splice.push(&held);
                }
            }
            match &mut self.scout {
                Some(scout) => {
                    if scout.push(packets) {
                        taken.picture = Picture::New;
                    }
                }
                None => splice.push(packets),
            }
        }
    }

    fn flow(&self) -> Option<&Flow> {
        match &self.tempo {
            Tempo::Paced(_) => None,
            Tempo::Live(flow) => Some(flow),
        }
    }

    /// How long the media that has come still lasts.
    pub(super) fn ahead(&self, now: Moment) -> Duration {
        self.flow().map_or(Duration::ZERO, |flow| flow.ahead(now))
    }

    /// How much of what viewers have been given is not due yet.
    pub(super) fn not_due(&self, now: Moment) -> Duration {
        self.flow().map_or(self.lead, |flow| flow.not_due(now))
    }

    /// Whether it sends by itself, and reading pauses since there is enough.
    pub(super) fn is_held(&self) -> bool {
        self.flow().is_some() && self.resumes_at.is_some()
    }

    /// Whether something comes that is no media yet: it gets ready.
    pub(super) fn is_getting_ready(&self) -> bool {
        self.flow().is_some_and(|flow| !flow.has_begun())
    }

    /// When something of it that is held back is due.
    pub(super) fn due(&self) -> Option<Moment> {
        self.flow().and_then(Flow::due)
    }

    /// Gives what is due; whether media time went on.
    pub(super) fn give_due(&mut self, now: Moment, splice: &mut Splice) -> bool {
        let Tempo::Live(flow) = &mut self.tempo else { return false };
        while let Some(packets) = flow.take_due(now) {
            splice.push(&packets);
        }
        splice.take_progress()
    }

    /// Gives what is held back, all at once: nothing follows.
    pub(super) fn give_all(&mut self, splice: &mut Splice) {
        let Tempo::Live(flow) = &mut self.tempo else { return };
        while let Some(packets) = flow.take_held() {
            splice.push(&packets);
        }
    }

    /// It has come to its end at `now`, and whether that is told later: what has a length ends
    /// where it has been played to its end. Where there is another source, it is told at once of
    /// something short, which may be a notice.
    pub(super) fn plays_on(&mut self, now: Moment, has_other: bool, splice: &mut Splice) -> bool {
        let Some(flow) = self.flow().filter(|_| self.upstream.has_length && self.scout.is_none()) else {
            return false;
        };
        let ahead = flow.ahead(now);
        let may_be_notice = has_other && flow.length() <= MAX_NOTICE;
        let plays_on = !ahead.is_zero() && !may_be_notice;
        if plays_on {
            self.give_all(splice);
            splice.finish();
            self.resumes_at = Some(now + ahead);
        }
        plays_on
    }

    /// Sets when it is read next: before its first picture, at once.
    fn set_pace(&mut self, now: Moment, splice: &Splice) {
        let position = match &self.scout {
            Some(scout) => scout.reached().filter(|_| scout.has_picture()),
            None => splice.reached().filter(|_| splice.is_open()),
        };
        let Some(position) = position else { return };
        match &mut self.tempo {
            Tempo::Paced(pacer) => {
                if let Some(monitor) = &self.upstream.monitor {
                    pacer.steer(now, position, monitor.waiting());
                }
                self.resumes_at = Some(pacer.due(now, position)).filter(|&due| due > now);
            }
            Tempo::Live(flow) => self.resumes_at = flow.reads_at(now),
        }
    }
}
