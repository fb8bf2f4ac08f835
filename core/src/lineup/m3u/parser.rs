//! The parser of M3U lists.

use url::Url;

use super::lines::Lines;
use super::{attributes, location};
use crate::charset::{Charset, Transcoder};
use crate::lineup::{Entry, Kind, Origin, Properties};

/// What a parser is told of a list beforehand.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Where the list came from: relative addresses are relative to it.
    pub base: Option<Url>,
    /// The character set that the server or the user names, as in `Content-Type`.
    pub charset: Option<String>,
    /// What to do with more than one address behind one `#EXTINF`.
    pub extra_urls: ExtraUrls,
}

/// What to do with more than one address behind one `#EXTINF`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ExtraUrls {
    /// Most players ignore all but the first, and so do we.
    #[default]
    Ignore,
    /// Chinese players take each for another source of the same channel: an entry for each.
    Alternates,
}

/// A part of a list, as the parser hands it out.
#[derive(Debug)]
pub enum Item<'a> {
    /// The header has an attribute. Lists that were joined have several headers.
    Header(&'a Header),
    /// An entry is complete.
    Entry {
        /// The entry.
        entry: &'a Entry,
        /// What it is.
        kind: Kind,
        /// It has all but its address from the entry before: see [`ExtraUrls::Alternates`].
        is_alternate: bool,
    },
}

/// The attributes of `#EXTM3U`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Header {
    properties: Properties,
}

impl Header {
    /// The attributes.
    pub fn properties(&self) -> &Properties {
        &self.properties
    }

    /// The addresses of the guides: `x-tvg-url`, else `url-tvg`. Either may list several, with `,`,
    /// `;` or a blank between.
    pub fn guides(&self) -> Vec<&str> {
        let list = self.properties.attribute(&["x-tvg-url", "url-tvg"]).unwrap_or_default();
        let (mut found, mut start) = (Vec::new(), 0);
        let separates = |at: usize, char: char| {
            // Addresses may have commas: one ends where another begins.
            (char.is_whitespace() || matches!(char, ',' | ';'))
                && list[at + char.len_utf8()..]
                    .trim_start()
                    .get(..4)
                    .is_some_and(|it| it.eq_ignore_ascii_case("http"))
        };
        for (at, char) in list.char_indices().filter(|&(at, char)| separates(at, char)) {
            found.push(&list[start..at]);
            start = at + char.len_utf8();
        }
        found.push(&list[start..]);
        let trimmed = found
            .into_iter()
            .map(|it| it.trim_matches(|it: char| it.is_whitespace() || it == ',' || it == ';'));
        trimmed.filter(|it| !it.is_empty()).collect()
    }
}

/// What a document turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Document {
    /// A list with at least one entry.
    List,
    /// A list without entries.
    EmptyList,
    /// A playlist of HLS: its address is that of one channel. Entries that came out are its
    /// segments.
    HlsPlaylist,
    /// A page of the web, or another document of XML.
    Html,
    /// A document of JSON.
    Json,
    /// No byte, or nothing but blanks.
    Nothing,
    /// Something else: text, or no text at all.
    Other,
}

/// How often something was wrong with a list. None of it ends the reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Faults {
    /// Lines longer than [`MAX_LINE_BYTES`](super::MAX_LINE_BYTES), which were cut.
    pub long_lines: u64,
    /// Characters that could not be read.
    pub bad_characters: u64,
    /// `#EXTINF` without an address; it is dropped.
    pub missing_urls: u64,
    /// Lines that belong to no entry; they are ignored.
    pub stray_lines: u64,
    /// `#EXTINF` without a comma.
    pub missing_commas: u64,
    /// Attributes with a missing quote, options that could not be read, and those for which an
    /// entry has no room.
    pub bad_attributes: u64,
}

