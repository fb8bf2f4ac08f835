//! What a broadcast is made of and what is wrong with it.

use std::ops::{Bound, RangeBounds};
use std::sync::Arc;
use std::time::Duration;

use super::breaks::Breaks;
use super::fault::Fault;
use crate::clip::Clip;
use crate::origin::Account;

/// A live HLS broadcast: a window of segments that moves on in real time. Built up fluently and put on air with
/// [`Hls::mount`](super::Hls::mount); most of it can be changed on air with [`Broadcast::change`](super::Broadcast::change).
///
/// Segments are counted from 0, the first one listed, whatever media sequence numbers they bear.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "switches that can be set in any combination")]
pub struct Hls {
    pub(super) clip: Arc<Clip>,
    pub(super) container: Container,
    pub(super) segment: Duration,
    pub(super) window: usize,
    pub(super) begins_with: usize,
    pub(super) first_sequence: u64,
    pub(super) speed: f64,
    pub(super) target_duration: Option<u64>,
    pub(super) splices: Vec<(u64, Arc<Clip>)>,
    pub(super) silent_splices: bool,
    pub(super) encryption: Encryption,
    pub(super) key_form: KeyForm,
    pub(super) uris: Uris,
    pub(super) byte_ranges: bool,
    pub(super) dated: bool,
    pub(super) low_latency: bool,
    pub(super) frozen: bool,
    pub(super) ended: bool,
    pub(super) constant_sequence: bool,
    pub(super) older: Option<(u64, usize)>,
    pub(super) renewed_every: usize,
    pub(super) on_air_for: Option<Duration>,
    pub(super) late: Duration,
    pub(super) breaks: Option<Breaks>,
    pub(super) text: Text,
    pub(super) gzip: Gzip,
    pub(super) validators: bool,
    pub(super) playlist_type: String,
    pub(super) playlist_status: Option<u16>,
    pub(super) html: bool,
    pub(super) playlist_delay: Duration,
    pub(super) delay: Duration,
    pub(super) playlist_redirect: Option<String>,
    pub(super) repeating: bool,
    pub(super) faults: Vec<(Bound<u64>, Bound<u64>, Fault)>,
    pub(super) segment_type: Option<String>,
    pub(super) redirect: Option<Redirect>,
    pub(super) token: Option<String>,
    pub(super) segment_tokens: SegmentTokens,
    pub(super) cookie: Option<String>,
    pub(super) account: Option<Account>,
}

/// What the segments are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Container {
    /// MPEG-TS; each segment begins with PAT, PMT and a random access point.
    #[default]
    Ts,
    /// Fragmented MP4 with EXT-X-MAP.
    Fmp4,
    /// Fragmented MP4 of the video alone, as in a variant whose sound is a rendition of its own.
    Fmp4Video,
    /// Fragmented MP4 of the sound alone.
    Fmp4Audio,
    /// Frames of the clip's first audio stream behind an ID3 tag with the time (RFC 8216, 3.4).
    PackedAudio,
}

/// EXT-X-KEY.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encryption {
    /// None.
    #[default]
    Clear,
    /// AES-128 with a new key after so many segments; without one the first is kept for ever.
    Aes128 {
        /// Where the initialisation vector comes from.
        iv: Iv,
        /// Segments per key.
        rotate_every: Option<u64>,
    },
    /// KEY lines of SAMPLE-AES. The segments stay as they are: nobody should come to read them.
    SampleAes,
    /// KEY lines of Widevine.
    Widevine,
}

/// The initialisation vector of AES-128.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Iv {
    /// As attribute of the KEY line, another for each segment.
    Explicit,
    /// The media sequence number.
    Implied,
}

/// What a request for a key is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeyForm {
    /// Its 16 bytes.
    #[default]
    Bytes,
    /// Its 16 bytes and a line feed.
    WithLineFeed,
    /// 32 hexadecimal digits.
    Hex,
    /// A page in HTML, with status 200.
    Html,
}

