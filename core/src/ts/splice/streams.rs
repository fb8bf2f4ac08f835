//! The streams of a source, on their way to the tracks of the output.

use std::collections::VecDeque;

use super::map::{Change, Program};
use super::pes_assembler::PesAssembler;
use super::{BACKWARD_JUMP, Boundary, Gate, MAX_TRACKS, Splice};
use crate::assumption::broken;
use crate::time::Pts;
use crate::ts::psi::Pmt;
use crate::ts::stream::{Class, Codec};

/// How the decoding times of a stream follow each other.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// By how much the last picture is decoded later than its stamp says, in ticks: later than the
    /// picture before it.
    pub(super) late: i64,
    /// Whether pictures have decoding stamps of their own, so that all stamps are in order.
    pub(super) has_decode_stamps: bool,
}

/// A stream of the source.
#[derive(Debug)]
pub(super) struct InputStream {
    /// Its track, as an index of the programme's.
    pub(super) track: usize,
    /// `None` for a clock on a PID of its own.
    pub(super) class: Option<Class>,
    pub(super) pes: PesAssembler,
    /// The last PES packets of sound that arrived before the gate opened.
    pub(super) early: VecDeque<PesAssembler>,
    /// The decoding time of its last PES packet, by the source.
    pub(super) last: Option<Pts>,
    /// The latest decoding time since the stream jumped back.
    foremost: Option<Pts>,
    /// How far `last` was ahead of the reference's last decoding time; for the reference itself,
    /// how far ahead of the clock. In ticks.
    pub(super) lead: Option<i64>,
    /// How far its stamps are moved in addition to the timeline's offset, in ticks.
    pub(super) shift: i64,
    pub(super) order: Order,
    /// Whether any packet has arrived.
    pub(super) has_come: bool,
    /// Whether a PES packet has passed since the gate opened. Until then, what overlaps the source
    /// before is left out.
    pub(super) is_placed: bool,
}

impl InputStream {
    fn new(track: usize, codec: Option<Codec>) -> Self {
        Self {
            track,
            class: codec.map(Codec::class),
            pes: PesAssembler::new(codec.unwrap_or(Codec::Data(0))),
            early: VecDeque::new(),
            last: None,
            foremost: None,
            lead: None,
            shift: 0,
            order: Order::default(),
            has_come: false,
            is_placed: false,
        }
    }

    /// Whether the decoding time `time` is later than all before it. A stream whose times go back
    /// and forth does not move on, as where stamps stand still and only some pictures have two.
    pub(super) fn goes_on(&mut self, time: Pts) -> bool {
        let step = self.foremost.map_or(1, |foremost| time.since(foremost));
        // A large step back is a jump, from where the stream goes on as well.
        let is_later = !(-BACKWARD_JUMP..=0).contains(&step);
        if is_later {
            self.foremost = Some(time);
        }
        is_later
    }
}

impl Splice {
    /// The source's map came or changed: its streams find their tracks.
    pub(super) fn handle_map(&mut self) {
        let (Some(map), Some(map_pid)) = (self.source.demux.program(), self.source.demux.map_pid()) else {
            return broken("the demultiplexer tells of a map that it has");
        };
        let program = self
            .source
            .program
            .get_or_insert_with(|| Program::new(map, map_pid, self.source.demux.transport_stream_id()));
        // Only a set that grows with each map gets here: a stream that comes back finds its old
        // track.
        if program.tracks.len() > MAX_TRACKS {
            // A source that renames its streams again and again: forget them all and begin anew.
            program.tracks.clear();
            self.source.inputs.clear();
            self.source.reference = None;
            self.gate = Gate::Closed { since: None };
        }
        let (assigned, change) = program.assign(map, self.scrambled.passes);
        let reference = reference_of(map);
        let referred = self.source.reference.map(|index| self.source.inputs[index].track);
        let mut old: Vec<Option<InputStream>> = self.source.inputs.drain(..).map(Some).collect();
        for (index, &track) in assigned.iter().enumerate() {
            // A stream that stays on its track keeps the PES packet that it is in the middle of.
            let kept = old.iter_mut().find(|input| input.as_ref().is_some_and(|input| input.track == track));
            let codec = map.streams.get(index).map(Codec::of);
            let mut input = kept.and_then(Option::take).unwrap_or_else(|| InputStream::new(track, codec));
            input.pes.scan_if(Some(index) == reference);
            self.source.inputs.push(input);
        }
        self.source.reference = reference;
        self.source.clock_pid = map.pcr_pid;
        // The boundary outlives this map: it is noted with the next random access point.
        if change != Change::Nothing {
            self.entries.boundary = Boundary::Recoded;
        }
        self.counts.map_changes += u64::from(change != Change::Nothing);
        self.counts.codec_changes += u64::from(change == Change::Codec);
        self.writer.set_tables(program);
        self.writer.keep_damage_marks(self.source.demux.marks_damage());
        // Nothing of the new reference passes before a random access point of it.
        if self.is_open() && referred != reference.map(|index| self.source.inputs[index].track) {
            self.close_gate(None);
        }
    }
}

/// The stream whose random access points count: video if there is any, else sound, and so on.
fn reference_of(map: &Pmt) -> Option<usize> {
    [Class::Video, Class::Audio, Class::Subtitle, Class::Data]
        .into_iter()
        .find_map(|class| map.streams.iter().position(|stream| Codec::of(stream).class() == class))
}
