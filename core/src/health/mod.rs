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

mod alarms;
mod clock;
mod content;
mod digest;
mod loss;
mod pace;
mod picture;
mod presence;
mod programme;
mod quality;
mod repetition;
mod rules;
mod stillness;
mod supply;

pub use self::clock::MAX_JUMPS;
pub use self::loss::Grade;
pub use self::rules::{Fault, Rule, Rules, Severity};

use self::alarms::Alarms;
use self::clock::Clocks;
use self::content::Content;
use self::loss::Loss;
use self::pace::Pace;
use self::presence::{Meter, Presence};
use self::programme::{Kind, Programme};
use self::quality::Quality;
use self::rules::Seen;
use self::supply::Supply;
use crate::time::{MediaTime, Moment, Pcr};
use crate::ts::demux::{Continuity, Role};
use crate::ts::packet::{Bytes, Packet};
use crate::ts::pes::Header;

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
    programme: Programme,
    clocks: Clocks,
    tempo: Tempo,
    video: Presence,
    audio: Presence,
    quality: Quality,
    loss: Loss,
    content: Content,
    alarms: Alarms,
}

impl Inspector {
    /// Judges the programme `program` of a source, without one that which the splice stage chooses,
    /// by `rules`.
    pub fn new(rules: Rules, program: Option<u16>) -> Self {
        Self {
            programme: Programme::new(program),
            clocks: Clocks::default(),
            tempo: Tempo::Live(Pace::default()),
            video: Presence::default(),
            audio: Presence::default(),
            quality: Quality::default(),
            loss: Loss::default(),
            content: Content::new(rules.repeating),
            alarms: Alarms::default(),
            rules,
        }
    }

    /// The source is read by media time, as HLS and files are: how fast packets come says nothing,
    /// only how fast parts do.
    pub fn set_paced(&mut self) {
        self.tempo = Tempo::Paced(Supply::default());
    }

    /// The run of bytes ends here and another begins: clocks and counters begin anew.
    pub fn note_discontinuity(&mut self) {
        // The picture on hand ends with the run: what follows belongs to another.
        self.finish_picture();
        self.programme.note_discontinuity();
        self.clocks.note_discontinuity();
        self.content.note_discontinuity();
    }

    /// A part is complete, and the next goes on in time, but maybe not in its continuity counters.
    pub fn cut(&mut self) {
        self.programme.forget_counters();
    }