/// How the playlist writes URIs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Uris {
    /// `seg5.ts`
    #[default]
    Relative,
    /// `/folder/seg5.ts`
    RootRelative,
    /// `http://…/folder/seg5.ts`
    Absolute,
    /// `seg5.ts?sig=a%2Fb&n=5`, and a 403 without that query.
    WithQuery,
}

/// How the text of playlists is written. Not what the standard asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "switches that can be set in any combination")]
pub struct Text {
    /// A byte order mark in front.
    pub bom: bool,
    /// Lines end with CR LF.
    pub crlf: bool,
    /// Each line is followed by an empty one.
    pub blank_lines: bool,
    /// EXTINF without its comma.
    pub no_comma: bool,
    /// No EXT-X-TARGETDURATION.
    pub no_target: bool,
}

/// Whether playlists are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Gzip {
    /// Never.
    #[default]
    Never,
    /// Where the client accepts it.
    WhenAccepted,
    /// Whether it was asked for or not.
    Always,
}

/// Where the entry URL leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    /// The base URL of a folder with the same broadcast ([`Broadcast::mirror`](super::Broadcast::mirror)); its own
    /// folder `node/` otherwise.
    pub to: Option<String>,
    /// How long the token in the query of the new URL is valid; after that it is answered with 403.
    pub lifetime: Duration,
}

/// Whether segments, init segments and keys are given only to requests with a valid token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SegmentTokens {
    /// No.
    #[default]
    NotNeeded,
    /// Yes, and the playlist lists them with the token that it was asked with.
    Listed,
    /// Yes, but the playlist lists them without: the client has to hand down the query of the playlist.
    Inherited,
}

impl Hls {
    /// A broadcast of this clip as MPEG-TS in segments of 2 s, six of which are listed from the beginning.
    pub fn live(clip: Arc<Clip>) -> Self {
        Self {
            clip,
            container: Container::Ts,
            segment: Duration::from_secs(2),
            window: 6,
            begins_with: usize::MAX,
            first_sequence: 100,
            speed: 1.0,
            target_duration: None,
            splices: Vec::new(),
            silent_splices: false,
            encryption: Encryption::Clear,
            key_form: KeyForm::Bytes,
            uris: Uris::Relative,
            byte_ranges: false,
            dated: false,
            low_latency: false,
            frozen: false,
            ended: false,
            constant_sequence: false,
            older: None,
            renewed_every: 1,
            on_air_for: None,
            late: Duration::ZERO,
            breaks: None,
            text: Text::default(),
            gzip: Gzip::Never,
            validators: false,
            playlist_type: "application/vnd.apple.mpegurl".into(),
            playlist_status: None,
            html: false,
            playlist_delay: Duration::ZERO,
            delay: Duration::ZERO,
            playlist_redirect: None,
            repeating: false,
            faults: Vec::new(),
            segment_type: None,
            redirect: None,
            token: None,
            segment_tokens: SegmentTokens::NotNeeded,
            cookie: None,
            account: None,
        }
    }

    /// What the segments are. Before it is on air.
    #[must_use]
    pub fn container(self, container: Container) -> Self {
        Self { container, ..self }
    }

    /// The least length of a segment, which ends before the next random access point. Clips with short groups
    /// ([`Kind::ShortGop`](crate::clip::Kind::ShortGop)) allow fractions of a second. Before it is on air.
    #[must_use]
    pub fn segment(self, least: Duration) -> Self {
        Self { segment: least, ..self }
    }

    /// How many segments are listed at most.
    #[must_use]
    pub fn window(self, segments: usize) -> Self {
        Self { window: segments, ..self }
    }

    /// How many segments are listed at the beginning; a full window otherwise. Before it is on air.
    #[must_use]
    pub fn begins_with(self, segments: usize) -> Self {
        Self { begins_with: segments, ..self }
    }

