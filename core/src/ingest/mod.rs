//! An input that is open: from its bytes to the picture that viewers see.
//!
//! An [`Input`] finds the transport stream in the bytes, judges it, waits for the first picture
//! that a viewer could start with, and then feeds the output timeline. It says when to read on, so
//! that media which could be read at any speed comes no faster than it plays.

mod facts;
mod flow;
mod lead;
mod reading;
mod search;

use std::time::Duration;

pub use self::facts::{Facts, Limits, Pace, PartsState};
use self::flow::Flow;
pub use self::lead::Lead;
use self::reading::Reading;
use self::search::Search;
use crate::health::{Fault, Grade, Inspector, Rules};
use crate::pacer::Pacer;
use crate::time::Moment;
use crate::ts::demux;
use crate::ts::scout::Scout;
use crate::ts::splice::Splice;
use crate::ts::sync::{Item, Sync};

/// An input that ends by itself and is no longer than this may be a notice that the channel is
/// not there.
const MAX_NOTICE: Duration = Duration::from_mins(1);

/// Passes of a file without a picture, after which it is given up.
const MAX_BLIND_PASSES: u32 = 2;

/// An input that is open.
#[derive(Debug)]
pub struct Input {
    facts: Facts,
    /// Where it comes in parts: what it said of them last.
    parts: Option<PartsState>,
    sync: Sync,
    search: Search,
    /// Passes without a picture, in a row.
    blind_passes: u32,
    tempo: Tempo,
    reading: Reading,
    /// Looks for the first picture; none when the input is active.
    scout: Option<Scout>,
    inspector: Inspector,
    /// How much of what viewers are given is ahead of time, beyond what each viewer is.
    lead: Duration,
}

/// How the media goes on in time.
#[derive(Debug)]
enum Tempo {
    /// It could be read at any speed, and is read no faster than it plays.
    Paced(Pacer),
    /// The source sends by itself.
    Live(Box<Flow>),
}

/// What has become of the picture that a candidate could become active with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Picture {
    /// There is none, or the same as before.
    #[default]
    Unchanged,
    /// There is a new one, and it is whole.
    New,
    /// It is held no longer: its group of pictures is too long.
    Gone,
}

/// What came of a piece.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Taken {
    /// Bytes of it.
    pub bytes: u64,
    /// Bytes that were no part of a packet.
    pub skipped: u64,
    /// A transport stream was found.
    pub is_found: bool,
    /// The picture that the input could become active with.
    pub picture: Picture,
    /// Media time went on.
    pub has_progress: bool,
}

/// Why an input cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// There is no transport stream in it. [`Input::beginning`] says what there is.
    NotTransportStream,
    /// There is no picture in it.
    NoPicture,
}

impl Input {
    /// A candidate. Of an input that can be read at any speed, as much comes at once as a viewer is
    /// given.
    pub fn new(facts: Facts, rules: Rules, program: Option<u16>, limits: Limits) -> Self {
        // A file or a clip is meant to begin again.
        // A loop that is meant would be taken for a notice.
        let repeating = rules.repeating.filter(|_| !facts.begins_again);
        let mut inspector = Inspector::new(Rules { repeating, ..rules }, program);
        let tempo = match facts.pace {
            Pace::MediaTime => {
                inspector.set_paced();
                Tempo::Paced(Pacer::new(limits.burst))
            }
            Pace::Live => Tempo::Live(Box::new(Flow::new(limits.read_ahead, limits.buffer_bytes))),
        };
        Self {
            facts,
            parts: None,
            sync: Sync::new(),
            search: Search::default(),
            blind_passes: 0,
            tempo,
            reading: Reading::default(),
            scout: Some(Scout::new(program).passing_scrambled(rules.scrambled.is_none())),
            inspector,
            lead: Duration::ZERO,
        }
    }

    /// Whether it is what viewers see.
    pub fn is_active(&self) -> bool {
        self.scout.is_none()
    }

    /// Whether a transport stream was found in it.
    pub fn is_transport_stream(&self) -> bool {
        self.search.is_found()
    }

    /// The first bytes, some hundred, as long as no transport stream is found.
    pub fn beginning(&self) -> &[u8] {
        self.search.beginning()
    }

    /// Counts of the source; `splice` has them where it is active.
    pub fn counts(&self, splice: &Splice) -> demux::Counts {
        self.scout.as_ref().map_or_else(|| splice.input_counts(), Scout::input_counts)
    }