    /// A part has been read, whole or as far as it came, and the next one was begun with at `now`.
    pub fn handle_part(&mut self, now: Moment) {
        let media = self.clocks.media();
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
            match self.programme.handle_packet(packet) {
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
        let damaged = self.programme.newly_damaged();
        self.handle_errors(damaged);
        self.loss.advance(now);
        self.quality.advance(now, self.clocks.media());
        let media = self.clocks.media();
        // Packets of other programmes say nothing of whether ours is slow.
        if let (true, Tempo::Live(pace), Some(threshold)) = (is_ours, &mut self.tempo, self.rules.slow) {
            pace.advance(now, media, threshold);
        }
        self.judge(now);
    }

    /// A fault that was not told yet. A rule tells of each stretch in which it holds once; of a
    /// notice every ten seconds.
    pub fn poll_fault(&mut self) -> Option<Fault> {
        self.alarms.poll()
    }

    /// The picture moves all the same, or who looked could not tell: whether it stands still is
    /// asked from now on anew.
    pub fn rejudge_stillness(&mut self) {
        // The rule has told of it, and may have to tell of it again.
        self.content.rejudge_stillness();
        self.alarms.forget(Rule::FrozenPicture);
    }

    /// The source has been told to send less: how fast parts come is judged anew.
    pub fn forget_pace(&mut self) {
        if let Tempo::Paced(supply) = &mut self.tempo {
            // The rate before was that of larger parts.
            *supply = Supply::default();
        }
        self.alarms.forget(Rule::Slow);
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
        self.alarms.count(rule)
    }

    /// How far decoding has got, in the stamps of pictures or of sound, whichever have gone on
    /// most: nothing before they go on.
    pub fn decoded(&self) -> Option<MediaTime> {
        self.clocks.decoded()
    }

    /// The map came or changed.
    fn handle_map(&mut self) {
        // The picture on hand belongs to the streams before.
        let before = self.clocks.stamps();
        if !self.programme.handle_map() {
            return;
        }
        self.content.finish_picture(before);
        let (video, sounds) = (self.programme.video(), self.programme.sounds());
        self.content.begin(video, sounds);
        self.clocks.note_new_streams();
        self.video.announce(video.is_some(), self.programme.has_stills());
        self.audio.announce(sounds > 0, false);
    }

    #[inline]
    fn handle_packet(&mut self, now: Moment, index: usize, packet: Packet<'_>) {
        if self.programme.has_clock_in(packet.pid())
            && let Some(pcr) = packet.pcr()
        {
            self.handle_clock(now, pcr, packet.is_discontinuity());
        }
        let Some(payload) = packet.payload() else { return };
        match self.programme.kind(index) {
            Kind::Pictures => {
                self.video.handle_packet();
                self.quality.handle_packet(packet.is_scrambled());
                if packet.starts_unit() {
                    self.begin_picture(now, packet, payload);
                } else {
                    self.content.push(payload);
                }
            }
            Kind::Video => self.video.handle_packet(),
            Kind::Sound(number) => {
                self.audio.handle_packet();
                // Sound is judged for scrambling only where there is nothing else to go by.
                if !self.programme.has_video() {
                    self.quality.handle_packet(packet.is_scrambled());
                }
                self.handle_sound(now, number, packet, payload);
            }
            Kind::Other => {}
        }
    }

    fn handle_clock(&mut self, now: Moment, pcr: Pcr, is_announced: bool) {
        if self.clocks.is_first_clock() {
            self.restart_tempo(); // it went by the stamps so far
        }
        if let Some(ticks) = self.clocks.advance_clock(now, pcr.base(), is_announced) {
            self.video.advance(Meter::Clock, ticks);
            self.audio.advance(Meter::Clock, ticks);
        } else {
            // A clock that has jumped says nothing of how fast media came.
            self.restart_tempo();
        }
        self.quality.advance(now, self.clocks.media());
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
            let step = self.clocks.advance_stamps(now, time, packet.is_discontinuity());
            self.video.begin_picture(step == Some(0));
            // Pictures that go on show that the sound is missing, and the other way round.
            if let Some(ticks) = step {
                self.audio.advance(Meter::Others, ticks);
            }
        }
        self.content.begin_picture(packet, header);
    }

    fn handle_sound(&mut self, now: Moment, number: usize, packet: Packet<'_>, payload: &[u8]) {
        let mut content = payload;
        if packet.starts_unit() {
            self.content.begin_sound(number);
            let Some(header) = Header::parse(payload) else { return };
            content = payload.get(header.payload_at..).unwrap_or_default();
            if let Some(pts) = header.pts {
                self.video.advance(Meter::Others, self.clocks.advance_sound(pts));
                if !self.programme.has_video() && number == 0 {
                    self.clocks.advance_stamps(now, pts, packet.is_discontinuity());
                }
            }
        }
        // Without pictures there are no groups.
        if self.programme.has_video() && !packet.is_scrambled() {
            self.content.push_sound(number, content);
        }
    }

    /// The picture on hand, if any, is complete.
    fn finish_picture(&mut self) {
        // The stamps still stand where it began: what is its own time counts for the next.
        self.content.finish_picture(self.clocks.stamps());
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
        let jumps = self.clocks.recent_jumps(now);
        let scrambled_for = self.quality.scrambled();
        let still = self.content.still();
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
            repeating.and_then(|_| self.content.repetition()),
            frozen_picture.filter(|&time| still >= time).map(|_| Seen::Still(still)),
        ];
        for (rule, seen) in Rule::ALL.into_iter().zip(seen) {
            if let Some(seen) = seen {
                self.alarms.hold(rule, seen, now);
            }
        }
    }
}
