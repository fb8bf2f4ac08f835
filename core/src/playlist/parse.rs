//! Reads a playlist as providers write them.
//!
//! Lenient: a line that makes no sense costs that line, unknown tags are passed over, and a number that does not parse is replaced by what
//! is evident. What decides whether a body is a playlist at all is its content. Hostile input meets the limits below.

use std::sync::Arc;
use std::time::Duration;

use quick_m3u8::config::{ParsingOptions, ParsingOptionsBuilder};
use quick_m3u8::{HlsLine, Reader};
use url::Url;

use super::attributes::{Attributes, Variables, decimal, hex_128, number};
use super::model::{Init, Key, Media, Multivariant, Playlist, Range, Rendition, Segment, Variant};

/// The largest body that is read. A day of six second segments with long tokens has 3 MiB.
pub const MAX_BODY: usize = 4 << 20;

/// Segments that are kept, the latest ones: eight hours of six seconds. A live source is played from its end.
pub const MAX_SEGMENTS: usize = 5_000;

/// Variants, and renditions, that are looked at.
pub const MAX_VARIANTS: usize = 200;

/// The longest address that is followed; servers refuse longer ones.
pub const MAX_URL: usize = 8 * 1024;

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

/// Whether a body that begins so may be a playlist: `#EXTM3U`, or a tag of HLS, behind a byte order mark and blanks. `None` while it is too
/// short to say.
pub fn begins_like_a_playlist(bytes: &[u8]) -> Option<bool> {
    const BEGINNINGS: [&[u8]; 3] = [b"#EXTM3U", b"#EXT-X-", b"#EXTINF"];
    const MARK: &[u8] = b"\xEF\xBB\xBF";
    if bytes.len() < MARK.len() && MARK.starts_with(bytes) {
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

/// Reads `body`, which came from `base` in the end; `inherited` are the variables of the multivariant playlist that led to it.
pub fn parse(body: &[u8], base: &Url, inherited: &Variables) -> Result<Playlist, Error> {
    if body.len() > MAX_BODY {
        return Err(Error::TooLarge);
    }
    let mut reading = Reading::new(base, inherited);
    let mut reader = Reader::from_bytes(strip_mark(body), untyped());
    loop {
        match reader.read_line() {
            Ok(None) => return reading.finish(),
            Ok(Some(HlsLine::UnknownTag(tag))) => {
                let value = tag.value().map(|value| String::from_utf8_lossy(value.0)).unwrap_or_default();
                reading.tag(tag.name().trim_end(), value.trim());
            }
            Ok(Some(HlsLine::Uri(uri))) => reading.uri(uri.trim()),
            Ok(Some(_)) => {}
            Err(_) => reading.faults += 1,
        }
    }
}

fn strip_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes)
}

/// No tag is typed by the reader: it gives up a tag for one bad attribute, or a blank in front of a number.
fn untyped() -> ParsingOptions {
    ParsingOptionsBuilder::new().build()
}

