//! What a channel is: its names, its policy and its ordered sources.

use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use forebay_core::failover::SourceId;
use forebay_core::health::Rules;
use forebay_core::lineup::catchup::ProviderArchive;
use forebay_core::playlist::ladder::Prefer;
use forebay_core::rhythm::MAX_AHEAD;
use http::{HeaderName, HeaderValue};

use super::{Access, ChannelId, ProviderId, Scope, SourceUrl, UrlPattern};

/// One configured channel. A reload compares the old with the new one: equal channels keep their
/// viewers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// Its place in paths and logs, unique in the file.
    pub id: ChannelId,
    /// What viewers read; the id where the file gives no name.
    pub name: String,
    /// Its number in channel lists, from 1, unique in the file.
    pub number: Option<u32>,
    /// The group it is listed in.
    pub group: Option<String>,
    /// Absolute http or https address of its logo.
    pub logo: Option<String>,
    /// The id by which guides (XMLTV) know it.
    pub tvg_id: Option<String>,
    /// The programme number to take from a stream which carries several, from 1; the first one if
    /// absent.
    pub program: Option<u16>,
    /// Whose viewers come first where the connections of a provider are short: the higher one's;
    /// -1000 to 1000.
    pub priority: i32,
    /// How long to wait for what.
    pub policy: Policy,
    /// Addresses to which providers redirect when they show a notice instead of the channel; at
    /// most 32.
    pub slate_urls: Arc<[UrlPattern]>,
    /// Where it comes from, the preferred source first; never empty.
    pub sources: Vec<Source>,
}

impl Channel {
    /// The source with this id, if it is listed.
    pub fn source(&self, id: SourceId) -> Option<&Source> {
        self.sources.iter().find(|source| source.id == id)
    }

    /// Its place in the list, from 0.
    pub fn position(&self, id: SourceId) -> Option<usize> {
        self.sources.iter().position(|source| source.id == id)
    }

    /// The ids of all sources, in the order of the list.
    pub fn source_ids(&self) -> Vec<SourceId> {
        self.sources.iter().map(|source| source.id).collect()
    }

    /// How many days back the archives of its providers reach; `None` where there is none.
    pub fn provider_archive_days(&self) -> Option<u32> {
        self.sources.iter().filter_map(|source| source.archive.as_ref()).map(|it| it.days()).max()
    }

    /// Which addresses all that it names may lead to.
    pub fn scope(&self) -> Scope {
        // One source that others have named is enough: then they have named the logo, too.
        let is_bounded = self.sources.iter().any(|source| source.access.scope == Scope::Internet);
        if is_bounded { Scope::Internet } else { Scope::Own }
    }
}

/// The times and sizes by which a channel is run.
///
/// It has many fields since each is one setting of the configuration, or one table of settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// How long a feed lives after its last subscriber (its linger); 100 ms to 1 day.
    pub idle_timeout: Duration,
    /// How long one connection to a source may take until its first packets; 100 ms to 1 minute.
    pub connect_timeout: Duration,
    /// How long the stream may stand still, in media time, until its source counts as dead; 100 ms
    /// to 1 minute.
    pub stall_timeout: Duration,
    /// How long a viewer waits for a first picture, over all sources, before being refused; 100 ms
    /// to 2 minutes.
    pub start_timeout: Duration,
    /// How much of the stream is kept for viewers who lag; 1 second to 10 minutes, and longer than
    /// `burst`.
    pub buffer: Duration,
    /// The most bytes the buffer may take, whatever the bitrate; 1 MiB to 4 GiB.
    pub buffer_bytes: u64,
    /// How far behind live a new viewer starts, so that players fill their buffers at once; 100 ms
    /// to 1 minute.
    pub burst: Duration,
    /// How far the media of a source that sends by itself may run ahead of time, until it is read
    /// no faster than it plays; 1 second to 1 hour.
    pub read_ahead: Duration,
    /// How long a viewer may take no byte at all until the connection is dropped; 100 ms to 10
    /// minutes.
    pub viewer_timeout: Duration,
    /// How many may watch at a time, from 1; no limit if absent.
    pub max_viewers: Option<u32>,
    /// How much of its media is kept on disk as a time-shift, on the clock on the wall; 1 minute to
    /// 7 days, nothing if absent.
    pub timeshift: Option<Duration>,
    /// The most bytes that may take; 16 MiB to 4096 GiB.
    pub timeshift_bytes: u64,
    /// With another source beside it, how long the first may take to deliver before the next is
    /// opened too; 100 ms to 1 minute, never if absent.
    pub hedge: Option<Duration>,
    /// How long a preferred source must be healthy in a background probe until the channel returns
    /// to it; 1 second to 1 hour, never if absent.
    pub return_after: Option<Duration>,
    /// Whether the connection of a viewer by TS is kept alive while there is nothing to show.
    pub keep_alive: bool,
    /// Whether the built-in slate is shown while there is nothing else.
    pub slate: bool,
    /// What sources are judged by.
    pub health: Rules,
    /// Whether ffmpeg looks at a picture that seems to stand still before its source is left.
    pub confirm_frozen: bool,
    /// How the channel becomes HLS.
    pub hls: Hls,
}

