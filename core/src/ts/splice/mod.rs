//! Puts every source of a channel on one output timeline, which a player can follow for ever.
//!
//! What comes out is one programme with PIDs that stay, timestamps that never jump or go back, and
//! continuity counters that go on, whatever the sources do. Elementary streams pass bit by bit. The
//! rules:
//!
//! - **Every PES packet goes out whole and in one piece**, when its last packet has come. So a
//!   source that breaks off in mid-picture leaves no torn picture behind, and a join, a skip and a
//!   cut find only whole ones. It costs no viewer any time: a decoder waits for the whole picture
//!   too. Streams are held back one by one, so a long one delays no other.
//! - **PAT and PMT stand in front of every random access point**, and at least every
//!   [`TABLES_EVERY`] of the clock.
//! - **The gate**: of a new source, nothing passes before its first random access point. There it
//!   is anchored: its first picture follows the last one of the source before, and its clock runs
//!   on from the last clock reference; PTS, DTS, PCR and OPCR are all moved by this one distance,
//!   so that sound stays with the picture. Frames of sound that would overlap what was sent are
//!   left out.
//! - **No picture is left out in the middle of a group**: those that follow need it. One that is
//!   decoded no later than the one before is decoded a tick behind that; what belongs to a picture
//!   in a PES packet of its own goes with it.
//! - **A jump of the source's own clock** moves what follows behind what was sent, from the next
//!   picture on, or from the next random access point where anything was lost. Sound that jumps
//!   alone, or before the pictures do, goes on where it was.
//! - **In a gap** [`Splice::keep_alive`] sends packets without content, between whole PES packets
//!   and behind the first picture.
//! - **Service information** (SDT, EIT, NIT, TDT) passes while the source's service is the one that
//!   the map names.
//! - **What the source lost stays visible** as a step of the continuity counter, so that decoders
//!   can conceal it.

mod clock;
mod cuts;
mod groups;
mod information;
pub mod keep_alive;
mod map;
mod pause;
mod pes_assembler;
mod release;
mod scrambled;
mod scte35;
mod streams;
#[cfg(test)]
mod tests;
mod timeline;
mod trim;
mod writer;

use std::time::Duration;

use self::clock::Stillness;
use self::cuts::Cuts;
use self::groups::Groups;
use self::map::Program;
use self::pause::Pause;
use self::pes_assembler::{PesAssembler, Pushed};
use self::scrambled::Scrambled;
use self::streams::InputStream;
use self::timeline::Timeline;
use self::writer::Writer;
use super::demux::{self, Continuity, Demux, Information, Role};
use super::packet::{Bytes, Packet, Pid};
use super::psi::Pmt;
use super::random_access::RandomAccess;
use super::stream::Class;
use crate::assumption::broken;
use crate::time::{MediaTime, Pcr, Pts};

/// Why there is a programme where something is sent: the gate opens for a stream of a map, and the
/// first map makes the programme.
const HAS_PROGRAM: &str = "what passes the gate belongs to a programme";

/// The longest time, by the stream's clock, from one PAT and PMT to the next. TR 101 290 allows 500
/// ms; clocks may be 100 ms apart.
pub const TABLES_EVERY: Duration = Duration::from_millis(200);

/// The same by the stamps of the reference, for sources that send their clock too seldom.
pub const TABLES_AT_LEAST_EVERY: Duration = Duration::from_millis(300);

/// How long, by its own clock, a source may go without a random access point before a lesser one is
/// taken: parameter sets without an I slice (intra refresh), and after as long again any picture.
/// Where there have been key pictures, the next one is waited for all the same, as long as one may
/// come.
pub const PATIENCE: Duration = Duration::from_secs(4);

/// PES packets of each sound stream that are remembered while nothing passes: those around the
/// first picture, which is known to be one only when it is complete. As many as there are in a
/// second of the shortest common frames.
const MAX_EARLY: usize = 64;

/// Streams that a channel remembers over all its sources, so that each keeps its PID.
const MAX_TRACKS: usize = 256;