/// What a list had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// What the document is.
    pub document: Document,
    /// Entries by kind. Alternates count.
    pub live: u64,
    /// See `live`.
    pub movies: u64,
    /// See `live`.
    pub episodes: u64,
    /// Faults that were found, by kind.
    pub faults: Faults,
}

impl Summary {
    /// All entries.
    pub fn entries(&self) -> u64 {
        self.live + self.movies + self.episodes
    }
}

/// Reads a list. See the [module](super).
#[derive(Debug)]
pub struct Parser {
    transcoder: Transcoder,
    lines: Lines,
    reader: Reader,
}

impl Parser {
    /// A parser at the beginning of a list.
    pub fn new(options: Options) -> Self {
        let Options { base, charset, extra_urls } = options;
        Self {
            transcoder: Transcoder::default(),
            lines: Lines::new(),
            reader: Reader::new(base, Charset::new(charset.as_deref()), extra_urls),
        }
    }

    /// Takes the next bytes, and hands out what they complete.
    pub fn push(&mut self, bytes: &[u8], take: &mut impl FnMut(Item<'_>)) {
        self.pass(bytes, false, take);
    }

    /// Ends the list, and says what it was.
    pub fn finish(mut self, take: &mut impl FnMut(Item<'_>)) -> Summary {
        self.pass(&[], true, take);
        let reader = &mut self.reader;
        self.lines.finish(&mut |line| reader.line(line, take));
        reader.finish(self.lines.too_long())
    }

    fn pass(&mut self, bytes: &[u8], is_last: bool, take: &mut impl FnMut(Item<'_>)) {
        let Self { transcoder, lines, reader } = self;
        transcoder.push(bytes, is_last, &mut |bytes| {
            lines.push(bytes, &mut |line| reader.line(line, take));
        });
    }
}

/// How far the entry in the making is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// Nothing of the next entry has come. What is there is the last one.
    Between,
    /// Options have come, but no `#EXTINF`.
    Options,
    /// `#EXTINF` has come.
    Titled,
}

/// Lines become entries.
#[derive(Debug)]
struct Reader {
    base: Option<Url>,
    charset: Charset,
    extra_urls: ExtraUrls,
    entry: Entry,
    stage: Stage,
    /// The group for entries that name none, from an `#EXTGRP` outside of entries.
    group: String,
    header: Header,
    /// What the first line that says something makes of the document.
    first: Option<First>,
    /// A tag that only playlists of HLS have came before any entry.
    is_hls: bool,
    /// An `#EXTINF` has come: bare addresses are no entries.
    has_titles: bool,
    summary: Summary,
}

/// What a document begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum First {
    /// A line that begins with `#`, or an address.
    Line,
    Html,
    Json,
    Other,
}

/// Attributes of the head that hold for all entries that have none of their own, with the spellings
/// that an entry may have it in.
const INHERITED: [(&str, &[&str]); 6] = [
    ("tvg-shift", &["tvg-shift"]),
    ("catchup", MODES),
    ("catchup-type", MODES),
    ("catchup-days", &["catchup-days", "timeshift", "tvg-rec"]),
    ("catchup-source", &["catchup-source"]),
    ("catchup-correction", &["catchup-correction"]),
];

/// How an entry names the mode of its archive.
const MODES: &[&str] = &["catchup", "catchup-type"];

/// Tags that playlists of HLS have and lists do not.
const HLS_TAGS: [&str; 3] = ["EXT-X-TARGETDURATION", "EXT-X-MEDIA-SEQUENCE", "EXT-X-STREAM-INF"];

impl Reader {
    fn new(base: Option<Url>, charset: Charset, extra_urls: ExtraUrls) -> Self {
        let summary = Summary {
            document: Document::Nothing,
            live: 0,
            movies: 0,
            episodes: 0,
            faults: Faults::default(),
        };
        Self {
            base,
            charset,
            extra_urls,
            entry: Entry::default(),
            stage: Stage::Between,
            group: String::new(),
            header: Header::default(),
            first: None,
            is_hls: false,
            has_titles: false,
            summary,
        }
    }

