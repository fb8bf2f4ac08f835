//! Cuts a clip, over and over on one timeline, into segments that begin at random access points.

use std::ops::Range;
use std::time::Duration;

use super::fmp4::Fragments;
use super::settings::{Container, Hls};
use crate::clip::{Clip, Tracks};
use crate::origin::behaviour::{Playout, ticks_90k};
use crate::origin::faults::Defect;
use crate::origin::marker::Marker;
use crate::origin::playout::Player;
use crate::ts::{Packet, Pat, Pes, PesHeader, Sections, read_timestamp};

/// A segment may be this much shorter than it should, in 90 kHz ticks: lengths are rounded.
const TOLERANCE_90K: u64 = 45;

/// Time stamps have 33 bits.
const TIMESTAMP_MASK: u64 = (1 << 33) - 1;

/// Endless media.
#[derive(Debug)]
pub(super) struct Media {
    shape: Shape,
    /// Where segments may begin: the item, and its time in 90 kHz ticks from the beginning of the clip.
    cuts: Vec<(usize, u64)>,
    items: usize,
    length_90k: u64,
    /// The next cut.
    next: usize,
    /// How often the clip has been played to its end.
    rounds: u64,
}

#[derive(Debug)]
enum Shape {
    /// Items are packets.
    Ts { player: Box<Player>, tables: [usize; 2] },
    /// Items are PES packets' payloads.
    Packed { units: Vec<Vec<u8>>, first_pts: u64, marker: Option<Marker> },
    /// Items are fragments.
    Fmp4(Fragments),
}

impl Media {
    /// The broadcast's clip from its beginning, with `shift_90k` added to all time stamps.
    pub(super) fn new(hls: &Hls, shift_90k: u64) -> Self {
        let (clip, container) = (&hls.clip, hls.container);
        let length_90k = ticks_90k(clip.duration());
        let (shape, cuts, items) = match container {
            Container::Ts => {
                let defects =
                    if hls.repeating { vec![(Duration::ZERO, Defect::Repeats)] } else { Vec::new() };
                let player = Player::new(&Playout { shift_90k, defects, ..Playout::new(clip.clone()) });
                (Shape::Ts { player: Box::new(player), tables: tables(clip) }, ts_cuts(clip), clip.packets())
            }
            Container::PackedAudio => {
                let units = audio_units(clip);
                let first = units[0].pts.expect("sound has time stamps");
                let time = |unit: &Pes| (unit.pts.expect("sound has time stamps") - first) & TIMESTAMP_MASK;
                let cuts = units.iter().enumerate().map(|(at, unit)| (at, time(unit))).collect();
                let count = units.len();
                let units = units.into_iter().map(|unit| unit.payload).collect();
                let audio = clip.streams().iter().find(|stream| stream.is_audio() && !hls.repeating);
                let marker = audio.map(|stream| Marker::new(stream.stream_type));
                (Shape::Packed { units, first_pts: first + shift_90k, marker }, cuts, count)
            }
            Container::Fmp4 | Container::Fmp4Video | Container::Fmp4Audio => {
                let tracks = match container {
                    Container::Fmp4Video => Tracks::Video,
                    Container::Fmp4Audio => Tracks::Audio,
                    _ => Tracks::All,
                };
                let fragments = Fragments::read(clip, tracks, length_90k, shift_90k, hls.repeating);
                let (cuts, count) = (fragments.cuts(), fragments.count());
                (Shape::Fmp4(fragments), cuts, count)
            }
        };
        assert!(
            cuts.first().is_some_and(|(_, time)| *time == 0),
            "{} has no random access point",
            clip.name()
        );
        Self { shape, cuts, items, length_90k, next: 0, rounds: 0 }
    }

    /// The next segment and its length in 90 kHz ticks.
    pub(super) fn cut(&mut self, least: Duration) -> (Vec<u8>, u64) {
        let mut bytes = Vec::new();
        let begin = self.rounds * self.length_90k + self.cuts[self.next].1;
        self.begin(begin, &mut bytes);
        let mut length = 0;
        while length == 0 || length + TOLERANCE_90K < ticks_90k(least) {
            let (from, begin) = self.cuts[self.next];
            let after = self.cuts.get(self.next + 1);
            let (to, end) = after.copied().unwrap_or((self.items, self.length_90k));
            self.append(from..to, &mut bytes);
            length += end - begin;
            self.next += 1;
            if self.next == self.cuts.len() {
                (self.next, self.rounds) = (0, self.rounds + 1);
            }
        }
        (bytes, length)
    }

    /// Goes back to the last cut that is no later than so many 90 kHz ticks from the beginning, if
    /// there is one before the next.
    pub(super) fn go_back(&mut self, time_90k: u64) {
        if matches!(self.shape, Shape::Ts { .. }) {
            return; // its counters go on, and its segments end where they should
        }
        let (rounds, rest) = (time_90k / self.length_90k, time_90k % self.length_90k);
        let cut = self.cuts.partition_point(|(_, begin)| *begin <= rest + TOLERANCE_90K).saturating_sub(1);
        if (rounds, cut) < (self.rounds, self.next) {
            (self.rounds, self.next) = (rounds, cut);
        }
    }