/// A clock that falls back further than this has jumped.
pub(crate) const BACKWARD_JUMP: i64 = 45_000;
/// A clock that runs ahead further than this has jumped: as much as a player would sit out.
pub(crate) const FORWARD_JUMP: i64 = 5 * 90_000;
/// The same where the source itself announces a discontinuity.
pub(crate) const ANNOUNCED_JUMP: i64 = 90_000;

/// A random access point in the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessPoint {
    /// Where in the output its PAT begins.
    pub at: usize,
    /// What makes it one.
    pub kind: RandomAccess,
    /// When its picture is decoded.
    pub time: MediaTime,
    /// When it is shown.
    pub shown: MediaTime,
    /// How it follows what was sent before.
    pub boundary: Boundary,
}

/// How a random access point follows what was sent before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Boundary {
    /// It is the same source's next one.
    #[default]
    Continued,
    /// It is another source's first one, or the first behind a jump of the source's clock.
    Spliced,
    /// The set of streams, or how one is coded, is another than before.
    Recoded,
}

/// Counts over a channel's life.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Random access points sent.
    pub entries: u64,
    /// Times that a source, or a stretch of one behind a jump, was put behind another.
    pub splices: u64,
    /// Jumps of a source's own clock.
    pub clock_jumps: u64,
    /// New versions of the map.
    pub map_changes: u64,
    /// Splices onto a stream that is coded otherwise, which players may not survive.
    pub codec_changes: u64,
    /// Breaks that the sources had and that were passed on as such.
    pub continuity_errors: u64,
    /// PES packets that were left out: incomplete, before a random access point, or sound that
    /// overlapped.
    pub units_dropped: u64,
    /// Times that something was sent only to keep connections alive.
    pub keep_alives: u64,
}

/// What the source's clock and stamps did.
#[derive(Debug, Clone, Copy, Default)]
struct Motion {
    has_clock: bool,
    /// Whether the stamps have gone on since that was asked last.
    stamps: bool,
}

/// Whether the source's packets pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gate {
    /// Waiting for a random access point since this time of the source.
    Closed { since: Option<Pts> },
    /// The source's clock has jumped: waiting for the next whole picture, which goes on from the
    /// last one if nothing is lost.
    Jumped,
    /// Its PES packets pass.
    Open,
}

/// The stage that turns sources into a channel's output.
#[derive(Debug)]
pub struct Splice {
    source: Source,
    gate: Gate,
    /// How long lesser pictures are not taken to open the gate, in ticks, if not as long as
    /// [`PATIENCE`] says.
    patience: Option<i64>,
    timeline: Timeline,
    writer: Writer,
    information: information::Tables,
    scrambled: Scrambled,
    entries: Entries,
    cuts: Cuts,
    lull: Lull,
    counts: Counts,
}

/// The programme of the source that is active.
#[derive(Debug)]
struct Source {
    /// The number of the programme that is wanted, where one was chosen.
    wanted: Option<u16>,
    demux: Demux,
    program: Option<Program>,
    inputs: Vec<InputStream>,
    /// The stream whose random access points count: video, or sound where there is none.
    reference: Option<usize>,
    clock_pid: Pid,
    /// Its last clock reference.
    pcr: Option<Pcr>,
}

/// The random access points of the output.
#[derive(Debug, Default)]
struct Entries {
    /// Output time of the last one.
    last: Option<Pts>,
    /// Those of this source that are real ones.
    groups: Groups,
    /// How the next one follows.
    boundary: Boundary,
}

/// What is known of lulls, in which little or nothing comes.
#[derive(Debug, Default)]
struct Lull {
    motion: Motion,
    pause: Pause,
    standing: Stillness,
    /// Times that connections were kept alive since the last PES packet.
    kept_alive: u32,
}

impl Splice {
    /// An output that has no source yet; `program` chooses one of several programmes by its number.
    pub fn new(program: Option<u16>) -> Self {
        Self {
            source: Source {
                wanted: program,
                demux: Demux::new(program),
                program: None,
                inputs: Vec::new(),
                reference: None,
                clock_pid: Pid::NULL,
                pcr: None,
            },
            gate: Gate::Closed { since: None },
            patience: None,
            timeline: Timeline::new(),
            writer: Writer::default(),
            information: information::Tables::default(),
            scrambled: Scrambled::default(),
            entries: Entries::default(),
            cuts: Cuts::default(),
            lull: Lull::default(),
            counts: Counts::default(),
        }
    }

