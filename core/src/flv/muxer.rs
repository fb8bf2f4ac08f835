//! The muxer: from packets to tags with times.

use std::collections::VecDeque;

use super::elementary::{Arrival, Elementary, Program};
use super::interleave::Interleave;
use super::pictures::{self, News, Pictures};
use super::sound::{self, Configuration, Frames, Silence};
use super::{Change, Content, Format, Item, Tag, Unsupported};
use crate::time::Pts;
use crate::ts::pes::Header;
use crate::ts::random_access::RandomAccess;
use crate::ts::stream::Codec;

/// Times are kept below this, in milliseconds: some servers read them as 31 bits with a sign. The
/// margin is longer than any group of pictures.
const MAX_TIME: i64 = (1 << 31) - 60_000;

/// How long an instantaneous refresh is waited for, in ticks of 90 kHz: 5 s. Broadcasts exist that
/// have none; then a picture serves that is a start for most decoders.
const PATIENCE: i64 = 5 * 90_000;

/// Makes tags of a channel's packets. See the [module](super) for what holds.
#[derive(Debug)]
pub struct Muxer {
    elementary: Elementary,
    maker: Maker,
}

/// What makes tags of what arrives.
#[derive(Debug)]
struct Maker {
    /// What the first time is, in milliseconds.
    begin: u32,
    clock: Clock,
    program: Program,
    state: State,
    interleave: Interleave,
    /// The last time that was given, of pictures and of sound.
    last: [u32; 2],
    items: VecDeque<Item>,
}

#[derive(Debug)]
enum State {
    /// Nothing can be sent before this.
    Waiting {
        pictures: Option<Pictures>,
        /// When the first picture came.
        since: Option<i64>,
    },
    Running(Running),
    /// Nothing more comes.
    Over,
}

/// A stream that has begun.
#[derive(Debug)]
struct Running {
    /// What the first time was on the timeline, in ticks of 90 kHz.
    base: i64,
    pictures: Option<Pictures>,
    /// Pictures shown before this need what came before the first one.
    leading_before: Option<i64>,
    sound: Sound,
}

#[derive(Debug)]
enum Sound {
    Silence(Silence),
    /// AAC that has not come yet.
    Expected(Frames),
    Aac(Frames, Configuration),
}

/// Unwraps time stamps.
#[derive(Debug, Default)]
struct Clock(Option<(Pts, i64)>);

impl Clock {
    fn unwrap(&mut self, stamp: Pts) -> i64 {
        let time = match self.0 {
            None => 0,
            // By the shorter way round, so that a wrap of 33 bits is a step like any other.
            Some((last, time)) => time + stamp.since(last),
        };
        self.0 = Some((stamp, time));
        time
    }
}

impl Muxer {
    /// A muxer whose first tag has the time zero.
    pub fn new() -> Self {
        Self::beginning_at(0)
    }

    /// A muxer whose first tag has this time, in milliseconds.
    pub fn beginning_at(begin: u32) -> Self {
        let maker = Maker {
            begin,
            clock: Clock::default(),
            program: Program::default(),
            state: State::Waiting { pictures: None, since: None },
            interleave: Interleave::default(),
            last: [begin; 2],
            items: VecDeque::new(),
        };
        Self { elementary: Elementary::new(), maker }
    }

    /// Takes whole packets, the first of them PAT and PMT in front of a random access point.
    pub fn push(&mut self, packets: &[u8]) {
        let Self { elementary, maker } = self;
        elementary.push(packets, |arrival| maker.handle(&arrival));
    }

    /// Returns the next item.
    pub fn poll(&mut self) -> Option<Item> {
        self.maker.items.pop_front()
    }

    /// What sound there is that is not sent, and silence is in its place.
    pub fn replaced_sound(&self) -> Option<Codec> {
        self.maker.program.sound.filter(|&codec| codec != Codec::Aac)
    }
}

impl Default for Muxer {
    fn default() -> Self {
        Self::new()
    }
}

impl Maker {
    fn handle(&mut self, arrival: &Arrival<'_>) {
        if matches!(self.state, State::Over) {
            return;
        }
        match arrival {
            Arrival::Program(program) => self.handle_program(*program),
            Arrival::Picture(header, unit) => self.handle_picture(header, unit),
            Arrival::Sound(header, content) => self.handle_sound(header, content),
        }
        self.release(false);
    }

