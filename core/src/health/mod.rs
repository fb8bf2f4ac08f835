//! Judges a source by its content, without decoding it.
//!
//! A source can go on sending and yet be dead to its viewers: it drips, it leaves the sound out, it
//! shows a notice in a loop. The [`Inspector`] reads the packets beside the splice stage and holds
//! them against [`Rules`]. Each rule is made so that it stays silent on whatever a healthy source
//! does: bursts and pauses of the network, jumps of the clock where programmes change, pauses in
//! the programme.
//!
//! Not judged here are sources that stand still, which the lifecycle knows, and what is no
//! transport stream.

mod clock;
mod digest;
mod loss;
mod pace;
mod picture;
mod presence;
mod quality;
mod repetition;
mod rules;
mod stillness;
mod supply;

pub use self::clock::MAX_JUMPS;
pub use self::loss::Grade;
pub use self::rules::{Fault, Rule, Rules, Severity};

use std::time::Duration;

use self::clock::{Front, Jumps, Line};
use self::digest::Sound;
use self::loss::Loss;
use self::pace::Pace;
use self::picture::Hand;
use self::presence::{Meter, Presence};
use self::quality::Quality;
use self::repetition::{Group, Repetition};
use self::rules::Seen;
use self::stillness::Stillness;
use self::supply::Supply;
use crate::assumption::broken;
use crate::time::{MediaTime, Moment, Pcr};
use crate::ts::demux::{Continuity, Demux, Role};
use crate::ts::packet::{Bytes, Packet, Pid};
use crate::ts::pes::Header;
use crate::ts::psi::PmtStream;
use crate::ts::stream::{self, Class, Codec};

/// A rule that has not held for so long holds anew when it does again: what comes and goes is one
/// fault.
const CALM: Duration = Duration::from_secs(10);

/// A notice that goes on is told of again after so long.
const REMINDER: Duration = Duration::from_secs(10);

/// What a stream of the map is to the rules.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// The pictures that are looked at: the first video stream.
    Pictures,
    /// More video.
    Video,
    /// Sound, by its number.
    Sound(usize),
    Other,
}

/// How it is known whether media goes on as fast as time does.
#[derive(Debug)]
enum Tempo {
    /// By how fast packets come.
    Live(Pace),
    /// By how fast parts do: it is read by media time.
    Paced(Supply),
}

/// Judges one upstream. Packets are pushed, faults are pulled; all of them may be pulled after each
/// push.
#[derive(Debug)]
pub struct Inspector {
    rules: Rules,
    program: Option<u16>,
    demux: Demux,
    streams: Vec<PmtStream>,
    kinds: Vec<Kind>,
    clock_pid: Pid,
    has_video: bool,
    /// The clock, the decoding times of the first video stream (of the first sound where there is
    /// none), and the stamps of all sound.
    clock: Line,
    has_clock: bool,
    stamps: Line,
    sound_front: Front,
    /// How far the sound has gone on, in ticks.
    sound: i64,
    /// Jumps of the clock and of the stamps.
    jumps: [Jumps; 2],
    /// Damaged packets that are counted already.
    damaged: u64,
    tempo: Tempo,
    video: Presence,
    audio: Presence,
    quality: Quality,
    loss: Loss,
    hand: Hand,
    sounds: Vec<Sound>,
    stillness: Stillness,
    /// The group on hand: its fingerprint, when it began, and whether that was behind a
    /// discontinuity.
    group: Option<(u64, i64, bool)>,
    is_behind_seam: bool,
    repetition: Repetition,
    /// By rule: when it held last, when that was told, how often it began to, and what is yet to be
    /// told.
    held: [Option<Moment>; Rule::COUNT],
    told: [Moment; Rule::COUNT],
    counts: [u64; Rule::COUNT],
    pending: [Option<Fault>; Rule::COUNT],
}