    /// A new source begins. What the one before left incomplete is dropped.
    pub fn begin(&mut self) {
        self.close_gate(None);
        self.scrambled.begin();
        self.timeline.begin();
        self.entries.groups = Groups::default();
        self.lull.motion = Motion::default();
        self.source.demux = Demux::new(self.source.wanted);
        self.source.inputs.clear();
        self.source.reference = None;
    }

    /// A source begins of which `scout` knows the streams. What it holds is to be pushed next, and
    /// all of that at once: the source becomes active with the picture that the scout found.
    pub fn adopt(&mut self, scout: &mut Self, kind: RandomAccess) {
        self.close_gate(None);
        self.scrambled.begin();
        self.scrambled.passes = scout.scrambled.passes;
        self.timeline.begin();
        self.entries.groups = Groups::default();
        self.lull.motion = Motion { has_clock: scout.lull.motion.has_clock, ..Motion::default() };
        self.source.demux = std::mem::replace(&mut scout.source.demux, Demux::new(self.source.wanted));
        // The scout has read the held packets once, and they are pushed again from the first.
        self.source.demux.forget_counters();
        self.source.inputs.clear();
        self.source.reference = None;
        // The slate is shown before any of it has come.
        if self.source.demux.program().is_some() {
            self.handle_map();
        }
        // The map alone would name the video; the scout may have found that none comes, and chosen
        // sound.
        for (index, input) in self.source.inputs.iter_mut().enumerate() {
            input.pes.scan_if(scout.source.reference == Some(index));
        }
        self.source.reference = scout.source.reference;
        // The scout has judged already. For any but a blind start, the held packets contain a
        // better picture than the first one, and that one must not open the gate.
        self.patience = Some(if kind == RandomAccess::Blind { 0 } else { i64::MAX });
    }

    /// What was held is pushed: from now on lesser pictures are taken as ever.
    pub fn end_adoption(&mut self) {
        self.patience = None;
    }

    /// A part of the source is complete, and the next goes on in time, but maybe not in its
    /// continuity counters.
    pub fn cut(&mut self) {
        self.source.demux.forget_counters();
    }

    /// The source has come to its end in good order: what is held is complete.
    pub fn finish(&mut self) {
        for index in 0..self.source.inputs.len() {
            if self.source.inputs[index].pes.is_open() {
                self.release_whole(index);
            }
        }
    }

    /// Chooses one of several programmes from the next source on.
    pub fn set_program(&mut self, program: Option<u16>) {
        self.source.wanted = program;
    }

    /// Whether packets of this PID are looked at: tables, clock and streams of the programme,
    /// everything but padding as long as that is not known.
    pub fn is_part(&self, pid: Pid) -> bool {
        // A scrambled programme is useless without its ECM and EMM, so those count as a part of it.
        let is_of = |map: &Pmt| pid == map.pcr_pid || map.streams.iter().any(|stream| stream.pid == pid);
        let is_table = || pid == Pid::PAT || self.source.demux.map_pid() == Some(pid);
        let is_access = || self.scrambled.passes && self.source.demux.is_access(pid);
        pid != Pid::NULL
            && self.source.demux.program().is_none_or(|map| is_of(map) || is_table() || is_access())
    }

    /// Takes packets of the source.
    pub fn push(&mut self, packets: &[Bytes]) {
        for bytes in packets {
            let packet = Packet::new(bytes);
            match self.source.demux.handle_packet(packet) {
                (Role::Stream(index), continuity) => self.handle_packet(index, packet, continuity),
                (Role::Changed, _) => self.handle_map(),
                (Role::Information(table), continuity) => self.pass_information(table, packet, continuity),
                (Role::Access, _) => self.handle_access(packet),
                (Role::Other, _) => {}
            }
        }
    }

    /// The output since the last [`Splice::clear`]: whole packets, and where in them the random
    /// access points are.
    pub fn output(&self) -> (&[u8], &[AccessPoint]) {
        self.writer.output()
    }

    /// Where in the output a segment may begin inside a group of pictures: PAT and PMT stand there,
    /// and a picture that needs those before it.
    pub fn cuts(&self) -> &[AccessPoint] {
        self.writer.cuts()
    }

