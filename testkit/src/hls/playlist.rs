//! A strict reader of media playlists (RFC 8216, 4).

use std::time::Duration;

use jiff::Timestamp;

/// A media playlist.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Playlist {
    /// EXT-X-TARGETDURATION, in seconds.
    pub target: u64,
    /// EXT-X-MEDIA-SEQUENCE.
    pub sequence: u64,
    /// EXT-X-DISCONTINUITY-SEQUENCE.
    pub discontinuity_sequence: u64,
    /// Whether it has EXT-X-ENDLIST.
    pub ended: bool,
    /// Whether it promises EXT-X-INDEPENDENT-SEGMENTS.
    pub independent: bool,
    /// EXT-X-PLAYLIST-TYPE.
    pub playlist_type: Option<String>,
    /// The segments that are listed.
    pub segments: Vec<Segment>,
}

/// A listed segment.
#[derive(Debug, Clone, PartialEq)]
pub struct Segment {
    /// Its media sequence number.
    pub number: u64,
    /// As it is written.
    pub uri: String,
    /// EXTINF.
    pub duration: Duration,
    /// Whether EXT-X-DISCONTINUITY stands before it.
    pub discontinuity: bool,
    /// How many discontinuities there were up to its beginning, of which EXT-X-DISCONTINUITY-SEQUENCE tells.
    pub discontinuities: u64,
    /// Whether it is a gap.
    pub gap: bool,
    /// EXT-X-PROGRAM-DATE-TIME.
    pub time: Option<Timestamp>,
}

impl Playlist {
    /// Reads a playlist; what is wrong with its text goes to `faults`, one sentence each.
    pub fn read(bytes: &[u8], faults: &mut Vec<String>) -> Self {
        let mut reader = Reader { faults, list: Self::default(), seen: Vec::new(), next: Next::default() };
        reader.text(bytes);
        reader.list
    }

    /// The sum of its durations.
    pub fn duration(&self) -> Duration {
        self.segments.iter().map(|segment| segment.duration).sum()
    }

    /// The segment with this media sequence number.
    pub fn segment(&self, number: u64) -> Option<&Segment> {
        let at = usize::try_from(number.checked_sub(self.sequence)?).ok()?;
        self.segments.get(at)
    }
}

struct Reader<'a> {
    faults: &'a mut Vec<String>,
    list: Playlist,
    /// Tags that may come once.
    seen: Vec<String>,
    next: Next,
}

/// What was said of the next segment.
#[derive(Default)]
struct Next {
    duration: Option<Duration>,
    discontinuity: bool,
    gap: bool,
    time: Option<Timestamp>,
}