    /// Memory that it takes beside the output, in bytes.
    pub fn memory(&self) -> usize {
        let held = self.flow().map_or(0, Flow::memory);
        self.scout.as_ref().map_or(0, Scout::memory) + held
    }

    /// How long nothing new may come, of an input that comes in parts.
    pub fn patience(&self) -> Option<Duration> {
        self.parts.map(|parts| parts.stall_after)
    }

    /// What a rule of health has found.
    pub fn poll_fault(&mut self) -> Option<Fault> {
        self.inspector.poll_fault()
    }

    /// How much was lost in the last seconds, each time that there is something to say of it.
    pub fn poll_grade(&mut self) -> Option<Grade> {
        self.inspector.poll_grade()
    }

    /// The picture does not stand still, however it looks: that is judged anew.
    pub fn rejudge_stillness(&mut self) {
        self.inspector.rejudge_stillness();
    }

    /// The input will be a lesser one, so that its pace is judged anew.
    pub fn forget_pace(&mut self) {
        self.inspector.forget_pace();
    }

    /// What an input that comes in parts says of them now.
    pub fn set_parts(&mut self, now: Moment, parts: PartsState) {
        let taken = self.parts.replace(parts).map_or(0, |before| before.taken);
        // Only a part that is new: the same one is told of again and again.
        if parts.taken != taken {
            self.inspector.handle_part(now);
        }
    }

    /// Becomes what viewers see. `lead` is how much of an input that can be read at any speed comes
    /// at once.
    pub fn activate(&mut self, now: Moment, splice: &mut Splice, lead: Lead) {
        if let Some(scout) = self.scout.take() {
            scout.hand_over(splice);
        }
        // What was ahead as a candidate says nothing of the pace that viewers need.
        if let Tempo::Paced(pacer) = &mut self.tempo {
            let (at_once, beyond_burst) = lead.media(self.parts);
            *pacer = Pacer::new(at_once);
            self.lead = beyond_burst;
        }
        self.set_pace(now, splice);
    }

    /// Whether it gives viewers who wait for whole segments some at once.
    pub fn has_head_start(&self) -> bool {
        self.parts.is_some_and(|parts| !parts.head_start.is_zero())
    }

    /// When it is read next, with ticks of this length of which the last was at `ticked_at`; at
    /// once where that is absent.
    pub fn reads_at(&self, ticked_at: Moment, tick: Duration) -> Option<Moment> {
        let has_picture = self.scout.as_ref().is_none_or(Scout::has_picture);
        let sends_by_itself = has_picture && matches!(self.tempo, Tempo::Live(_));
        self.reading.reads_at(ticked_at, tick, sends_by_itself)
    }

    /// Until when its pace keeps it from being read.
    pub fn resumes_at(&self) -> Option<Moment> {
        self.reading.resumes_at()
    }

    /// Whether its pace lets it go on, which kept it from that until now.
    pub fn poll_resume(&mut self, now: Moment) -> bool {
        self.reading.poll_resume(now)
    }

    /// Takes note of a piece of so many bytes that was read in a tick of this length. Returns
    /// whether nothing more may be read in that tick.
    pub fn spend(&mut self, now: Moment, tick: Duration, bytes: u64) -> bool {
        self.reading.spend(now, tick, bytes)
    }

    /// A part of the run of bytes is complete. The next goes on in time, but its continuity
    /// counters may begin anew.
    pub fn cut(&mut self, splice: &mut Splice) {
        self.inspector.cut();
        match &mut self.scout {
            Some(scout) => scout.cut(),
            None => splice.cut(),
        }
    }

    /// The run of bytes ends here, and another begins.
    pub fn begin_anew(&mut self, splice: &mut Splice) -> Result<Taken, Unfit> {
        if !self.search.is_found() {
            return Err(Unfit::NotTransportStream);
        }
        // The bytes left over belong to the run that ended.
        self.sync = Sync::new();
        self.inspector.note_discontinuity();
        let mut taken = Taken::default();
        let Some(scout) = &mut self.scout else {
            splice.finish();
            splice.begin();
            return Ok(taken);
        };
        // A clip of one picture is complete only here.
        if scout.finish() {
            taken.picture = Picture::New;
            return Ok(taken);
        }
        // A list of segments has other discontinuities than the one behind its last.
        let is_blind = !scout.has_picture() && self.parts.is_none();
        self.blind_passes = if is_blind { self.blind_passes + 1 } else { 0 };
        if self.blind_passes >= MAX_BLIND_PASSES {
            return Err(Unfit::NoPicture);
        }
        scout.begin();
        Ok(taken)
    }