impl Inspector {
    /// Judges the programme `program` of a source, without one that which the splice stage chooses,
    /// by `rules`.
    pub fn new(rules: Rules, program: Option<u16>) -> Self {
        Self {
            rules,
            program,
            demux: Demux::new(program),
            streams: Vec::new(),
            kinds: Vec::new(),
            clock_pid: Pid::NULL,
            has_video: false,
            clock: Line::default(),
            has_clock: false,
            stamps: Line::default(),
            sound_front: Front::default(),
            sound: 0,
            jumps: Default::default(),
            damaged: 0,
            tempo: Tempo::Live(Pace::default()),
            video: Presence::default(),
            audio: Presence::default(),
            quality: Quality::default(),
            loss: Loss::default(),
            hand: Hand::new(Codec::Data(0)),
            sounds: Vec::new(),
            stillness: Stillness::default(),
            group: None,
            is_behind_seam: false,
            repetition: Repetition::default(),
            held: Default::default(),
            told: Default::default(),
            counts: Default::default(),
            pending: Default::default(),
        }
    }

    /// The source is read by media time, as HLS and files are: how fast packets come says nothing,
    /// only how fast parts do.
    pub fn set_paced(&mut self) {
        self.tempo = Tempo::Paced(Supply::default());
    }

    /// The run of bytes ends here and another begins: clocks and counters begin anew.
    pub fn note_discontinuity(&mut self) {
        self.finish_picture();
        self.demux = Demux::new(self.program);
        self.damaged = 0;
        self.clock.note_discontinuity();
        self.stamps.note_discontinuity();
        self.sound_front.note_discontinuity();
        self.is_behind_seam = true;
    }

    /// A part is complete, and the next goes on in time, but maybe not in its continuity counters.
    pub fn cut(&mut self) {
        self.demux.forget_counters();
    }

    /// A part has been read, whole or as far as it came, and the next one was begun with at `now`.
    pub fn handle_part(&mut self, now: Moment) {
        let media = self.media();
        if let (Tempo::Paced(supply), Some(threshold)) = (&mut self.tempo, self.rules.slow) {
            supply.handle_part(now, media, threshold);
        }
        self.judge(now);
    }

    /// Takes packets that came at `now`.
    pub fn push(&mut self, now: Moment, packets: &[Bytes]) {
        let mut is_ours = false;
        for bytes in packets {
            let packet = Packet::new(bytes);
            match self.demux.handle_packet(packet) {
                (Role::Stream(index), continuity) => {
                    is_ours = true;
                    self.loss.handle_packet();
                    self.handle_errors(u32::from(continuity == Continuity::Broken));
                    self.handle_packet(now, index, packet);
                }
                (Role::Changed, _) => self.handle_map(),
                (Role::Other | Role::Information(_) | Role::Access, _) => {}
            }
        }
        let damaged = self.demux.counts().damaged;
        self.handle_errors(u32::try_from(damaged - self.damaged).unwrap_or(u32::MAX));
        self.damaged = damaged;
        self.loss.advance(now);
        self.quality.advance(now, self.media());
        let media = self.media();
        if let (true, Tempo::Live(pace), Some(threshold)) = (is_ours, &mut self.tempo, self.rules.slow) {
            pace.advance(now, media, threshold);
        }
        self.judge(now);
    }

    /// A fault that was not told yet. A rule tells of each stretch in which it holds once; of a
    /// notice every ten seconds.
    pub fn poll_fault(&mut self) -> Option<Fault> {
        self.pending.iter_mut().find_map(Option::take)
    }

    /// The picture moves all the same, or who looked could not tell: whether it stands still is
    /// asked from now on anew.
    pub fn doubt_stillness(&mut self) {
        self.stillness = Stillness::default();
        self.held[Rule::FrozenPicture.index()] = None;
    }

    /// The source has been told to send less: how fast parts come is judged anew.
    pub fn forget_pace(&mut self) {
        if let Tempo::Paced(supply) = &mut self.tempo {
            *supply = Supply::default();
        }
        self.held[Rule::Slow.index()] = None;
    }

    /// How much was lost in a stretch of ten seconds that has ended.
    pub fn poll_grade(&mut self) -> Option<Grade> {
        self.loss.poll()
    }

    fn handle_errors(&mut self, count: u32) {
        self.quality.handle_errors(count);
        self.loss.handle_errors(count);
    }

    /// How often `rule` has begun to hold.
    pub fn count(&self, rule: Rule) -> u64 {
        self.counts[rule.index()]
    }