impl Reader<'_> {
    fn fault(&mut self, text: String) {
        self.faults.push(text);
    }

    fn text(&mut self, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        if std::str::from_utf8(bytes).is_err() {
            self.fault("the playlist is not UTF-8".into());
        }
        let text = text.strip_prefix('\u{feff}').unwrap_or_else(|| {
            if !text.starts_with("#EXTM3U\n") && !text.starts_with("#EXTM3U\r\n") {
                let first = text.lines().next().unwrap_or_default();
                self.fault(format!("the first line is {first:?} and not #EXTM3U"));
            }
            &text
        });
        if bytes.starts_with(b"\xef\xbb\xbf") {
            self.fault("the playlist begins with a byte order mark".into());
        }
        if text.chars().any(|letter| letter.is_control() && !matches!(letter, '\r' | '\n')) {
            self.fault("the playlist has control characters".into());
        }
        for line in text.lines() {
            if line.starts_with("#EXT") {
                let (tag, value) = line.split_once(':').unwrap_or((line, ""));
                self.tag(tag, value);
            } else if !line.is_empty() && !line.starts_with('#') {
                self.segment(line);
            }
        }
        if !self.seen.iter().any(|tag| tag == "#EXT-X-TARGETDURATION") {
            self.fault("the playlist has no EXT-X-TARGETDURATION".into());
        }
        if !self.seen.iter().any(|tag| tag == "#EXT-X-VERSION") {
            self.fault("the playlist has no EXT-X-VERSION".into());
        }
        if self.next.duration.is_some() {
            self.fault("an EXTINF has no segment".into());
        }
    }

    fn tag(&mut self, tag: &str, value: &str) {
        const ONCE: [&str; 7] = [
            "#EXTM3U",
            "#EXT-X-VERSION",
            "#EXT-X-TARGETDURATION",
            "#EXT-X-MEDIA-SEQUENCE",
            "#EXT-X-DISCONTINUITY-SEQUENCE",
            "#EXT-X-PLAYLIST-TYPE",
            "#EXT-X-ENDLIST",
        ];
        if ONCE.contains(&tag) {
            if self.seen.iter().any(|seen| seen == tag) {
                self.fault(format!("{tag} comes twice"));
            }
            self.seen.push(tag.to_owned());
        }
        match tag {
            "#EXT-X-VERSION" => {
                self.number(tag, value);
            }
            "#EXT-X-TARGETDURATION" => self.list.target = self.number(tag, value),
            "#EXT-X-MEDIA-SEQUENCE" => {
                self.before_segments(tag);
                self.list.sequence = self.number(tag, value);
            }
            "#EXT-X-DISCONTINUITY-SEQUENCE" => {
                self.before_segments(tag);
                self.list.discontinuity_sequence = self.number(tag, value);
            }
            "#EXT-X-PLAYLIST-TYPE" => self.list.playlist_type = Some(value.to_owned()),
            "#EXT-X-INDEPENDENT-SEGMENTS" => self.list.independent = true,
            "#EXT-X-ENDLIST" => self.list.ended = true,
            "#EXT-X-DISCONTINUITY" => self.next.discontinuity = true,
            "#EXT-X-GAP" => self.next.gap = true,
            "#EXT-X-PROGRAM-DATE-TIME" => {
                let time = value.parse();
                if time.is_err() {
                    self.fault(format!("EXT-X-PROGRAM-DATE-TIME is {value:?}, which is no time with a zone"));
                }
                self.next.time = time.ok();
            }
            "#EXTINF" => self.duration(value),
            _ => {}
        }
    }

    fn before_segments(&mut self, tag: &str) {
        if !self.list.segments.is_empty() || self.next.discontinuity {
            self.fault(format!("{tag} comes after the first segment"));
        }
    }

    fn number(&mut self, tag: &str, value: &str) -> u64 {
        value.parse().unwrap_or_else(|_| {
            self.fault(format!("{tag} is {value:?}, which is no number"));
            0
        })
    }

    fn duration(&mut self, value: &str) {
        let (seconds, _) = value.split_once(',').unwrap_or_else(|| {
            self.faults.push(format!("EXTINF:{value} has no comma"));
            (value, "")
        });
        let is_decimal =
            !seconds.is_empty() && seconds.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        let duration = seconds.parse().ok().filter(|_| is_decimal);
        if duration.is_none() {
            self.fault(format!("EXTINF:{value} is no duration"));
        }
        self.next.duration = Some(Duration::from_secs_f64(duration.unwrap_or(0.0)));
    }

    fn segment(&mut self, uri: &str) {
        let Next { duration, discontinuity, gap, time } = std::mem::take(&mut self.next);
        if duration.is_none() {
            self.fault(format!("{uri} has no EXTINF"));
        }
        let number = self.list.sequence + self.list.segments.len() as u64;
        let before = self.list.segments.last().map(|segment| segment.discontinuities);
        let discontinuities = before.unwrap_or(self.list.discontinuity_sequence) + u64::from(discontinuity);
        let duration = duration.unwrap_or_default();
        let uri = uri.to_owned();
        self.list.segments.push(Segment { number, uri, duration, discontinuity, discontinuities, gap, time });
    }
}