    /// EXT-X-MEDIA-SEQUENCE of segment 0; 100 otherwise. Before it is on air.
    #[must_use]
    pub fn first_sequence(self, number: u64) -> Self {
        Self { first_sequence: number, ..self }
    }

    /// Media seconds per second: above 1 the window moves faster than its media last, and below 1 slower.
    #[must_use]
    pub fn speed(self, factor: f64) -> Self {
        Self { speed: factor, ..self }
    }

    /// States this EXT-X-TARGETDURATION, in seconds, whatever the segments are.
    #[must_use]
    pub fn target_duration(self, seconds: u64) -> Self {
        Self { target_duration: Some(seconds), ..self }
    }

    /// From this segment on another clip comes from its beginning, with its own time stamps and PIDs, behind an
    /// EXT-X-DISCONTINUITY.
    #[must_use]
    pub fn discontinuity_at(mut self, segment: u64, clip: Arc<Clip>) -> Self {
        self.splices.push((segment, clip));
        self
    }

    /// Leaves EXT-X-DISCONTINUITY away where it belongs.
    #[must_use]
    pub fn without_discontinuity_tags(self) -> Self {
        Self { silent_splices: true, ..self }
    }

    /// Encrypts, or says so. Before it is on air.
    #[must_use]
    pub fn encryption(self, encryption: Encryption) -> Self {
        Self { encryption, ..self }
    }

    /// What keys are answered with.
    #[must_use]
    pub fn key_form(self, key_form: KeyForm) -> Self {
        Self { key_form, ..self }
    }

    /// How URIs are written.
    #[must_use]
    pub fn uris(self, uris: Uris) -> Self {
        Self { uris, ..self }
    }

    /// All segments are byte ranges of one resource, every second one without its offset.
    #[must_use]
    pub fn byte_ranges(self) -> Self {
        Self { byte_ranges: true, ..self }
    }

    /// Writes EXT-X-PROGRAM-DATE-TIME before each segment.
    #[must_use]
    pub fn dated(self) -> Self {
        Self { dated: true, ..self }
    }

    /// Writes the tags of the low-latency extensions: SERVER-CONTROL, PART-INF, PART, PRELOAD-HINT, and SKIP where it
    /// is asked for. Reloads do not block.
    #[must_use]
    pub fn low_latency(self) -> Self {
        Self { low_latency: true, ..self }
    }

    /// Whether the playlist stays as it is.
    #[must_use]
    pub fn frozen(self, frozen: bool) -> Self {
        Self { frozen, ..self }
    }

    /// Whether the playlist stays as it is and ends with EXT-X-ENDLIST.
    #[must_use]
    pub fn ended(self, ended: bool) -> Self {
        Self { ended, frozen: ended, ..self }
    }

    /// EXT-X-MEDIA-SEQUENCE stays what it was for segment 0, while the URIs change.
    #[must_use]
    pub fn constant_sequence(self) -> Self {
        Self { constant_sequence: true, ..self }
    }

    /// One in so many polls gets a playlist that is so many segments older, as from another node behind a load
    /// balancer.
    #[must_use]
    pub fn older_playlists(self, one_in: u64, segments: usize) -> Self {
        Self { older: Some((one_in, segments)), ..self }
    }

    /// The playlist grows by so many segments at a time, when the last of them is there.
    #[must_use]
    pub fn renewed_every(self, segments: usize) -> Self {
        Self { renewed_every: segments, ..self }
    }

    /// It has been on air for so long, and lists the last segments of that. Before it is on air.
    #[must_use]
    pub fn on_air_for(self, span: Duration) -> Self {
        Self { on_air_for: Some(span), ..self }
    }

    /// Lists each segment so much later than it could. On air, its list stands still until that is so.
    #[must_use]
    pub fn late(self, span: Duration) -> Self {
        Self { late: span, ..self }
    }

    /// The programme has breaks. Before it is on air.
    #[must_use]
    pub fn breaks(self, breaks: Breaks) -> Self {
        Self { breaks: Some(breaks), ..self }
    }

