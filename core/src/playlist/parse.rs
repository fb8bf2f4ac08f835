//! Reads a playlist as providers write them.
//!
//! Lenient: a line that makes no sense costs that line, unknown tags are passed over, and a number
//! that does not parse is replaced by what is evident. What decides whether a body is a playlist at
//! all is its content. Hostile input meets the limits below.
//!
//! The time that it takes grows with the length of the body, whatever stands in it: a line is
//! looked at once, and addresses are put together in the end only, for the segments that are kept
//! (`kept`).

mod kept;
mod values;

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use url::Url;

use self::kept::{Listed, ListedInit, ListedKey, WITHOUT_ADDRESS};
use self::values::{decode, name, quoted, range, resolve, span, strip_mark};
use super::attributes::{Attributes, Variables, decimal, hex_128, number};
use super::date::Date;
use super::dating;
use super::model::{Media, Multivariant, Playlist, Range, Rendition, Variant};

/// The largest body that is read, in bytes. Twelve hours of two second segments with signed
/// addresses and dates have 6 MiB.
pub const MAX_BODY: usize = 16 << 20;

/// Segments that are kept, the latest ones: eight hours of six seconds. A live source is played
/// from its end.
pub const MAX_SEGMENTS: usize = 5_000;

/// Variants, and renditions, that are looked at.
pub const MAX_VARIANTS: usize = 200;

/// The longest address that is followed, in bytes; servers refuse longer ones.
pub const MAX_URL: usize = 8 * 1024;

/// The longest `data:` address of a key or an initialisation section, in bytes. The latter have one
/// to four thousand.
pub const MAX_DATA_URL: usize = 64 * 1024;

/// Bytes of addresses that are kept of a list of segments: sixteen hundred for each of
/// [`MAX_SEGMENTS`]. With longer ones, fewer segments are kept, the latest.
pub const MAX_KEPT: usize = 8 << 20;

/// What a segment plays at least: some have `#EXTINF:0`.
pub const MIN_DURATION: Duration = Duration::from_millis(1);

/// A longer segment, or target, is a slip.
const MAX_DURATION: Duration = Duration::from_hours(24);

/// The target duration where neither it nor any segment's duration is stated.
const DEFAULT_TARGET: Duration = Duration::from_secs(10);

/// Stands in a segment for what is not stated, until the target is known.
const UNSTATED: Duration = Duration::MAX;

/// Keys of different formats that apply to one segment.
const MAX_KEYS: usize = 8;

/// Codecs of a variant that are looked at, and the longest of their names: `hvc1.2.4.L153.B0` is
/// long.
const MAX_CODECS: usize = 16;
const MAX_CODEC: usize = 64;

/// The longest name of a group, and of a language.
const MAX_NAME: usize = 1024;

/// Why a body is not played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It does not begin like one, and holds no list of segments.
    #[error("it is no playlist")]
    NotAPlaylist,
    /// It lists channels, as lineups do.
    #[error("it is a list of channels and not of segments")]
    ChannelList,
    /// It has only pictures for searching (`EXT-X-I-FRAMES-ONLY`).
    #[error("it has only still pictures for searching")]
    StillPictures,
    /// It lists variants without the address of any.
    #[error("it lists no variant that could be played")]
    NoVariants,
    /// It is larger than [`MAX_BODY`].
    #[error("it is larger than {} MiB", MAX_BODY >> 20)]
    TooLarge,
}

/// Whether a body that begins so may be a playlist: `#EXTM3U`, or a tag of HLS, behind a byte order
/// mark and blanks. `None` while it is too short to say.
pub fn begins_like_a_playlist(bytes: &[u8]) -> Option<bool> {
    const BEGINNINGS: [&[u8]; 3] = [b"#EXTM3U", b"#EXT-X-", b"#EXTINF"];
    const MARK: &[u8] = b"\xEF\xBB\xBF";
    if bytes.len() < MARK.len() && MARK.starts_with(bytes) {
        // Not decided yet: the mark itself may be cut in two.
        return None;
    }
    let text = strip_mark(bytes).trim_ascii_start();
    if BEGINNINGS.iter().any(|beginning| text.starts_with(beginning)) {
        return Some(true);
    }
    // So much white space is no beginning of anything.
    let may_be = BEGINNINGS.iter().any(|beginning| beginning.starts_with(text)) && bytes.len() < 1024;
    if may_be { None } else { Some(false) }
}

