//! The programme as the viewers know it, and how a source's streams are put onto it.

use crate::time::Pts;
use crate::ts::packet::Pid;
use crate::ts::psi::{Pat, Pmt, PmtStream};
use crate::ts::stream::{self, Class, Codec};

/// PIDs below are reserved for tables (ETSI EN 300 468, 5.1.3).
const FIRST_FREE_PID: u16 = 0x20;
/// The first PID that is tried for a stream whose own is taken.
const FIRST_NEW_PID: u16 = 0x100;
/// The last PID before those of ATSC tables.
const LAST_FREE_PID: u16 = 0x1FFA;

/// The longest time from one PES packet to the next that is believed to be its duration.
const MAX_STEP: i64 = 90_000;

/// One output stream: a PID that the viewers know, for the channel's life.
#[derive(Debug)]
pub(super) struct Track {
    pub(super) stream: PmtStream,
    /// `None` for a clock on a PID of its own.
    pub(super) codec: Option<Codec>,
    /// The next packet's continuity counter.
    pub(super) counter: u8,
    /// The decoding time of the last PES packet, on the output timeline.
    pub(super) last: Option<Pts>,
    /// When the sound of the last PES packet ends.
    pub(super) end: Option<Pts>,
    /// From one PES packet to the next, in ticks.
    step: i64,
}

impl Track {
    fn new(stream: PmtStream, codec: Option<Codec>) -> Self {
        Self { stream, codec, counter: 0, last: None, end: None, step: 0 }
    }

    /// Notes that a PES packet for `time` went out, and how long its content is, where that is
    /// known.
    pub(super) fn advance(&mut self, time: Pts, duration: Option<i64>) {
        if let Some(last) = self.last {
            let step = time.since(last);
            if (1..=MAX_STEP).contains(&step) {
                self.step = step;
            }
        }
        self.last = Some(time);
        self.end = Some(time.shifted(duration.unwrap_or(self.step)));
    }
}

/// The output programme.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) tracks: Vec<Track>,
    pat: Pat,
    pmt: Pmt,
    pmt_pid: Pid,
}

/// What an assignment changed for the viewers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing: same streams, same PIDs.
    Nothing,
    /// The set of streams: a new version of the map.
    Streams,
    /// And a stream that plays the part of another is coded otherwise.
    Codec,
}

impl Program {
    /// The programme of the first source: its numbers and PIDs stay those of the channel.
    pub(super) fn new(map: &Pmt, map_pid: Pid, transport_stream_id: Option<u16>) -> Self {
        // A source that has begun with its map only: players need some number, and any will do.
        let transport_stream_id = transport_stream_id.unwrap_or(1);
        Self {
            tracks: Vec::new(),
            pat: Pat { transport_stream_id, version: 0, programs: vec![(map.program, map_pid)] },
            // Left empty, so that the first assignment counts as the first map and not as a change.
            pmt: Pmt { version: 0, streams: Vec::new(), pcr_pid: Pid::NULL, ..map.clone() },
            pmt_pid: map_pid,
        }
    }

    /// Whether the viewers know the programme by this multiplex and number.
    pub(super) fn is_service(&self, transport_stream_id: Option<u16>, number: u16) -> bool {
        Some(self.pat.transport_stream_id) == transport_stream_id && self.pmt.program == number
    }

    /// Whether the viewers know this PID as a stream or a map.
    pub(super) fn uses(&self, pid: Pid) -> bool {
        pid == self.pmt_pid || self.tracks.iter().any(|track| track.stream.pid == pid)
    }

    pub(super) fn pat(&self) -> &Pat {
        &self.pat
    }

    pub(super) fn pmt(&self) -> &Pmt {
        &self.pmt
    }

    pub(super) fn pmt_pid(&self) -> Pid {
        self.pmt_pid
    }

    /// Gives each stream of `source` a track: one of the same codec and language, else of the same
    /// codec, else a new one. The result has one more entry when the clock has a PID of its own.
    /// With `access`, what is said of conditional access is the source's.
    pub(super) fn assign(&mut self, source: &Pmt, access: bool) -> (Vec<usize>, Change) {
        let mut assigned: Vec<Option<usize>> = vec![None; source.streams.len()];
        // Language first: else two sound tracks in another order would change places for the
        // viewer.
        for by_language in [true, false] {
            for (index, stream) in source.streams.iter().enumerate() {
                if assigned[index].is_none() {
                    assigned[index] = self.tracks.iter().enumerate().position(|(track, candidate)| {
                        !assigned.contains(&Some(track)) && is_alike(&candidate.stream, stream, by_language)
                    });
                }
            }
        }
        let mut assigned: Vec<usize> = assigned
            .into_iter()
            .zip(&source.streams)
            .map(|(track, stream)| {
                track.unwrap_or_else(|| self.add_track(stream.clone(), Some(Codec::of(stream))))
            })
            .collect();
        let clock = source.streams.iter().position(|stream| stream.pid == source.pcr_pid);
        let pcr_pid = if let Some(index) = clock {
            self.tracks[assigned[index]].stream.pid
        } else if source.pcr_pid == Pid::NULL {
            Pid::NULL
        } else {
            // A clock on a PID of its own has no codec; one such track serves all sources.
            let track = self.tracks.iter().position(|track| track.codec.is_none()).unwrap_or_else(|| {
                let stream = PmtStream { stream_type: 0, pid: source.pcr_pid, descriptors: Vec::new() };
                self.add_track(stream, None)
            });
            assigned.push(track);
            self.tracks[track].stream.pid
        };
        let change = self.announce(&assigned, source, pcr_pid, access);
        (assigned, change)
    }

