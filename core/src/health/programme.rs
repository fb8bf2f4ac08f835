//! The programme of a source that is judged, and what each of its streams is to the rules.

use crate::assumption::broken;
use crate::ts::demux::{Continuity, Demux, Role};
use crate::ts::packet::{Packet, Pid};
use crate::ts::psi::PmtStream;
use crate::ts::stream::{self, Class, Codec};

/// What a stream of the map is to the rules.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// The pictures that are looked at: the first video stream.
    Pictures,
    /// More video.
    Video,
    /// Sound, by its number.
    Sound(usize),
    Other,
}

/// The programme.
#[derive(Debug)]
pub(super) struct Programme {
    /// Its number, without one that which the splice stage chooses.
    number: Option<u16>,
    demux: Demux,
    streams: Vec<PmtStream>,
    /// By the place of the stream in the map.
    kinds: Vec<Kind>,
    clock_pid: Pid,
    /// The codec of the pictures that are looked at.
    video: Option<Codec>,
    /// How many of its streams are sound.
    sounds: usize,
    /// Damaged packets that are counted already.
    damaged: u64,
}

impl Programme {
    pub(super) fn new(number: Option<u16>) -> Self {
        Self {
            number,
            demux: Demux::new(number),
            streams: Vec::new(),
            kinds: Vec::new(),
            clock_pid: Pid::NULL,
            video: None,
            sounds: 0,
            damaged: 0,
        }
    }

    /// The run of bytes ends here and another begins: tables and counters begin anew.
    pub(super) fn note_discontinuity(&mut self) {
        self.demux = Demux::new(self.number);
        self.damaged = 0;
    }

    /// The next packets may be numbered otherwise.
    pub(super) fn forget_counters(&mut self) {
        self.demux.forget_counters();
    }

    /// Takes a packet; what it is, and whether one before it is missing.
    #[inline]
    pub(super) fn handle_packet(&mut self, packet: Packet<'_>) -> (Role, Continuity) {
        self.demux.handle_packet(packet)
    }

    /// Damaged packets since this was asked last.
    pub(super) fn newly_damaged(&mut self) -> u32 {
        let damaged = self.demux.counts().damaged;
        let before = std::mem::replace(&mut self.damaged, damaged);
        u32::try_from(damaged - before).unwrap_or(u32::MAX)
    }

    /// The map came or changed. Returns whether the streams are others.
    pub(super) fn handle_map(&mut self) -> bool {
        let Some(map) = self.demux.program() else {
            broken("the demultiplexer tells of a map that it has");
            return false;
        };
        self.clock_pid = map.pcr_pid;
        // A new version of the same streams must not begin every rule anew.
        if map.streams == self.streams {
            return false;
        }
        self.streams.clone_from(&map.streams);
        (self.video, self.sounds) = (None, 0);
        self.kinds.clear();
        for stream in &self.streams {
            let codec = Codec::of(stream);
            self.kinds.push(match codec.class() {
                // Only one is looked at: more video is another view of the same.
                Class::Video if self.video.is_some() => Kind::Video,
                Class::Video => {
                    self.video = Some(codec);
                    Kind::Pictures
                }
                Class::Audio => {
                    self.sounds += 1;
                    Kind::Sound(self.sounds - 1)
                }
                _ => Kind::Other,
            });
        }
        true
    }

    /// What the stream at place `index` of the map is.
    #[inline]
    pub(super) fn kind(&self, index: usize) -> Kind {
        self.kinds.get(index).copied().unwrap_or(Kind::Other)
    }

    /// Whether the programme's clock is in packets of this identifier.
    #[inline]
    pub(super) fn has_clock_in(&self, pid: Pid) -> bool {
        pid == self.clock_pid
    }

    /// The codec of the pictures that are looked at, if there are pictures.
    pub(super) fn video(&self) -> Option<Codec> {
        self.video
    }

    /// Whether there are pictures.
    #[inline]
    pub(super) fn has_video(&self) -> bool {
        self.video.is_some()
    }

    /// Whether the map announces still pictures.
    pub(super) fn has_stills(&self) -> bool {
        let mut pictures = self.streams.iter().filter(|stream| Codec::of(stream).class() == Class::Video);
        pictures.any(|stream| stream::has_stills(&stream.descriptors))
    }

    /// How many of its streams are sound.
    pub(super) fn sounds(&self) -> usize {
        self.sounds
    }
}