    fn line(&mut self, line: &[u8], take: &mut impl FnMut(Item<'_>)) {
        let text = self.charset.text(line);
        // Lists that were joined have a byte order mark in the middle.
        let text = text.trim_matches(|it: char| it.is_whitespace() || it == '\u{feff}');
        if text.is_empty() {
            // Blanks stand for controls, with which a compressed document begins.
            if line.iter().any(|&byte| is_of_no_text(byte)) {
                self.first.get_or_insert(First::Other);
            }
            return;
        }
        self.first.get_or_insert_with(|| First::of(text));
        match text.strip_prefix('#') {
            Some(directive) => self.directive(directive, take),
            None => self.location(text, take),
        }
    }

    fn directive(&mut self, text: &str, take: &mut impl FnMut(Item<'_>)) {
        let name_length = text.find([':', ' ', '\t', ',']).unwrap_or(text.len());
        // A tag ends at a blank or a comma too: `#EXTINF -1,` and `#EXTM3U url-tvg=` are in lists.
        let (name, rest) = text.split_at(name_length);
        let value = rest.strip_prefix(':').unwrap_or(rest);
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        match () {
            () if is("EXTINF") => self.title(value),
            () if is("EXTM3U") => self.header(value, take),
            () if is("EXTGRP") => self.group(value.trim()),
            () if is("EXTVLCOPT") => self.option(Origin::Vlc, value),
            () if is("KODIPROP") => self.option(Origin::Kodi, value),
            () if is("EXTHTTP") => self.http_object(value),
            () if is("EXTENC") => self.charset.declare(value),
            // Only in front of all entries: a list that has named channels is one.
            () if HLS_TAGS.iter().any(|tag| is(tag)) => self.is_hls |= self.summary.entries() == 0,
            // Anything else is a remark.
            () => (),
        }
    }

    /// Begins the next entry, if the last one is complete.
    fn begin(&mut self, stage: Stage) {
        // Cleared at the next beginning and not at the end: an alternate takes the attributes over.
        if self.stage == Stage::Between {
            self.entry.clear();
        }
        self.stage = self.stage.max(stage);
    }

    fn title(&mut self, text: &str) {
        // An `#EXTINF` without an address is dropped: the next one is another channel.
        if self.stage == Stage::Titled {
            self.summary.faults.missing_urls += 1;
            self.stage = Stage::Between;
        }
        self.begin(Stage::Titled);
        self.has_titles = true;
        let found = attributes::read_entry(text, self.entry.properties_mut());
        self.entry.set_title(found.title);
        self.summary.faults.bad_attributes += found.faults;
        self.summary.faults.missing_commas += u64::from(found.has_no_comma);
    }

    fn header(&mut self, text: &str, take: &mut impl FnMut(Item<'_>)) {
        self.header.properties.clear();
        self.summary.faults.bad_attributes += attributes::read_header(text, &mut self.header.properties);
        if !self.header.properties.is_empty() {
            take(Item::Header(&self.header));
        }
    }

    fn group(&mut self, name: &str) {
        // Inside an entry the tag is that entry's; outside it holds for all that follow.
        if self.stage == Stage::Titled {
            self.push(Origin::Group, "", name);
        } else {
            self.group.clear();
            self.group.push_str(name);
        }
    }

    fn option(&mut self, origin: Origin, text: &str) {
        let Some((key, value)) = text.split_once('=') else {
            self.summary.faults.bad_attributes += 1;
            return;
        };
        self.begin(Stage::Options);
        self.push(origin, key.trim(), value.trim().trim_matches('"'));
    }

    fn http_object(&mut self, text: &str) {
        let Ok(serde_json::Value::Object(members)) = serde_json::from_str(text) else {
            self.summary.faults.bad_attributes += 1;
            return;
        };
        // Options in front of `#EXTINF` belong to the entry that it begins.
        self.begin(Stage::Options);
        for (name, value) in &members {
            match value {
                serde_json::Value::String(value) => self.push(Origin::Http, name, value),
                value => self.push(Origin::Http, name, &value.to_string()),
            }
        }
    }

    fn push(&mut self, origin: Origin, key: &str, value: &str) {
        self.summary.faults.bad_attributes += u64::from(!self.entry.push(origin, key, value));
    }

    fn location(&mut self, text: &str, take: &mut impl FnMut(Item<'_>)) {
        let has_scheme = location::scheme(text).is_some();
        let is_bare = self.stage != Stage::Titled;
        let is_alternate = is_bare && self.has_titles && self.extra_urls == ExtraUrls::Alternates;
        // A list of nothing but addresses is one too; text in which an address happens to stand is
        // none.
        let counts = match (is_bare, self.has_titles) {
            (false, _) => true,
            (true, true) => is_alternate && has_scheme && self.stage == Stage::Between,
            (true, false) => has_scheme && self.first == Some(First::Line),
        };
        if !counts {
            self.summary.faults.stray_lines += 1;
            return;
        }
        // An alternate keeps the title and all attributes of the entry before.
        if !is_alternate {
            self.begin(Stage::Titled);
        }
        self.stage = Stage::Between;
        self.summary.faults.bad_attributes += location::read(text, self.base.as_ref(), &mut self.entry);
        // A group of its own comes first.
        if !self.group.is_empty() && self.entry.group().is_none() {
            self.entry.push(Origin::Group, "", &self.group);
        }
        self.inherit();
        let kind = Kind::of(&self.entry);
        match kind {
            Kind::Live => self.summary.live += 1,
            Kind::Movie => self.summary.movies += 1,
            Kind::Series => self.summary.episodes += 1,
        }
        take(Item::Entry { entry: &self.entry, kind, is_alternate });
    }

    /// Gives the entry what the head says of all entries.
    fn inherit(&mut self) {
        for (key, own) in INHERITED {
            let Some(value) = self.header.properties.attribute(&[key]) else { continue };
            // A number of days alone would make an archive of what has none.
            let is_meant = key != "catchup-days" || self.entry.catchup().is_some();
            if is_meant && self.entry.properties().attribute(own).is_none() {
                self.summary.faults.bad_attributes +=
                    u64::from(!self.entry.push(Origin::Attribute, key, value));
            }
        }
    }

    fn finish(&mut self, long_lines: u64) -> Summary {
        self.summary.faults.long_lines = long_lines;
        self.summary.faults.bad_characters = self.charset.bad_characters;
        self.summary.faults.missing_urls += u64::from(self.stage == Stage::Titled);
        self.summary.document = match self.first {
            // An HLS playlist has entries as well, its segments, so this is asked before.
            _ if self.is_hls => Document::HlsPlaylist,
            _ if self.summary.entries() > 0 => Document::List,
            None => Document::Nothing,
            Some(First::Line) => Document::EmptyList,
            Some(First::Html) => Document::Html,
            Some(First::Json) => Document::Json,
            Some(First::Other) => Document::Other,
        };
        self.summary
    }
}

/// Whether no text has this byte. UTF-16 has NULs.
fn is_of_no_text(byte: u8) -> bool {
    byte.is_ascii_control() && !byte.is_ascii_whitespace() && byte != 0
}

impl First {
    fn of(text: &str) -> Self {
        let json_follows = |rest: &str| {
            rest.is_empty() || rest.starts_with(|it: char| "{}[]\"".contains(it) || it.is_ascii_digit())
        };
        match text.split_at_checked(1) {
            _ if text.starts_with('#') || location::scheme(text).is_some() => Self::Line,
            Some(("<", _)) => Self::Html,
            Some(("{" | "[", rest)) if json_follows(rest.trim_start()) => Self::Json,
            _ if matches!(text, "null" | "true" | "false") => Self::Json,
            _ => Self::Other,
        }
    }
}