    /// Makes the map say what `assigned` holds; a new version only if that is another set of
    /// streams.
    fn announce(&mut self, assigned: &[usize], source: &Pmt, pcr_pid: Pid, access: bool) -> Change {
        let mut order: Vec<(usize, &PmtStream)> = assigned.iter().copied().zip(&source.streams).collect();
        // By track, not by the source's order: the map stays the same when only the order differs.
        order.sort_by_key(|&(track, _)| track);
        let announced: Vec<PmtStream> = order
            .into_iter()
            .map(|(track, new)| {
                // The words of the map that the viewers have stay, unless they would be wrong.
                let known = &mut self.tracks[track].stream;
                let is_locked_otherwise = access && has_other_access(&known.descriptors, &new.descriptors);
                if is_locked_otherwise || means_otherwise(known, new) {
                    known.descriptors.clone_from(&new.descriptors);
                }
                known.clone()
            })
            .collect();
        let is_first = self.pmt.streams.is_empty();
        let is_locked_otherwise = access && has_other_access(&self.pmt.descriptors, &source.descriptors);
        if is_locked_otherwise {
            self.pmt.descriptors.clone_from(&source.descriptors);
        }
        // Players freeze the first map (ExoPlayer) or start their decoders anew (VLC), so nothing
        // new is announced without need.
        if announced == self.pmt.streams && pcr_pid == self.pmt.pcr_pid && !is_locked_otherwise {
            return Change::Nothing;
        }
        let class_count = |streams: &[PmtStream], class| {
            streams.iter().filter(|stream| Codec::of(stream).class() == class).count()
        };
        // A codec has changed where fewer streams of the kind keep their PID than could have.
        let changes_codec = !is_first
            && [Class::Video, Class::Audio].into_iter().any(|class| {
                let kept =
                    announced.iter().filter(|new| self.pmt.streams.iter().any(|old| old.pid == new.pid));
                let kept = kept.filter(|stream| Codec::of(stream).class() == class).count();
                kept < class_count(&announced, class).min(class_count(&self.pmt.streams, class))
            });
        self.pmt.streams = announced;
        self.pmt.pcr_pid = pcr_pid;
        if is_first {
            return Change::Nothing;
        }
        // Five bits (2.4.4.9): players see a new map by its number only.
        self.pmt.version = (self.pmt.version + 1) & 0x1F;
        if changes_codec { Change::Codec } else { Change::Streams }
    }

    fn add_track(&mut self, mut stream: PmtStream, codec: Option<Codec>) -> usize {
        let is_free = |pid: Pid| {
            (FIRST_FREE_PID..=LAST_FREE_PID).contains(&pid.value())
                && pid != self.pmt_pid
                && self.tracks.iter().all(|track| track.stream.pid != pid)
        };
        if !is_free(stream.pid) {
            let free = (FIRST_NEW_PID..=LAST_FREE_PID).map(Pid::new).find(|&pid| is_free(pid));
            // All PIDs in use is out of reach: tracks are limited far below.
            stream.pid = free.unwrap_or(stream.pid);
        }
        self.tracks.push(Track::new(stream, codec));
        self.tracks.len() - 1
    }
}

/// Whether a stream can go on where `known` ends, as far as a player can tell.
fn is_alike(known: &PmtStream, new: &PmtStream, by_language: bool) -> bool {
    known.stream_type == new.stream_type
        && Codec::of(known) == Codec::of(new)
        && (!by_language || stream::language(&known.descriptors) == stream::language(&new.descriptors))
}

/// Whether other PIDs of ECM are named.
fn has_other_access(known: &[u8], new: &[u8]) -> bool {
    stream::access_pids(known).ne(stream::access_pids(new))
}

/// Whether the descriptors that the viewers know would mislead them about `new`: another language,
/// or a subtitle or private stream's description, which names pages that differ.
fn means_otherwise(known: &PmtStream, new: &PmtStream) -> bool {
    if known.descriptors == new.descriptors {
        return false;
    }
    match Codec::of(new).class() {
        Class::Video => false,
        Class::Audio => {
            let language = stream::language(&new.descriptors);
            language.is_some() && language != stream::language(&known.descriptors)
        }
        Class::Subtitle | Class::Data | Class::Sections => true,
    }
}