    /// How far decoding has got, in the stamps of pictures or of sound, whichever have gone on
    /// most: nothing before they go on.
    pub fn decoded(&self) -> Option<MediaTime> {
        let ticks = self.stamps.ticks().max(self.sound);
        (ticks > 0).then(|| MediaTime::new(ticks))
    }

    /// The source's own time, in ticks: what of its clock and its stamps has gone on most. A clock
    /// may stand still or come with the pictures only, and those may be few.
    fn media(&self) -> i64 {
        self.clock.ticks().max(self.stamps.ticks()).max(self.sound)
    }

    /// The map came or changed.
    fn handle_map(&mut self) {
        let Some(map) = self.demux.program() else {
            return broken("the demultiplexer tells of a map that it has");
        };
        self.clock_pid = map.pcr_pid;
        if map.streams == self.streams {
            return;
        }
        self.streams.clone_from(&map.streams);
        self.finish_picture();
        // What began behind a discontinuity still does: the map of a part may come in pieces.
        self.is_behind_seam |= self.group.take().is_some_and(|(_, _, is_part)| is_part);
        self.stillness = Stillness::default();
        self.sounds.clear();
        self.kinds.clear();
        self.has_video = false;
        for stream in &self.streams {
            let codec = Codec::of(stream);
            self.kinds.push(match codec.class() {
                Class::Video if self.has_video => Kind::Video,
                Class::Video => {
                    self.has_video = true;
                    self.hand = Hand::new(codec);
                    Kind::Pictures
                }
                Class::Audio => {
                    self.sounds.push(Sound::default());
                    Kind::Sound(self.sounds.len() - 1)
                }
                _ => Kind::Other,
            });
        }
        self.stamps.note_discontinuity();
        self.sound_front.note_discontinuity();
        let pictures = self.streams.iter().filter(|stream| Codec::of(stream).class() == Class::Video);
        let has_stills = pictures.into_iter().any(|stream| stream::has_stills(&stream.descriptors));
        self.video.announce(self.has_video, has_stills);
        self.audio.announce(!self.sounds.is_empty(), false);
    }

    #[inline]
    fn handle_packet(&mut self, now: Moment, index: usize, packet: Packet<'_>) {
        if packet.pid() == self.clock_pid
            && let Some(pcr) = packet.pcr()
        {
            self.handle_clock(now, pcr, packet.is_discontinuity());
        }
        let Some(payload) = packet.payload() else { return };
        match self.kinds.get(index) {
            Some(Kind::Pictures) => {
                self.video.handle_packet();
                self.quality.handle_packet(packet.is_scrambled());
                if packet.starts_unit() {
                    self.begin_picture(now, packet, payload);
                } else {
                    self.hand.push(payload);
                }
            }
            Some(Kind::Video) => self.video.handle_packet(),
            Some(&Kind::Sound(number)) => {
                self.audio.handle_packet();
                if !self.has_video {
                    self.quality.handle_packet(packet.is_scrambled());
                }
                self.handle_sound(now, number, packet, payload);
            }
            Some(Kind::Other) | None => {}
        }
    }

    fn handle_clock(&mut self, now: Moment, pcr: Pcr, is_announced: bool) {
        if !std::mem::replace(&mut self.has_clock, true) {
            self.restart_tempo(); // it went by the stamps so far
        }
        if let Some(ticks) = self.clock.advance(pcr.base(), is_announced) {
            self.video.advance(Meter::Clock, ticks);
            self.audio.advance(Meter::Clock, ticks);
        } else {
            self.jumps[0].add(now);
            self.restart_tempo();
        }
        self.quality.advance(now, self.media());
    }

    fn restart_tempo(&mut self) {
        match &mut self.tempo {
            Tempo::Live(pace) => *pace = Pace::default(),
            Tempo::Paced(supply) => *supply = Supply::default(),
        }
    }

    fn begin_picture(&mut self, now: Moment, packet: Packet<'_>, payload: &[u8]) {
        self.finish_picture();
        let header = Header::parse(payload);
        if let Some(time) = header.and_then(|header| header.decode_time()) {
            let step = self.stamps.advance(time, packet.is_discontinuity());
            self.video.begin_picture(step == Some(0));
            match step {
                Some(ticks) => self.audio.advance(Meter::Others, ticks),
                None => self.jumps[1].add(now),
            }
        }
        self.hand.begin(packet, header);
    }