/// Reads `body`, which came from `base` in the end; `inherited` are the variables of the
/// multivariant playlist that led to it.
pub fn parse(body: &[u8], base: &Url, inherited: &Variables) -> Result<Playlist, Error> {
    if body.len() > MAX_BODY {
        return Err(Error::TooLarge);
    }
    let text = decode(strip_mark(body));
    let mut reading = Reading::new(base, inherited);
    // A stray CR occurs, and ends a line as well.
    for line in text.split(['\n', '\r']).map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(tag) = line.strip_prefix("#EXT") {
            // Blanks around the colon are not allowed, and occur.
            let (name, value) = tag.split_once(':').unwrap_or((tag, ""));
            reading.tag(name.trim_end(), value.trim_start());
        } else if !line.starts_with('#') {
            reading.uri(line);
        }
    }
    reading.finish()
}

/// What has been read so far.
struct Reading<'a> {
    base: &'a Url,
    inherited: &'a Variables,
    variables: Variables,
    marks: Marks,
    list: List,
    /// The latest segments.
    segments: VecDeque<Listed<'a>>,
    /// Segments that were dropped from the front.
    dropped: u64,
    applying: Applying<'a>,
    ladder: Ladder,
    next: Next,
    faults: u64,
}

/// Signs of what the text is.
#[derive(Default)]
struct Marks {
    /// `#EXTM3U` was there.
    has_mark: bool,
    /// A tag was there that only media playlists have, besides `EXTINF`.
    has_media_tag: bool,
    /// An `EXTINF` with a duration that no segment can have.
    has_endless: bool,
}

/// What applies to the segments that follow.
#[derive(Default)]
struct Applying<'a> {
    /// Keys by their formats, of which `key` is the one that is taken.
    keys: Vec<(&'a str, Rc<ListedKey<'a>>)>,
    key: Option<Rc<ListedKey<'a>>>,
    init: Option<Rc<ListedInit<'a>>>,
    /// The end of the range before, and the address it was of.
    range_end: Option<(&'a str, u64)>,
}

/// What a multivariant playlist says.
#[derive(Default)]
struct Ladder {
    /// `None` until something is said of one.
    variants: Option<Vec<Variant>>,
    /// Addresses of variants that were looked at.
    looked_at: usize,
    audio: Vec<Rendition>,
}

/// What the tags say of a list of segments as a whole.
#[derive(Default)]
struct List {
    target: Option<Duration>,
    sequence: u64,
    /// Segments that a delta update leaves out at the front.
    skipped: u64,
    is_ended: bool,
    has_still_pictures: bool,
}

/// What the tags before an address say of it.
#[derive(Default)]
struct Next {
    duration: Option<Duration>,
    range: Option<(u64, Option<u64>)>,
    is_discontinuity: bool,
    is_gap: bool,
    date: Option<Date>,
    variant: Option<VariantInfo>,
}

/// What `EXT-X-STREAM-INF` says of a variant.
struct VariantInfo {
    bandwidth: u64,
    codecs: Vec<String>,
    resolution: Option<(u64, u64)>,
    audio: Option<String>,
}

impl<'a> Reading<'a> {
    fn new(base: &'a Url, inherited: &'a Variables) -> Self {
        Self {
            base,
            inherited,
            variables: Variables::default(),
            marks: Marks::default(),
            list: List::default(),
            segments: VecDeque::new(),
            dropped: 0,
            applying: Applying::default(),
            ladder: Ladder::default(),
            next: Next::default(),
            faults: 0,
        }
    }

    /// Takes a tag: its name without `#EXT`, and what follows the colon.
    fn tag(&mut self, name: &str, value: &'a str) {
        self.marks.has_media_tag |= matches!(
            name,
            "-X-TARGETDURATION"
                | "-X-MEDIA-SEQUENCE"
                | "-X-ENDLIST"
                | "-X-KEY"
                | "-X-MAP"
                | "-X-BYTERANGE"
                | "-X-DISCONTINUITY"
                | "-X-DISCONTINUITY-SEQUENCE"
                | "-X-PROGRAM-DATE-TIME"
                | "-X-PLAYLIST-TYPE"
        );
        match name {
            // Some write their list's attributes behind it.
            _ if name.starts_with("M3U") => self.marks.has_mark = true,
            "INF" => self.inf(value),
            "-X-TARGETDURATION" => match decimal(value) {
                // Rounded up: fractions occur, and the target is at least as long as each segment.
                Some(seconds) if seconds > 0.0 => self.list.target = Some(span(seconds.ceil())),
                _ => self.faults += 1,
            },
            "-X-MEDIA-SEQUENCE" => match number(value) {
                Some(sequence) => self.list.sequence = sequence,
                None => self.faults += 1,
            },
            "-X-SKIP" => self.list.skipped = Attributes::read(value).number("SKIPPED-SEGMENTS").unwrap_or(0),
            "-X-ENDLIST" => self.list.is_ended = true,
            "-X-DISCONTINUITY" => self.next.is_discontinuity = true,
            "-X-GAP" => self.next.is_gap = true,
            "-X-PROGRAM-DATE-TIME" => self.next.date = Date::read(value),
            "-X-BYTERANGE" => self.next.range = range(value),
            "-X-KEY" => self.key(&Attributes::read(value)),
            "-X-MAP" => self.map(&Attributes::read(value)),
            "-X-I-FRAMES-ONLY" => self.list.has_still_pictures = true,
            "-X-DEFINE" => self.define(&Attributes::read(value)),
            "-X-STREAM-INF" => self.stream(&Attributes::read(value)),
            "-X-MEDIA" => self.media(&Attributes::read(value)),
            _ => {}
        }
    }