/// How a live stream gets from the store to a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Delivery {
    /// What a group of viewers reads now is copied, since it lies in the processor's cache; what
    /// only one viewer reads is not.
    #[default]
    Auto,
    /// It is read once for a group of viewers, and the kernel copies it for each.
    Copy,
    /// The kernel sends the store's own pages.
    Sendfile,
}

/// `[hls]`: how channels become HLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hls {
    /// How long a segment is to be, as near as the source's key frames allow; 500 ms to 30 seconds.
    pub segment: Duration,
    /// How many segments of that length a playlist names; 3 to 1000.
    pub window: u32,
    /// The most bytes that are kept for the players of one channel; 16 MiB to 64 GiB.
    pub max_bytes: u64,
}

impl Default for Hls {
    fn default() -> Self {
        Self {
            // Two key frame intervals of most encoders.
            segment: Duration::from_secs(4),
            // Half a minute: more than the 3 target durations that players stay behind.
            window: 8,
            // What is kept is about 90 s: 22 Mbit/s, more than most UHD channels.
            max_bytes: 256 << 20,
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            // Long enough for zapping back and for a player which reconnects, short enough to free
            // the provider.
            idle_timeout: Duration::from_secs(30),
            // A TCP retransmission after 1 s and one after 3 s still fit.
            connect_timeout: Duration::from_secs(4),
            // Below the 5 s in which viewers are to see the next source.
            stall_timeout: Duration::from_secs(3),
            // hls.js gives up after 10 s, ExoPlayer after 8 s; two sources can be tried in it.
            start_timeout: Duration::from_secs(10),
            // Four key frame intervals of a slow encoder.
            buffer: Duration::from_secs(12),
            // 12 s at 11 Mbit/s, more than most HD channels.
            buffer_bytes: 16 << 20,
            // One usual key frame interval.
            burst: Duration::from_secs(2),
            read_ahead: MAX_AHEAD,
            // Shorter than the buffer: whoever stands still longer has lost the place anyway.
            viewer_timeout: Duration::from_secs(10),
            max_viewers: None,
            timeshift: None,
            // Nine hours at 8 Mbit/s.
            timeshift_bytes: 32 << 30,
            // Most sources deliver within a second; those that do not would cost the viewer more
            // than a connection costs the provider.
            hedge: Some(Duration::from_millis(1_500)),
            // Several segments and key frames, and longer than a source that flaps stays up.
            return_after: Some(Duration::from_secs(30)),
            keep_alive: true,
            slate: false,
            health: Rules::default(),
            confirm_frozen: false,
            hls: Hls::default(),
        }
    }
}

/// One configured way to get a channel. Its header values are secrets and print as `Sensitive`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Names it within its channel, whatever becomes of the list.
    pub id: SourceId,
    /// Where it is.
    pub url: SourceUrl,
    /// Whose account its connections count against; nobody's if absent.
    pub provider: Option<ProviderId>,
    /// The `User-Agent` to send, its own or its provider's; Forebay's if absent.
    pub user_agent: Option<String>,
    /// Of a multivariant HLS playlist: the most bits a second that the variant should have; no
    /// limit if absent.
    pub max_bitrate: Option<u64>,
    /// Which variant of it is the best.
    pub variant: Prefer,
    /// The channel's [`slate_urls`](Channel::slate_urls).
    pub slate_urls: Arc<[UrlPattern]>,
    /// Further request headers, each name once, in the order they were typed. Never `User-Agent`.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// How its servers are reached: as it says, or else its provider.
    pub access: Access,
    /// What its provider has kept of its past.
    pub archive: Option<Arc<ProviderArchive>>,
}

impl Source {
    /// A source of which no more than its address was said, and that is in no channel yet.
    pub fn new(url: SourceUrl) -> Self {
        Self {
            id: SourceId(0),
            url,
            provider: None,
            user_agent: None,
            max_bitrate: None,
            variant: Prefer::default(),
            slate_urls: Arc::default(),
            headers: Vec::new(),
            access: Access::default(),
            archive: None,
        }
    }

    /// What is asked for, and of whom: a source that differs in this is another one. Other settings
    /// hold from its next opening on.
    pub(super) fn request(&self) -> impl Hash + PartialEq {
        let Self {
            id: _,
            url,
            provider,
            user_agent,
            headers,
            access,
            max_bitrate: _,
            variant: _,
            slate_urls: _,
            archive: _,
        } = self;
        (url, provider, user_agent, headers, access)
    }

    /// Whether it plays the same: nothing but the id and the archive may differ.
    pub fn is_same_as(&self, other: &Self) -> bool {
        let others = |source: &Self| (source.max_bitrate, source.variant, Arc::clone(&source.slate_urls));
        self.request() == other.request() && others(self) == others(other)
    }
}