    /// Empties the output, and keeps at most `kept` bytes of memory for the next.
    pub fn clear(&mut self, kept: usize) {
        self.writer.clear(kept);
    }

    /// Whether the gate is open: packets of the source pass.
    pub fn is_open(&self) -> bool {
        self.gate == Gate::Open
    }

    /// Counts over the channel's life.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Counts of the source on hand.
    pub fn input_counts(&self) -> demux::Counts {
        self.source.demux.counts()
    }

    /// Memory that it takes, in bytes: what is held back, and the output.
    pub fn memory(&self) -> usize {
        let assemblers = self.source.inputs.iter().flat_map(|input| input.early.iter().chain([&input.pes]));
        self.writer.memory() + assemblers.map(PesAssembler::memory).sum::<usize>()
    }

    /// The map as the viewers know it.
    pub fn map(&self) -> Option<&Pmt> {
        self.source.program.as_ref().map(Program::pmt)
    }

    /// Whether the source's media time has gone on since this last said so, by the stamps of its
    /// pictures or its sound. A clock that stands still meanwhile is nothing that players need.
    pub fn take_progress(&mut self) -> bool {
        std::mem::take(&mut self.lull.motion.stamps)
    }

    /// Nothing passes until the next random access point; only the stream `kept` keeps what it
    /// holds.
    fn close_gate(&mut self, kept: Option<usize>) {
        self.gate = Gate::Closed { since: None };
        self.source.pcr = None;
        self.information.begin();
        // A shift and a lateness were measured against stamps that may not hold any more.
        for (index, input) in self.source.inputs.iter_mut().enumerate() {
            (input.is_placed, input.shift, input.order.late) = (false, 0, 0);
            if Some(index) != kept {
                self.counts.units_dropped += u64::from(input.pes.is_open());
                input.pes.clear();
                input.early.clear();
                input.last = None;
            }
        }
    }

    /// Sends a packet of service information, if it speaks of the service that the viewers' map
    /// names.
    fn pass_information(&mut self, table: Information, packet: Packet<'_>, continuity: Continuity) {
        if !self.is_open() {
            return;
        }
        let Some(program) = &self.source.program else { return broken(HAS_PROGRAM) };
        let number = self.source.demux.program().map(|map| map.program);
        // A guide of another service would be shown under the name of this channel.
        let is_ours =
            number.is_some_and(|number| program.is_service(self.source.demux.transport_stream_id(), number));
        if is_ours
            && self.writer.has_sent_tables()
            && let Some(bytes) = self.information.take(table, packet, continuity)
        {
            self.writer.write_information(&bytes);
        }
    }

    fn handle_packet(&mut self, index: usize, packet: Packet<'_>, continuity: Continuity) {
        // Two payloads that differ under one counter are a faulty multiplexer's, and both are
        // needed.
        if continuity == Continuity::Repeated && self.source.inputs[index].pes.repeats_last(packet) {
            return; // the one copy that the standard allows (2.4.3.3)
        }
        // A video PES packet may have no length (2.4.3.7): the next beginning is then its only end.
        if packet.starts_unit() && self.source.inputs[index].pes.is_open() {
            self.release(index);
        }
        // The clock comes after the release: the PES packet that just ended belongs to the time
        // before it.
        if packet.pid() == self.source.clock_pid
            && let Some(pcr) = packet.pcr()
        {
            self.handle_clock(pcr, packet.is_discontinuity());
        }
        let input = &mut self.source.inputs[index];
        input.has_come = true;
        // Sections and a lone clock have no PES packets that could be put together.
        if matches!(input.class, None | Some(Class::Sections)) {
            input.pes.pass_by(packet);
            return self.pass(index, packet, continuity);
        }
        match input.pes.push(packet, continuity) {
            Pushed::Held => {}
            Pushed::Complete => self.release(index),
            // A length field that was too short, or a lone adaptation field: dropping the bytes
            // would damage a picture that is out already.
            Pushed::Stray if input.pes.has_tail() || !packet.has_payload() => {
                self.pass(index, packet, continuity);
            }
            // Its beginning never came, so no decoder can use it.
            Pushed::Stray => {}
        }
    }
}