    fn inf(&mut self, value: &str) {
        let seconds = decimal(value);
        self.marks.has_endless |= seconds.is_none();
        // A channel list has `-1` for a duration, which `decimal` refuses.
        self.faults += u64::from(seconds.is_none());
        self.next.duration = seconds.map(span);
    }

    fn define(&mut self, attributes: &Attributes<'a>) {
        if let (Some(name), Some(value)) = (attributes.get("NAME"), attributes.get("VALUE")) {
            self.variables.define(name, value);
        } else if let Some(name) = attributes.get("IMPORT") {
            // What is not defined becomes empty: the rest of the list may still be played.
            let value = self.inherited.get(name).unwrap_or_default();
            self.variables.define(name, value);
        } else if let Some(name) = attributes.get("QUERYPARAM") {
            let value = self.base.query_pairs().find(|(known, _)| known == name);
            self.variables.define(name, &value.map(|(_, value)| value).unwrap_or_default());
        }
    }

    fn key(&mut self, attributes: &Attributes<'a>) {
        let format = attributes.get("KEYFORMAT").unwrap_or("identity");
        let method = attributes.get("METHOD").unwrap_or_default();
        if method == "NONE" {
            self.applying.keys.clear();
            self.applying.key = None;
            return;
        }
        let key = match (method, format, attributes.get("URI")) {
            ("AES-128", "identity", Some(uri)) => {
                ListedKey::Aes128 { uri, iv: attributes.get("IV").and_then(hex_128) }
            }
            ("AES-128", "identity", None) => ListedKey::Unusable(WITHOUT_ADDRESS.to_owned()),
            (_, "identity", _) => ListedKey::Unusable(format!("the method {}", quoted(method))),
            _ => ListedKey::Unusable(format!(
                "the method {} of DRM, key format {}",
                quoted(method),
                quoted(format)
            )),
        };
        // A key applies until the next one of its format (RFC 8216, 4.3.2.4).
        self.applying.keys.retain(|(known, _)| *known != format);
        if self.applying.keys.len() < MAX_KEYS {
            self.applying.keys.push((format, Rc::new(key)));
        }
        let usable = self.applying.keys.iter().find(|(_, key)| matches!(**key, ListedKey::Aes128 { .. }));
        // Of keys that cannot be used, the reason of the first is told.
        self.applying.key = usable.or_else(|| self.applying.keys.first()).map(|(_, key)| Rc::clone(key));
    }

    fn map(&mut self, attributes: &Attributes<'a>) {
        let Some(uri) = attributes.get("URI") else {
            self.faults += 1;
            return;
        };
        let range = attributes.get("BYTERANGE").and_then(range);
        let range = range.map(|(length, offset)| Range { offset: offset.unwrap_or(0), length });
        self.applying.init = Some(Rc::new(ListedInit { uri, range, key: self.applying.key.clone() }));
    }

    fn stream(&mut self, attributes: &Attributes<'_>) {
        self.ladder.variants.get_or_insert_default();
        let codecs = attributes.get("CODECS").unwrap_or_default().split([',', ';', ' ']);
        let resolution = attributes.get("RESOLUTION").and_then(|text| {
            let (width, height) = text.split_once(['x', 'X'])?;
            Some((number(width)?, number(height)?))
        });
        let bandwidth = attributes.number("BANDWIDTH").or_else(|| attributes.number("AVERAGE-BANDWIDTH"));
        // The peak rate is what the line has to carry; the average is better than nothing.
        self.next.variant = Some(VariantInfo {
            bandwidth: bandwidth.unwrap_or(0),
            codecs: codecs
                .filter(|codec| (1..=MAX_CODEC).contains(&codec.len()))
                .take(MAX_CODECS)
                .map(str::to_owned)
                .collect(),
            resolution,
            audio: attributes.get("AUDIO").map(name),
        });
    }