    /// Takes bytes, for `splice` where it is active.
    pub fn push(&mut self, now: Moment, bytes: &[u8], splice: &mut Splice) -> Result<Taken, Unfit> {
        self.reading.note(now);
        self.search.push(bytes);
        let mut taken = Taken { bytes: bytes.len() as u64, ..Taken::default() };
        let had_picture = self.scout.as_ref().is_some_and(Scout::has_picture);
        // What is cut small can be given in small steps.
        for step in bytes.chunks(flow::STEP) {
            self.push_step(now, step, splice, &mut taken);
        }
        taken.is_found = self.search.conclude(self.sync.stride().is_some())?;
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
            // The inspector and the splice stage each find out whose packet it is. Doing that once
            // would save a twentieth of the engine's time, and would have to carry the answers
            // through what is held and what a scout hands over, while each counts lost packets from
            // its own start.
            self.inspector.push(now, packets);
            if let Tempo::Live(flow) = &mut self.tempo {
                if !flow.arrive(now, self.inspector.decoded(), packets, self.scout.is_none()) {
                    continue;
                }
                // What is held came before.
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

    fn flow_mut(&mut self) -> Option<&mut Flow> {
        match &mut self.tempo {
            Tempo::Paced(_) => None,
            Tempo::Live(flow) => Some(flow),
        }
    }

    /// How long the media that has come still lasts.
    pub fn ahead(&self, now: Moment) -> Duration {
        self.flow().map_or(Duration::ZERO, |flow| flow.ahead(now))
    }

    /// How much of what viewers have been given is not due yet.
    pub fn not_due(&self, now: Moment) -> Duration {
        self.flow().map_or(self.lead, |flow| flow.not_due(now))
    }

    /// Whether the source sends by itself, and reading pauses since there is enough.
    pub fn is_held(&self) -> bool {
        self.flow().is_some() && self.reading.is_paused()
    }

    /// Whether something comes that is no media yet: the source gets ready.
    pub fn is_getting_ready(&self) -> bool {
        self.flow().is_some_and(|flow| !flow.has_begun())
    }

    /// When something that is held back is due. Only an active input holds anything back.
    pub fn due(&self) -> Option<Moment> {
        self.flow().and_then(Flow::due)
    }

    /// Gives what is due. Returns whether media time went on.
    pub fn give_due(&mut self, now: Moment, splice: &mut Splice) -> bool {
        if let Some(flow) = self.flow_mut() {
            while let Some(packets) = flow.take_due(now) {
                splice.push(&packets);
            }
        }
        splice.take_progress()
    }

    /// Gives all that is held back: nothing follows.
    pub fn give_all(&mut self, splice: &mut Splice) {
        if let Some(flow) = self.flow_mut() {
            while let Some(packets) = flow.take_held() {
                splice.push(&packets);
            }
        }
    }

    /// The bytes have come to their end at `now`. Returns whether that is told later: what has a
    /// length ends where it has been played to its end. Where there is another source, it is told
    /// at once of something short, which may be a notice.
    pub fn plays_on(&mut self, now: Moment, has_other: bool, splice: &mut Splice) -> bool {
        if !self.facts.has_length || !self.is_active() {
            return false;
        }
        let ahead = self.ahead(now);
        let length = self.flow().map_or(Duration::ZERO, Flow::length);
        let may_be_notice = has_other && length <= MAX_NOTICE;
        if ahead.is_zero() || may_be_notice {
            return false;
        }
        self.give_all(splice);
        splice.finish();
        self.reading.pause(Some(now + ahead));
        true
    }

    /// Sets when it is read next: before its first picture, at once.
    fn set_pace(&mut self, now: Moment, splice: &Splice) {
        let position = match &self.scout {
            Some(scout) => scout.reached().filter(|_| scout.has_picture()),
            None => splice.reached().filter(|_| splice.is_open()),
        };
        let Some(position) = position else { return };
        let until = match &mut self.tempo {
            Tempo::Paced(pacer) => {
                if let Some(parts) = self.parts {
                    pacer.steer(now, position, parts.waiting);
                }
                Some(pacer.due(now, position)).filter(|&due| due > now)
            }
            Tempo::Live(flow) => flow.reads_at(now),
        };
        self.reading.pause(until);
    }
}

#[cfg(test)]
mod tests;