    fn handle_sound(&mut self, now: Moment, number: usize, packet: Packet<'_>, payload: &[u8]) {
        let mut content = payload;
        if packet.starts_unit() {
            self.sounds[number].begin_unit();
            let Some(header) = Header::parse(payload) else { return };
            content = payload.get(header.payload_at..).unwrap_or_default();
            if let Some(pts) = header.pts {
                let ticks = self.sound_front.advance(pts);
                self.sound += ticks;
                self.video.advance(Meter::Others, ticks);
                if !self.has_video
                    && number == 0
                    && self.stamps.advance(pts, packet.is_discontinuity()).is_none()
                {
                    self.jumps[1].add(now);
                }
            }
        }
        // Without pictures there are no groups.
        if self.has_video && self.rules.repeating.is_some() && !packet.is_scrambled() {
            self.sounds[number].push(content);
        }
    }

    /// The picture on hand, if any, is complete.
    fn finish_picture(&mut self) {
        let Some(picture) = self.hand.finish() else { return };
        // The stamps still stand where it began: what is its own time counts for the next.
        let time = self.stamps.ticks();
        if picture.is_entry {
            self.finish_group(time);
            self.group = Some((0, time, std::mem::take(&mut self.is_behind_seam)));
        }
        self.stillness.handle(&picture, time);
        if let Some((fingerprint, ..)) = &mut self.group {
            *fingerprint = digest::join(*fingerprint, picture.fingerprint);
        }
    }

    /// The group on hand ends at `time`, in ticks.
    fn finish_group(&mut self, time: i64) {
        let (mut sound, mut is_silent) = (0, true);
        for (least, is_varied) in self.sounds.iter_mut().map(Sound::take) {
            sound = digest::join(sound, least);
            is_silent &= !is_varied;
        }
        let Some((pictures, since, is_part)) = self.group.take() else { return };
        let Some(threshold) = self.rules.repeating else { return };
        let is_quiet = is_silent && self.stillness.is_group_still();
        self.repetition.handle(Group { pictures, sound, is_quiet, ticks: time - since, is_part }, threshold);
    }

    /// Holds what is known against the rules.
    fn judge(&mut self, now: Moment) {
        let Rules {
            slow,
            video_missing,
            audio_missing,
            scrambled,
            damaged,
            erratic_clock,
            repeating,
            frozen_picture,
        } = self.rules;
        let jumps =
            self.jumps.each_mut().map(|jumps| jumps.recent(now)).into_iter().max().unwrap_or_default();
        let scrambled_for = self.quality.scrambled();
        let still = self.stillness.still();
        let seen = [
            slow.and_then(|_| match &self.tempo {
                Tempo::Live(pace) => pace.verdict(),
                Tempo::Paced(supply) => supply.verdict(),
            }),
            video_missing.and_then(|time| self.video.missing(time, false)).map(Seen::Missing),
            audio_missing.and_then(|time| self.audio.missing(time, true)).map(Seen::Missing),
            scrambled.filter(|&time| scrambled_for >= time).map(|_| Seen::Scrambled(scrambled_for)),
            damaged
                .and_then(|rate| self.quality.errors(rate))
                .map(|(count, time)| Seen::Errors { count, time }),
            erratic_clock
                .filter(|&count| jumps.0 >= count as usize)
                .map(|_| Seen::Jumps { count: jumps.0, time: jumps.1 }),
            repeating.and_then(|_| self.repetition.verdict()),
            frozen_picture.filter(|&time| still >= time).map(|_| Seen::Still(still)),
        ];
        for (rule, seen) in Rule::ALL.into_iter().zip(seen) {
            let Some(seen) = seen else { continue };
            let index = rule.index();
            let held = self.held[index].replace(now);
            let is_new = held.is_none_or(|held| now.since(held) > CALM);
            if is_new || rule.severity() == Severity::Notice && now.since(self.told[index]) >= REMINDER {
                self.counts[index] += u64::from(is_new);
                self.told[index] = now;
                self.pending[index] = Some(Fault { rule, is_new, seen });
            }
        }
    }
}