/// What has been read so far.
struct Reading<'a> {
    base: &'a Url,
    inherited: &'a Variables,
    variables: Variables,
    /// `#EXTM3U` was there.
    has_mark: bool,
    /// A tag was there that only media playlists have, besides `EXTINF`.
    has_media_tag: bool,
    /// An `EXTINF` with a duration that no segment can have.
    has_endless: bool,
    list: List,
    segments: Vec<Segment>,
    /// Segments that were dropped from the front.
    dropped: u64,
    keys: Vec<(String, Key)>,
    key: Option<Arc<Key>>,
    init: Option<Arc<Init>>,
    /// `None` until something is said of one.
    variants: Option<Vec<Variant>>,
    audio: Vec<Rendition>,
    /// The end of the range before, and the address it was of.
    range_end: Option<(Url, u64)>,
    next: Next,
    faults: u64,
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
            has_mark: false,
            has_media_tag: false,
            has_endless: false,
            list: List::default(),
            segments: Vec::new(),
            dropped: 0,
            keys: Vec::new(),
            key: None,
            init: None,
            variants: None,
            audio: Vec::new(),
            range_end: None,
            next: Next::default(),
            faults: 0,
        }
    }

    /// Takes a tag: its name without `#EXT`, and what follows the colon.
    fn tag(&mut self, name: &str, value: &str) {
        self.has_media_tag |= matches!(
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
            _ if name.starts_with("M3U") => self.has_mark = true,
            "INF" => self.inf(value),
            "-X-TARGETDURATION" => match decimal(value) {
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
        self.has_endless |= seconds.is_none();
        self.faults += u64::from(seconds.is_none());
        self.next.duration = seconds.map(span);
    }

    fn define(&mut self, attributes: &Attributes<'_>) {
        if let (Some(name), Some(value)) = (attributes.get("NAME"), attributes.get("VALUE")) {
            self.variables.define(name, value);
        } else if let Some(name) = attributes.get("IMPORT") {
            let value = self.inherited.get(name).unwrap_or_default();
            self.variables.define(name, value);
        } else if let Some(name) = attributes.get("QUERYPARAM") {
            let value = self.base.query_pairs().find(|(known, _)| known == name);
            self.variables.define(name, &value.map(|(_, value)| value).unwrap_or_default());
        }
    }

    fn key(&mut self, attributes: &Attributes<'_>) {
        let format = attributes.get("KEYFORMAT").unwrap_or("identity").to_owned();
        let method = attributes.get("METHOD").unwrap_or_default();
        if method == "NONE" {
            self.keys.clear();
            self.key = None;
            return;
        }
        let url = attributes.get("URI").and_then(|uri| self.resolve(uri));
        let key = match (method, format.as_str(), url) {
            ("AES-128", "identity", Some(url)) => {
                Key::Aes128 { url, iv: attributes.get("IV").and_then(hex_128) }
            }
            ("AES-128", "identity", None) => Key::Unusable("AES-128 without the address of a key".to_owned()),
            (_, "identity", _) => Key::Unusable(format!("the method {}", quoted(method))),
            _ => {
                Key::Unusable(format!("the method {} of DRM, key format {}", quoted(method), quoted(&format)))
            }
        };
        // A key applies until the next one of its format (RFC 8216, 4.3.2.4).
        self.keys.retain(|(known, _)| *known != format);
        if self.keys.len() < MAX_KEYS {
            self.keys.push((format, key));
        }
        let usable = self.keys.iter().find(|(_, key)| matches!(key, Key::Aes128 { .. }));
        self.key = usable.or_else(|| self.keys.first()).map(|(_, key)| Arc::new(key.clone()));
    }

    fn map(&mut self, attributes: &Attributes<'_>) {
        let Some(url) = attributes.get("URI").and_then(|uri| self.resolve(uri)) else {
            self.faults += 1;
            return;
        };
        let range = attributes.get("BYTERANGE").and_then(range);
        let range = range.map(|(length, offset)| Range { offset: offset.unwrap_or(0), length });
        self.init = Some(Arc::new(Init { url, range, key: self.key.clone() }));
    }

    fn stream(&mut self, attributes: &Attributes<'_>) {
        self.variants.get_or_insert_default();
        let codecs = attributes.get("CODECS").unwrap_or_default().split(',').map(str::trim);
        let resolution = attributes.get("RESOLUTION").and_then(|text| {
            let (width, height) = text.split_once(['x', 'X'])?;
            Some((number(width)?, number(height)?))
        });
        let bandwidth = attributes.number("BANDWIDTH").or_else(|| attributes.number("AVERAGE-BANDWIDTH"));
        self.next.variant = Some(VariantInfo {
            bandwidth: bandwidth.unwrap_or(0),
            codecs: codecs.filter(|codec| !codec.is_empty()).take(16).map(str::to_owned).collect(),
            resolution,
            audio: attributes.get("AUDIO").map(str::to_owned),
        });
    }

    fn media(&mut self, attributes: &Attributes<'_>) {
        if attributes.get("TYPE") == Some("AUDIO") && self.audio.len() < MAX_VARIANTS {
            self.audio.push(Rendition {
                url: attributes.get("URI").and_then(|uri| self.resolve(uri)),
                group: attributes.get("GROUP-ID").unwrap_or_default().to_owned(),
                language: attributes.get("LANGUAGE").unwrap_or_default().to_owned(),
                is_default: attributes.get("DEFAULT") == Some("YES"),
            });
        }
    }

    fn uri(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        let next = std::mem::take(&mut self.next);
        let url = self.resolve(text);
        if let Some(VariantInfo { bandwidth, codecs, resolution, audio }) = next.variant {
            let variants = self.variants.get_or_insert_default();
            if let Some(url) = url.filter(|_| variants.len() < MAX_VARIANTS) {
                variants.push(Variant { url, bandwidth, codecs, resolution, audio });
            }
            return;
        }
        if self.variants.is_some() || next.duration.is_none() && !self.has_media_tag && !self.has_endless {
            self.faults += 1;
            return;
        }
        let is_lost = url.is_none();
        self.faults += u64::from(is_lost);
        let url = url.unwrap_or_else(|| self.base.clone());
        let range = next.range.and_then(|(length, offset)| {
            let follows = self.range_end.as_ref().filter(|(of, _)| *of == url).map_or(0, |&(_, end)| end);
            let offset = offset.unwrap_or(follows);
            (length > 0 && offset.checked_add(length).is_some()).then_some(Range { offset, length })
        });
        self.range_end = range.map(|range| (url.clone(), range.offset + range.length));
        self.segments.push(Segment {
            url,
            range,
            duration: next.duration.unwrap_or(UNSTATED),
            is_discontinuity: next.is_discontinuity,
            is_gap: next.is_gap || is_lost,
            key: self.key.clone(),
            init: self.init.clone(),
        });
        if self.segments.len() >= 2 * MAX_SEGMENTS {
            self.trim();
        }
    }

    /// Drops what is older than the latest segments.
    fn trim(&mut self) {
        let excess = self.segments.len().saturating_sub(MAX_SEGMENTS);
        self.segments.drain(..excess);
        self.dropped += excess as u64;
    }

    /// The absolute address of a URI, if it is one that can be fetched.
    fn resolve(&self, uri: &str) -> Option<Url> {
        let uri = self.variables.fill(uri.trim());
        let url = if uri.len() <= MAX_URL { self.base.join(&uri).ok()? } else { return None };
        let is_good = matches!(url.scheme(), "http" | "https") && url.as_str().len() <= MAX_URL;
        is_good.then_some(url)
    }

    fn finish(mut self) -> Result<Playlist, Error> {
        if let Some(variants) = self.variants {
            if variants.is_empty() {
                return Err(Error::NoVariants);
            }
            let (audio, variables) = (self.audio, self.variables);
            return Ok(Playlist::Multivariant(Multivariant { variants, audio, variables }));
        }
        if !self.has_mark && (!self.has_media_tag || self.segments.is_empty()) {
            return Err(Error::NotAPlaylist);
        }
        if !self.has_media_tag && (self.has_endless || self.segments.is_empty()) {
            return Err(if self.has_endless { Error::ChannelList } else { Error::NotAPlaylist });
        }
        if self.list.has_still_pictures {
            return Err(Error::StillPictures);
        }
        self.trim();
        let stated = self.segments.iter().map(|segment| segment.duration).filter(|&span| span != UNSTATED);
        let longest = stated.max().filter(|longest| !longest.is_zero());
        let target = self.list.target.or(longest).unwrap_or(DEFAULT_TARGET).max(MIN_DURATION);
        for segment in &mut self.segments {
            let duration = if segment.duration == UNSTATED { target } else { segment.duration };
            segment.duration = duration.max(MIN_DURATION);
        }
        Ok(Playlist::Media(Media {
            target,
            sequence: self.list.sequence.wrapping_add(self.list.skipped).wrapping_add(self.dropped),
            is_ended: self.list.is_ended,
            segments: self.segments,
            faults: self.faults,
        }))
    }
}

fn span(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(MAX_DURATION).min(MAX_DURATION)
}

/// `n[@o]` (RFC 8216, 4.3.2.2).
fn range(text: &str) -> Option<(u64, Option<u64>)> {
    match text.split_once('@') {
        Some((length, offset)) => Some((number(length)?, Some(number(offset)?))),
        None => Some((number(text)?, None)),
    }
}

/// A word of a provider's, shortened for a message.
fn quoted(word: &str) -> String {
    let word: String = word.chars().filter(|c| !c.is_control()).take(60).collect();
    format!("\"{word}\"")
}

#[cfg(test)]
mod tests;
