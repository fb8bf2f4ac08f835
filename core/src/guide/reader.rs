//! The reader of XMLTV.

use std::borrow::Cow;
use std::collections::HashMap;

use super::details::{Details, Element, attribute};
use super::entities::unescape;
use super::schema::{Attribute, OF_CHANNEL, OF_PROGRAMME, PROGRAMME, Tag};
use super::times::Clock;
use super::tokens::{Attributes, Token, Tokens};
use crate::charset::{Charset, Transcoder};
use crate::lineup::UnixTime;

/// More channels than any guide has; what comes behind them is counted and left out.
pub const MAX_CHANNELS: u64 = 100_000;

/// Programmes of a guide, likewise: 4,000 channels over two weeks.
pub const MAX_PROGRAMMES: u64 = 2_000_000;

/// What a channel or a programme may have in texts, in bytes. The longest descriptions have 10,000.
const MAX_BYTES: usize = 256 * 1024;

/// Elements of a channel or a programme.
const MAX_ELEMENTS: usize = 1_000;

/// Elements within each other; the format has three of them.
const MAX_DEPTH: usize = 32;

/// An id of a channel.
const MAX_ID_BYTES: usize = 512;

/// Channels whose last programme is remembered, to tell local times apart that are there twice.
const MAX_REMEMBERED: usize = 20_000;

/// What a reader is told of a guide beforehand.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The character set that the operator names, whatever the guide itself says.
    pub charset: Option<String>,
    /// How its times are read.
    pub clock: Clock,
}

/// A channel of a guide.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Channel {
    /// Its id within the guide.
    pub id: String,
    /// Its names, pictures and addresses.
    pub details: Details,
}

/// A programme.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programme {
    /// The id of its channel.
    pub channel: String,
    /// When it begins.
    pub start: UnixTime,
    /// When it ends, if the guide says so.
    pub stop: Option<UnixTime>,
    /// What it is.
    pub details: Details,
}

/// A part of a guide.
#[derive(Debug)]
pub enum Item<'a> {
    /// A channel is complete.
    Channel(&'a Channel),
    /// A programme is complete.
    Programme(&'a Programme),
}

/// How often something was wrong. None of it ends the reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Faults {
    /// Characters that could not be read.
    pub bad_characters: u64,
    /// Programmes without a time that can be read, or that end before they begin.
    pub bad_times: u64,
    /// Programmes without a channel or a title, and channels without an id.
    pub unnamed: u64,
    /// Channels and programmes beyond the limits.
    pub too_many: u64,
    /// Elements that are too many in their channel or programme, or too deep in it.
    pub too_many_elements: u64,
    /// Texts and attributes that were left out or cut, since they are too long.
    pub too_long: u64,
    /// Programmes of channels beyond those whose last one is remembered: where clocks are set back,
    /// they may be wrong by an hour.
    pub not_remembered: u64,
}

impl Faults {
    /// All of them.
    pub fn sum(&self) -> u64 {
        let Self { bad_characters, bad_times, unnamed, too_many, .. } = self;
        let Self { too_many_elements, too_long, not_remembered, .. } = self;
        bad_characters + bad_times + unnamed + too_many + too_many_elements + too_long + not_remembered
    }
}

/// What a guide had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// Channels.
    pub channels: u64,
    /// Programmes.
    pub programmes: u64,
    /// It has a `tv` element, a channel or a programme: it is a guide.
    pub is_guide: bool,
    /// Its end has come. Where it has not, what came is half a guide.
    pub is_whole: bool,
    /// Faults that were found, by kind.
    pub faults: Faults,
}

/// Reads a guide. See the [module](super).
#[derive(Debug)]
pub struct Reader {
    transcoder: Transcoder,
    tokens: Tokens,
    builder: Builder,
}