    /// How the text is written.
    #[must_use]
    pub fn text(self, text: Text) -> Self {
        Self { text, ..self }
    }

    /// Whether playlists are compressed.
    #[must_use]
    pub fn gzip(self, gzip: Gzip) -> Self {
        Self { gzip, ..self }
    }

    /// Playlists come with an `ETag`, and 304 where it is the same.
    #[must_use]
    pub fn validators(self) -> Self {
        Self { validators: true, ..self }
    }

    /// Content-Type of playlists.
    #[must_use]
    pub fn playlist_type(self, content_type: &str) -> Self {
        Self { playlist_type: content_type.into(), ..self }
    }

    /// Answers requests for playlists with this status and no playlist; nothing ends it.
    #[must_use]
    pub fn playlist_status(self, status: Option<u16>) -> Self {
        Self { playlist_status: status, ..self }
    }

    /// Whether a page in HTML comes with status 200 in place of the playlist.
    #[must_use]
    pub fn html(self, html: bool) -> Self {
        Self { html, ..self }
    }

    /// Answers requests for playlists only after so long; with an hour, the server hangs.
    #[must_use]
    pub fn playlist_delay(self, delay: Duration) -> Self {
        Self { playlist_delay: delay, ..self }
    }

    /// Answers each request only after so long, as a server far away.
    #[must_use]
    pub fn delay(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    /// Answers requests for playlists with a 302 to this address, as a provider that shows a notice does.
    #[must_use]
    pub fn playlist_redirect(self, url: Option<&str>) -> Self {
        Self { playlist_redirect: url.map(str::to_owned), ..self }
    }

    /// A true loop of the clip: each round is bit for bit the first, but for its time stamps and counters. Before it
    /// is on air.
    #[must_use]
    pub fn repeating(self) -> Self {
        Self { repeating: true, ..self }
    }

    /// What is wrong with these segments. A later word on a segment overrules an earlier one.
    #[must_use]
    pub fn fault(mut self, segments: impl RangeBounds<u64>, fault: Fault) -> Self {
        self.faults.push((segments.start_bound().cloned(), segments.end_bound().cloned(), fault));
        self
    }

    /// Nothing is wrong with any segment any more.
    #[must_use]
    pub fn without_faults(self) -> Self {
        Self { faults: Vec::new(), ..self }
    }

    /// Content-Type of segments.
    #[must_use]
    pub fn segment_type(self, content_type: &str) -> Self {
        Self { segment_type: Some(content_type.into()), ..self }
    }

    /// The entry URL answers 302 to a URL with a token that expires.
    #[must_use]
    pub fn redirect(self, redirect: Redirect) -> Self {
        Self { redirect: Some(redirect), ..self }
    }

    /// The entry URL demands this `token` in its query, for ever valid.
    #[must_use]
    pub fn token(self, token: &str) -> Self {
        Self { token: Some(token.into()), ..self }
    }

    /// Whether segments demand a token too.
    #[must_use]
    pub fn segment_tokens(self, tokens: SegmentTokens) -> Self {
        Self { segment_tokens: tokens, ..self }
    }

    /// Playlists set this cookie (`name=value`), and segments and keys demand it.
    #[must_use]
    pub fn cookie(self, cookie: &str) -> Self {
        Self { cookie: Some(cookie.into()), ..self }
    }

    /// Uses one connection of this account for as long as somebody asks for anything of it.
    #[must_use]
    pub fn account(self, account: &Account) -> Self {
        Self { account: Some(account.clone()), ..self }
    }

    pub(super) fn fault_of(&self, segment: u64) -> Option<Fault> {
        let concerns = |(from, to, _): &&(Bound<u64>, Bound<u64>, Fault)| (*from, *to).contains(&segment);
        self.faults.iter().rev().find(concerns).map(|(_, _, fault)| *fault)
    }
}