    /// The longest segment there will be, in 90 kHz ticks.
    pub(super) fn longest_90k(&self, least: Duration) -> u64 {
        let groups =
            self.cuts.iter().enumerate().map(|(at, (_, begin))| {
                self.cuts.get(at + 1).map_or(self.length_90k, |(_, end)| *end) - begin
            });
        let groups: Vec<u64> = groups.collect();
        // A segment may begin with any group, since the clip need not be a whole number of segments.
        let from = |first: usize| {
            let mut length = 0;
            let mut next = groups.iter().cycle().skip(first);
            while length == 0 || length + TOLERANCE_90K < ticks_90k(least) {
                length += next.next().expect("it goes round");
            }
            length
        };
        (0..groups.len()).map(from).max().unwrap_or(0)
    }

    /// The initialisation section, where there is one.
    pub(super) fn init(&self) -> Option<&[u8]> {
        match &self.shape {
            Shape::Fmp4(fragments) => Some(fragments.init()),
            Shape::Ts { .. } | Shape::Packed { .. } => None,
        }
    }

    /// What stands in front of each segment.
    fn begin(&mut self, time_90k: u64, out: &mut Vec<u8>) {
        match &mut self.shape {
            Shape::Ts { player, tables } => {
                for table in *tables {
                    player.put(table, self.rounds, out);
                }
            }
            Shape::Packed { first_pts, .. } => out.extend(id3_time((*first_pts + time_90k) & TIMESTAMP_MASK)),
            Shape::Fmp4(_) => {}
        }
    }

    fn append(&mut self, items: Range<usize>, out: &mut Vec<u8>) {
        match &mut self.shape {
            Shape::Ts { player, .. } => {
                for packet in items {
                    player.put(packet, self.rounds, out);
                }
            }
            Shape::Packed { units, marker, .. } => {
                for item in items {
                    let at = out.len();
                    out.extend_from_slice(&units[item]);
                    if let Some(marker) = marker {
                        marker.mark(&mut out[at..], item, self.rounds);
                    }
                }
            }
            Shape::Fmp4(fragments) => {
                for fragment in items {
                    fragments.append(fragment, self.rounds, out);
                }
            }
        }
    }
}

/// The first packets with the PAT and the PMT.
fn tables(clip: &Clip) -> [usize; 2] {
    let first = |pid: u16| {
        let is_first = |at: &usize| {
            Packet::new(clip.packet(*at)).is_some_and(|packet| packet.pid() == pid && packet.starts_unit())
        };
        (0..clip.packets()).find(is_first).unwrap_or_else(|| panic!("{} has no PID {pid}", clip.name()))
    };
    let pat = first(0);
    let packet = Packet::new(clip.packet(pat)).expect("a clip has whole packets");
    let sections = Sections::default().push(true, packet.payload());
    let programs = sections.first().and_then(|section| Pat::read(section)).map(|pat| pat.programs);
    let pmt_pid = programs.and_then(|programs| programs.iter().find(|(number, _)| *number != 0).copied());
    let (_, pmt_pid) = pmt_pid.unwrap_or_else(|| panic!("{} has no programme", clip.name()));
    [pat, first(pmt_pid)]
}

/// Random access points of the video, or each PES packet of the sound where there is none.
fn ts_cuts(clip: &Clip) -> Vec<(usize, u64)> {
    let video = clip.video_pid();
    let pid = video.or_else(|| clip.audio_pids().first().copied());
    let pid = pid.unwrap_or_else(|| panic!("{} has neither picture nor sound", clip.name()));
    let mut cuts: Vec<(usize, u64)> = (0..clip.packets())
        .filter_map(|at| {
            let packet = Packet::new(clip.packet(at)).filter(|packet| packet.pid() == pid)?;
            let begins = packet.starts_unit() && (video.is_none() || packet.is_random_access());
            let payload = begins.then(|| packet.payload())?;
            let at_90k = PesHeader::read(payload)?.pts_at?;
            Some((at, read_timestamp(&payload[at_90k..at_90k + 5])))
        })
        .collect();
    let first = cuts.first().map_or(0, |(_, time)| *time);
    for (_, time) in &mut cuts {
        *time = (*time - first) & TIMESTAMP_MASK;
    }
    if let Some(first) = cuts.first_mut() {
        // What comes before belongs to it, but for tables: every segment begins with its own.
        let pid = |at: usize| Packet::new(clip.packet(at)).map_or(0, |packet| packet.pid());
        first.0 = (0..first.0).find(|at| clip.is_media(pid(*at))).unwrap_or(first.0);
    }
    cuts
}

fn audio_units(clip: &Clip) -> Vec<Pes> {
    let pid = clip.audio_pids().first().copied();
    let pid = pid.unwrap_or_else(|| panic!("{} has no sound", clip.name()));
    clip.pes().remove(&pid).expect("the PMT names streams that are there")
}

/// An ID3 tag that tells the time of the first sample (RFC 8216, 3.4).
fn id3_time(ticks_90k: u64) -> Vec<u8> {
    let private = [&b"com.apple.streaming.transportStreamTimestamp\0"[..], &ticks_90k.to_be_bytes()].concat();
    // Both sizes are below 128, so that their synchsafe form is the plain one.
    let size = |bytes: usize| u32::try_from(bytes).expect("a tag is short").to_be_bytes();
    let frame = [&b"PRIV"[..], &size(private.len()), &[0, 0], &private].concat();
    [&b"ID3\x04\0\0"[..], &size(frame.len()), &frame].concat()
}