impl Reader {
    /// A reader at the beginning of a guide.
    pub fn new(options: Options) -> Self {
        let Options { charset, clock } = options;
        Self {
            transcoder: Transcoder::default(),
            tokens: Tokens::default(),
            builder: Builder::new(Charset::new(charset.as_deref()), clock),
        }
    }

    /// Takes the next bytes, and hands out what they complete.
    pub fn push(&mut self, bytes: &[u8], take: &mut impl FnMut(Item<'_>)) {
        self.pass(bytes, false, take);
    }

    /// Ends the guide, and says what it was.
    pub fn finish(mut self, take: &mut impl FnMut(Item<'_>)) -> Summary {
        self.pass(&[], true, take);
        let builder = &mut self.builder;
        self.tokens.finish(&mut |token| builder.token(token, take));
        // A programme that was cut off in its middle is dropped.
        builder.summary.faults.bad_characters = builder.charset.bad_characters;
        builder.summary.faults.too_long += self.tokens.cut;
        builder.summary
    }

    fn pass(&mut self, bytes: &[u8], is_last: bool, take: &mut impl FnMut(Item<'_>)) {
        let Self { transcoder, tokens, builder } = self;
        transcoder.push(bytes, is_last, &mut |bytes| {
            tokens.push(bytes, &mut |token| builder.token(token, take));
        });
    }
}

impl Details {
    /// Reads what [`Self::write_programme`] has written.
    pub fn read_programme(written: &str) -> Self {
        let mut details = Self::default();
        let mut reader = Reader::new(Options::default());
        let mut take = |item: Item<'_>| {
            if let Item::Programme(programme) = item {
                details = programme.details.clone();
            }
        };
        reader.push(b"<programme start=\"20000101000000 +0000\" channel=\"-\"", &mut take);
        reader.push(written.as_bytes(), &mut take);
        reader.finish(&mut take);
        details
    }
}

/// Tokens become channels and programmes.
#[derive(Debug)]
struct Builder {
    charset: Charset,
    clock: Clock,
    subject: Subject,
    /// The elements that are open within the subject; those that nobody knows are none.
    open: Vec<(Box<[u8]>, Option<Element>)>,
    elements: usize,
    bytes: usize,
    last_starts: HashMap<String, UnixTime>,
    summary: Summary,
}

/// The channel or the programme that the tokens belong to.
#[derive(Debug)]
enum Subject {
    Nothing,
    Channel(Channel),
    /// With its times as they are written.
    Programme {
        channel: String,
        start: String,
        stop: String,
        details: Details,
    },
}

impl Subject {
    fn details(&mut self) -> Option<&mut Details> {
        match self {
            Self::Nothing => None,
            Self::Channel(channel) => Some(&mut channel.details),
            Self::Programme { details, .. } => Some(details),
        }
    }

    fn children(&self) -> &'static [Tag] {
        match self {
            Self::Nothing => &[],
            Self::Channel(_) => OF_CHANNEL,
            Self::Programme { .. } => OF_PROGRAMME,
        }
    }

    fn name(&self) -> &'static [u8] {
        match self {
            Self::Nothing => b"",
            Self::Channel(_) => b"channel",
            Self::Programme { .. } => b"programme",
        }
    }
}

impl Builder {
    fn new(charset: Charset, clock: Clock) -> Self {
        Self {
            charset,
            clock,
            subject: Subject::Nothing,
            open: Vec::new(),
            elements: 0,
            bytes: 0,
            last_starts: HashMap::new(),
            summary: Summary::default(),
        }
    }