    fn handle_program(&mut self, program: Program) {
        let before = std::mem::replace(&mut self.program, program);
        match &mut self.state {
            State::Waiting { pictures, .. } => {
                if let Some(codec) = program.pictures.filter(|&codec| !pictures::is_carried(codec)) {
                    return self.give_up(Unsupported::Picture(codec));
                }
                // Silence alone is no programme that a service would take.
                if program.pictures.is_none() && program.sound != Some(Codec::Aac) {
                    return self.give_up(Unsupported::Nothing);
                }
                *pictures = program.pictures.map(Pictures::new);
            }
            // The header that servers keep names one codec; a change needs a new stream.
            State::Running(_) if before.pictures != program.pictures => self.end(Change::Picture),
            State::Running(_) if before.sound != program.sound => self.end(Change::Sound),
            State::Running(_) | State::Over => {}
        }
    }

    fn handle_picture(&mut self, header: &Header, unit: &[u8]) {
        // Without a stamp nobody knows when.
        let Some((decoded, shown)) = header.decode_time().zip(header.pts) else { return };
        let decoded = self.clock.unwrap(decoded);
        let shown = decoded + shown.since(header.decode_time().unwrap_or(shown));
        match &self.state {
            State::Waiting { .. } => self.begin_with(decoded, shown, unit),
            State::Running(_) => self.add_picture(decoded, shown, unit),
            State::Over => {}
        }
    }

    /// Begins, if this is a picture to begin with.
    fn begin_with(&mut self, decoded: i64, shown: i64, unit: &[u8]) {
        let State::Waiting { pictures: waiting, since } = &mut self.state else { return };
        // Counted from the first picture of any kind, since the refresh may never come.
        let since = *since.get_or_insert(decoded);
        let Some(pictures) = waiting else { return };
        let is_start = match pictures::entry(pictures.codec, unit) {
            Some(RandomAccess::Idr) => true,
            Some(RandomAccess::Blind | RandomAccess::Audio) | None => false,
            // HEVC's other random access points are clean but for their leading pictures, which are
            // left out.
            Some(_) => pictures.codec == Codec::Hevc || decoded - since > PATIENCE,
        };
        if !is_start {
            return;
        }
        // Without parameter sets nobody could decode it.
        let News::Header(header) = pictures.look(unit) else { return };
        let pictures = waiting.take();
        let sound = match self.program.sound {
            Some(Codec::Aac) => Sound::Expected(Frames::default()),
            // Services refuse a stream without sound, so silence of the same length goes with the
            // pictures.
            _ => Sound::Silence(Silence::default()),
        };
        let format = pictures.as_ref().and_then(|pictures| pictures.format.clone());
        let is_silent = matches!(sound, Sound::Silence(_));
        self.items.push_back(Item::Begin(Format {
            codec: self.program.pictures,
            width: format.as_ref().map_or(0, |format| format.width),
            height: format.as_ref().map_or(0, |format| format.height),
            frame_rate: format.and_then(|format| format.frame_rate),
            sample_rate: if is_silent { Silence::RATE } else { 0 },
            channels: if is_silent { 2 } else { 0 },
        }));
        // What is shown before it was predicted from what never came.
        self.state = State::Running(Running { base: decoded, pictures, leading_before: Some(shown), sound });
        self.tag(decoded, Content::PictureHeader, header);
        if is_silent {
            self.tag(decoded, Content::SoundHeader, Silence::header());
        }
        self.push_picture(decoded, shown, unit, true);
    }

    fn add_picture(&mut self, decoded: i64, shown: i64, unit: &[u8]) {
        let State::Running(running) = &mut self.state else { return };
        let Some(pictures) = &mut running.pictures else { return };
        let is_key = pictures::entry(pictures.codec, unit).is_some();
        if is_key {
            // Asked at key pictures only, where the next stream can begin.
            let ends = (decoded - running.base) / 90 + i64::from(self.begin) > MAX_TIME;
            match pictures.look(unit) {
                _ if ends => return self.end(Change::Time),
                // Receivers take another size in a new connection only.
                News::Size => return self.end(Change::Picture),
                News::Header(header) => self.tag(decoded, Content::PictureHeader, header),
                // The sets are the ones that the server has.
                News::Nothing | News::Unusable => {}
            }
        } else if running.leading_before.is_some_and(|first| shown < first) {
            return;
        } else {
            running.leading_before = None;
        }
        self.push_picture(decoded, shown, unit, is_key);
    }

    fn push_picture(&mut self, decoded: i64, shown: i64, unit: &[u8], is_key: bool) {
        let State::Running(Running { base, pictures: Some(pictures), .. }) = &self.state else { return };
        // Both are rounded from the timeline, and the offset is what lies between them.
        let offset = (milliseconds(shown - base) - milliseconds(decoded - base)).clamp(0, 0x7F_FFFF);
        let offset = u32::try_from(offset).expect("it has 23 bits");
        let body = pictures.body(unit, is_key, offset);
        let content = if is_key { Content::KeyFrame } else { pictures::other(pictures.codec, unit) };
        self.tag(decoded, content, body);
        self.add_silence(decoded);
    }