    fn media(&mut self, attributes: &Attributes<'_>) {
        if attributes.get("TYPE") == Some("AUDIO") && self.ladder.audio.len() < MAX_VARIANTS {
            self.ladder.audio.push(Rendition {
                url: attributes.get("URI").and_then(|uri| resolve(uri, self.base, &self.variables)),
                group: name(attributes.get("GROUP-ID").unwrap_or_default()),
                language: name(attributes.get("LANGUAGE").unwrap_or_default()),
                is_default: attributes.get("DEFAULT") == Some("YES"),
            });
        }
    }

    fn uri(&mut self, uri: &'a str) {
        let next = std::mem::take(&mut self.next);
        if let Some(info) = next.variant {
            self.variant(uri, info);
            return;
        }
        // An address without any tag is a comment that lacks its `#`, or a page of text.
        if self.ladder.variants.is_some()
            || next.duration.is_none() && !self.marks.has_media_tag && !self.marks.has_endless
        {
            self.faults += 1;
            return;
        }
        let range = next.range.and_then(|(length, offset)| {
            let follows = self.applying.range_end.filter(|(of, _)| *of == uri).map_or(0, |(_, end)| end);
            let offset = offset.unwrap_or(follows);
            // A range of no bytes, or beyond all numbers, is read as none: the whole file.
            (length > 0 && offset.checked_add(length).is_some()).then_some(Range { offset, length })
        });
        self.applying.range_end = range.map(|range| (uri, range.offset + range.length));
        if self.segments.len() == MAX_SEGMENTS {
            self.segments.pop_front();
            self.dropped += 1;
        }
        self.segments.push_back(Listed {
            uri,
            range,
            duration: next.duration.unwrap_or(UNSTATED),
            is_discontinuity: next.is_discontinuity,
            is_gap: next.is_gap,
            date: next.date,
            key: self.applying.key.clone(),
            init: self.applying.init.clone(),
        });
    }

    fn variant(&mut self, uri: &str, info: VariantInfo) {
        let variants = self.ladder.variants.get_or_insert_default();
        // Counted even if the address is bad, or bad ones would be read without a limit.
        if self.ladder.looked_at == MAX_VARIANTS {
            return;
        }
        self.ladder.looked_at += 1;
        if let Some(url) = resolve(uri, self.base, &self.variables) {
            let VariantInfo { bandwidth, codecs, resolution, audio } = info;
            variants.push(Variant { url, bandwidth, codecs, resolution, audio });
        }
    }

    fn finish(mut self) -> Result<Playlist, Error> {
        if let Some(variants) = self.ladder.variants {
            if variants.is_empty() {
                return Err(Error::NoVariants);
            }
            let (audio, variables) = (self.ladder.audio, self.variables);
            return Ok(Playlist::Multivariant(Multivariant { variants, audio, variables }));
        }
        // Some servers leave `#EXTM3U` out.
        if !self.marks.has_mark && (!self.marks.has_media_tag || self.segments.is_empty()) {
            return Err(Error::NotAPlaylist);
        }
        if !self.marks.has_media_tag && (self.marks.has_endless || self.segments.is_empty()) {
            return Err(if self.marks.has_endless { Error::ChannelList } else { Error::NotAPlaylist });
        }
        if self.list.has_still_pictures {
            return Err(Error::StillPictures);
        }
        let listed = self.segments.len();
        let (mut segments, lost) = kept::resolve_all(self.segments, self.base, &self.variables);
        self.dropped += (listed - segments.len()) as u64;
        let stated = segments.iter().map(|segment| segment.duration).filter(|&span| span != UNSTATED);
        let longest = stated.max().filter(|longest| !longest.is_zero());
        let target = self.list.target.or(longest).unwrap_or(DEFAULT_TARGET).max(MIN_DURATION);
        for segment in &mut segments {
            let duration = if segment.duration == UNSTATED { target } else { segment.duration };
            segment.duration = duration.max(MIN_DURATION);
        }
        let contradictions = dating::spread(&mut segments);
        Ok(Playlist::Media(Media {
            target,
            sequence: self.list.sequence.wrapping_add(self.list.skipped).wrapping_add(self.dropped),
            is_ended: self.list.is_ended,
            segments,
            faults: self.faults + lost + contradictions,
        }))
    }
}

#[cfg(test)]
mod tests;