    fn token(&mut self, token: Token<'_>, take: &mut impl FnMut(Item<'_>)) {
        match token {
            Token::Open { name: b"tv", .. } => self.summary.is_guide = true,
            Token::Open { name: name @ (b"channel" | b"programme"), attributes, is_empty } => {
                // The one before was not closed.
                self.end(take);
                self.begin(name, attributes);
                if is_empty {
                    self.end(take);
                }
            }
            Token::Open { name, attributes, is_empty } => {
                self.open(name, attributes);
                if is_empty {
                    self.close(name);
                }
            }
            Token::Close { name: b"tv" } => {
                self.end(take);
                self.summary.is_whole = true;
            }
            Token::Close { name } if !name.is_empty() && name == self.subject.name() => self.end(take),
            Token::Close { name } => self.close(name),
            Token::Text { bytes, is_plain } => self.text(bytes, is_plain),
            Token::Declaration(attributes) => {
                for (name, value) in attributes {
                    if name == b"encoding"
                        && let Ok(label) = str::from_utf8(value)
                    {
                        self.charset.declare(label);
                    }
                }
            }
        }
    }

    /// The text of these bytes, if there is room for it.
    fn value(&mut self, bytes: &[u8]) -> String {
        self.bytes += bytes.len();
        if self.bytes > MAX_BYTES {
            self.summary.faults.too_long += 1;
            return String::new();
        }
        let text = unescape(self.charset.decode(bytes));
        let text = text.trim();
        if text.contains('\0') { text.replace('\0', "") } else { text.to_owned() }
    }

    fn begin(&mut self, name: &[u8], attributes: Attributes<'_>) {
        (self.elements, self.bytes) = (0, 0);
        self.subject = if name == b"channel" {
            let id = attributes.clone().find(|(name, _)| *name == b"id").map(|(_, value)| self.value(value));
            Subject::Channel(Channel { id: id.unwrap_or_default(), details: Details::default() })
        } else {
            let mut details = Details::default();
            let (mut channel, mut start, mut stop) = (String::new(), String::new(), String::new());
            for (name, value) in attributes {
                match name {
                    b"channel" => channel = self.value(value),
                    b"start" => start = self.value(value),
                    b"stop" => stop = self.value(value),
                    _ => self.attribute(PROGRAMME, name, value, &mut details.attributes),
                }
            }
            Subject::Programme { channel, start, stop, details }
        };
    }

    fn attribute(
        &mut self,
        known: &[Attribute],
        name: &[u8],
        value: &[u8],
        into: &mut Vec<(&'static str, String)>,
    ) {
        let Some(known) = known.iter().find(|it| it.name.as_bytes() == name) else { return };
        let value = self.value(value);
        let is_allowed = known.values.is_empty() || known.values.contains(&&*value);
        if is_allowed && attribute(into, known.name).is_none() {
            into.push((known.name, value));
        }
    }

    fn open(&mut self, name: &[u8], attributes: Attributes<'_>) {
        if matches!(self.subject, Subject::Nothing) {
            return;
        }
        if self.open.len() >= MAX_DEPTH {
            self.summary.faults.too_many_elements += 1;
            return;
        }
        let parent = match self.open.last() {
            Some((_, Some(element))) => element.tag.children(),
            Some((_, None)) => &[],
            None => self.subject.children(),
        };
        let mut tag = Tag::named(name, parent);
        if tag.is_none() {
            // The one before was not closed.
            let of_subject = Tag::named(name, self.subject.children());
            let is_text =
                self.open.last().is_some_and(|(_, it)| it.as_ref().is_some_and(|it| it.tag.has_text()));
            if of_subject.is_some() && is_text && self.open.len() == 1 {
                self.close_last();
                tag = of_subject;
            }
        }
        self.elements += 1;
        self.summary.faults.too_many_elements += u64::from(self.elements > MAX_ELEMENTS);
        let tag = tag.filter(|_| self.elements <= MAX_ELEMENTS);
        let element = tag.map(|tag| {
            let mut element = Element::new(tag, "");
            for (name, value) in attributes {
                self.attribute(tag.attributes(), name, value, &mut element.attributes);
            }
            element
        });
        self.open.push((name.into(), element));
    }

    /// Ends the innermost open element of this name, and those in it.
    fn close(&mut self, name: &[u8]) {
        if let Some(at) = self.open.iter().rposition(|(open, _)| **open == *name) {
            while self.open.len() > at {
                self.close_last();
            }
        }
    }

    fn close_last(&mut self) {
        let Some((_, Some(mut element))) = self.open.pop() else { return };
        element.text.truncate(element.text.trim_end().len());
        element.settle();
        if !element.is_good() {
            return;
        }
        match self.open.last_mut() {
            Some((_, Some(parent))) => parent.children.push(element),
            Some((_, None)) => {}
            None => {
                self.subject.details().expect("elements are open in a subject only").elements.push(element);
            }
        }
    }

    fn text(&mut self, bytes: &[u8], is_plain: bool) {
        // Words within markup, such as `<b>`, belong to the text around it.
        let is_complete = self.elements <= MAX_ELEMENTS;
        let is_markup = self.open.last().is_some_and(|(_, element)| element.is_none());
        let around = self.open.iter_mut().rev().find_map(|(_, element)| element.as_mut());
        let Some(element) = around.filter(|it| !is_markup || is_complete && it.tag.has_text()) else {
            return;
        };
        let is_first = element.text.is_empty();
        if is_first && bytes.trim_ascii().is_empty() {
            return;
        }
        self.bytes += bytes.len();
        if self.bytes > MAX_BYTES {
            self.summary.faults.too_long += 1;
            return;
        }
        let text = self.charset.decode(bytes);
        let text = if is_plain { text } else { unescape(text) };
        let text = if text.contains('\0') { Cow::Owned(text.replace('\0', "")) } else { text };
        element.text.push_str(if is_first { text.trim_start() } else { &text });
    }

    /// Ends the channel or programme that is being read.
    fn end(&mut self, take: &mut impl FnMut(Item<'_>)) {
        while !self.open.is_empty() {
            self.close_last();
        }
        match std::mem::replace(&mut self.subject, Subject::Nothing) {
            Subject::Nothing => {}
            Subject::Channel(mut channel) => {
                self.summary.is_guide = true;
                channel.details.settle();
                if channel.id.is_empty() || channel.id.len() > MAX_ID_BYTES {
                    self.summary.faults.unnamed += 1;
                } else if self.summary.channels >= MAX_CHANNELS {
                    self.summary.faults.too_many += 1;
                } else {
                    self.summary.channels += 1;
                    take(Item::Channel(&channel));
                }
            }
            Subject::Programme { channel, start, stop, mut details } => {
                self.summary.is_guide = true;
                details.settle();
                if channel.is_empty() || channel.len() > MAX_ID_BYTES || details.first(Tag::Title).is_none() {
                    self.summary.faults.unnamed += 1;
                    return;
                }
                let Some((start, stop)) = self.times(&channel, &start, &stop) else {
                    self.summary.faults.bad_times += 1;
                    return;
                };
                if self.summary.programmes >= MAX_PROGRAMMES {
                    self.summary.faults.too_many += 1;
                    return;
                }
                self.summary.programmes += 1;
                take(Item::Programme(&Programme { channel, start, stop, details }));
            }
        }
    }

    /// When a programme begins and ends.
    fn times(&mut self, channel: &str, start: &str, stop: &str) -> Option<(UnixTime, Option<UnixTime>)> {
        // Only a zone of the operator's makes times that are there twice.
        let is_remembered = self.clock.zone.is_some();
        let before = if is_remembered { self.last_starts.get(channel).copied() } else { None };
        let start = self.clock.read(start, before)?;
        if is_remembered {
            if let Some(known) = self.last_starts.get_mut(channel) {
                *known = start;
            } else if self.last_starts.len() < MAX_REMEMBERED {
                self.last_starts.insert(channel.to_owned(), start);
            } else {
                self.summary.faults.not_remembered += 1;
            }
        }
        let stop = if stop.is_empty() { None } else { self.clock.read(stop, Some(start)) };
        if stop.is_some_and(|stop| stop <= start) { None } else { Some((start, stop)) }
    }
}