    fn add_silence(&mut self, until: i64) {
        loop {
            let State::Running(Running { sound: Sound::Silence(silence), .. }) = &mut self.state else {
                return;
            };
            let Some(time) = silence.next(until) else { return };
            self.tag(time, Content::Sound, Silence::body());
        }
    }

    fn handle_sound(&mut self, header: &Header, content: &[u8]) {
        if self.program.sound != Some(Codec::Aac) {
            return;
        }
        let time = header.pts.map(|pts| self.clock.unwrap(pts));
        if let (State::Waiting { pictures: None, .. }, None, Some(begin)) =
            (&self.state, self.program.pictures, time)
        {
            let sound = Sound::Expected(Frames::default());
            self.state = State::Running(Running { base: begin, pictures: None, leading_before: None, sound });
        }
        let State::Running(running) = &mut self.state else { return };
        let (mut frames, mut known) =
            match std::mem::replace(&mut running.sound, Sound::Silence(Silence::default())) {
                Sound::Silence(_) => return,
                Sound::Expected(frames) => (frames, None),
                Sound::Aac(frames, configuration) => (frames, Some(configuration)),
            };
        let (base, has_pictures) = (running.base, running.pictures.is_some());
        let (mut made, mut is_changed) = (Vec::new(), false);
        frames.push(time, content, |frame| {
            // Sound in front of the first picture has no place on the line.
            if frame.time < base || is_changed {
                return;
            }
            match known {
                Some(known) if known != frame.configuration => is_changed = true,
                Some(_) => made.push((frame.time, Content::Sound, sound::body(frame.content))),
                None => {
                    known = Some(frame.configuration);
                    made.push((frame.time, Content::SoundHeader, frame.configuration.header()));
                    made.push((frame.time, Content::Sound, sound::body(frame.content)));
                }
            }
        });
        running.sound = match known {
            // Put back even without a frame: part of one may be held.
            Some(configuration) => Sound::Aac(frames, configuration),
            None => Sound::Expected(frames),
        };
        for (time, content, body) in made {
            if content == Content::SoundHeader && !has_pictures {
                self.items.push_back(Item::Begin(self.format_of_sound()));
            }
            self.tag(time, content, body);
        }
        let is_late = |time| milliseconds(time - base) + i64::from(self.begin) > MAX_TIME;
        if is_changed {
            self.end(Change::Sound);
        } else if !has_pictures && time.is_some_and(is_late) {
            self.end(Change::Time);
        }
    }

    fn format_of_sound(&self) -> Format {
        let State::Running(Running { sound: Sound::Aac(_, configuration), .. }) = &self.state else {
            return Format::default();
        };
        let Configuration { rate, channels, .. } = *configuration;
        Format { sample_rate: rate, channels, ..Format::default() }
    }

    fn tag(&mut self, time: i64, content: Content, body: Vec<u8>) {
        self.interleave.push(time, Tag { content, time: 0, body });
    }

    /// Gives out what nothing can come before any more; all, if nothing more comes.
    fn release(&mut self, is_ending: bool) {
        let State::Running(running) = &self.state else { return };
        let is_silent = matches!(running.sound, Sound::Silence(_));
        let is_alone = is_ending || is_silent || running.pictures.is_none();
        let (base, begin) = (running.base, i64::from(self.begin));
        while let Some((time, mut tag)) = self.interleave.pop(is_alone) {
            let last = &mut self.last[usize::from(tag.content.is_of_pictures())];
            // A time before the beginning, or beyond 32 bits, stands at the last one.
            let now = u32::try_from(milliseconds(time - base) + begin).unwrap_or(*last);
            // Never back, as receivers rely on.
            *last = now.max(*last);
            tag.time = *last;
            self.items.push_back(Item::Tag(tag));
        }
    }

    fn end(&mut self, change: Change) {
        // All that is held belongs to the stream that ends.
        self.release(true);
        self.state = State::Over;
        self.items.push_back(Item::Change(change));
    }

    fn give_up(&mut self, why: Unsupported) {
        self.state = State::Over;
        self.items.push_back(Item::Unsupported(why));
    }
}

/// Ticks of 90 kHz as milliseconds, rounded to the nearest.
fn milliseconds(ticks: i64) -> i64 {
    (ticks + 45).div_euclid(90)
}
