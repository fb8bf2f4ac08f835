//! What providers have kept of a channel's past, for one viewer at a time.
//!
//! The sources of a channel are asked in their order, those that have an archive which reaches so
//! far. Each costs a connection of its provider like any other, for as long as a viewer is sent
//! something, and gives it up where a channel that matters more needs it.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use forebay_core::channel::ErrorCode;
use forebay_core::failover::SourceId;
use forebay_core::lineup::catchup::Stretch;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt as _, StreamExt as _};
use http::{HeaderMap, StatusCode};
use tokio::time::timeout;
use tracing::{info, warn};
use url::Url;

use crate::input::byte_range::RangeRequest;
use crate::input::provider_archive::{ArchiveAnswer, ArchiveClient};
use crate::input::{Error, SocketGuard};
use crate::model::{Channel, ChannelId, Source};
use crate::providers::{Claim, Providers, Purpose};

/// How long a server may take until its answer begins: archives are on disks that may sleep, and
/// players give up soon behind that.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the whole opening may take, with all sources that are asked: players wait no longer.
const OPENING_TIMEOUT: Duration = Duration::from_secs(15);

/// For how long the source is asked first that has delivered last: a player that seeks comes back
/// within minutes, and wants more of the same file.
const MEMORY: Duration = Duration::from_mins(10);

/// Channels of which that is remembered: some hundred kilobytes.
const MAX_REMEMBERED: usize = 1000;

/// How long nothing may come behind the beginning. A viewer who takes nothing does not count.
const STALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Sources that are asked for one viewer. Nobody waits for more than these.
const MAX_ASKED: usize = 4;

/// The most bytes of one answer: a day of 90 Mbit/s, the longest stretch of the richest channel. A
/// server that sends more does not end.
const MAX_BYTES: u64 = 1 << 40;

/// Who asks the providers.
#[derive(Debug, Clone)]
pub struct ProviderArchives {
    client: ArchiveClient,
    providers: Providers,
    /// Which source has delivered last, by channel, and when.
    delivered: Arc<Mutex<HashMap<ChannelId, (SourceId, Instant)>>>,
}

/// What somebody wants to see.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Which time of the channel.
    pub stretch: Stretch,
    /// How much the viewer matters where connections are short.
    pub priority: i32,
    /// Whether only those archives will do whose address says where the stretch ends.
    pub needs_end: bool,
    /// The range that the viewer's player asks for, if it does not ask for all.
    pub range: Option<RangeRequest>,
    /// Lives as long as any socket that is opened for it.
    pub hold: SocketGuard,
}

/// What a provider sends.
pub struct Playback {
    /// See [`ArchiveAnswer`].
    pub status: StatusCode,
    /// See [`ArchiveAnswer`].
    pub headers: HeaderMap,
    /// Which source of the channel sends it.
    pub source: SourceId,
    /// The bytes. Dropping them closes the connection.
    pub bytes: BoxStream<'static, io::Result<Bytes>>,
    /// Completes when the connection is needed for a channel that matters more: the bytes must be
    /// dropped then.
    pub needed: BoxFuture<'static, ()>,
}

/// Why nothing is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoPlayback {
    /// No provider has kept anything of that time.
    None,
    /// All connections of the providers that may have it are taken.
    Full,
    /// None of them sends it, the last one for this reason.
    Failed(ErrorCode),
}

impl ProviderArchives {
    /// Asks by connections of these providers.
    pub fn new(providers: Providers) -> Self {
        Self { client: ArchiveClient::new(), providers, delivered: Arc::default() }
    }

    /// Opens what the first provider has that sends anything.
    pub async fn open(&self, channel: &Channel, wanted: &Wanted) -> Result<Playback, NoPlayback> {
        let opened = timeout(OPENING_TIMEOUT, self.open_any(channel, wanted)).await;
        opened.unwrap_or_else(|_| {
            warn!(channel = %channel.id, "no archive in time");
            Err(NoPlayback::Failed(Error::ConnectTimeout.code()))
        })
    }

    async fn open_any(&self, channel: &Channel, wanted: &Wanted) -> Result<Playback, NoPlayback> {
        let mut last = NoPlayback::None;
        let found = channel.sources.iter().enumerate().filter_map(|(at, source)| {
            let url = address(source, wanted.stretch, wanted.needs_end)?;
            Some((at, source, url))
        });
        let mut found: Vec<_> = found.collect();
        let delivered = self.delivered(&channel.id);
        // Stable: the others keep their order.
        found.sort_by_key(|(_, source, _)| Some(source.id) != delivered);
        // Another provider has another file, in which the rest of this one cannot be found.
        found.truncate(if wanted.is_from_start() { MAX_ASKED } else { 1 });
        for (at, source, url) in found {
            match self.open_at(channel, source, &url, wanted).await {
                Ok(playback) => {
                    self.note_delivered(channel, source);
                    info!(channel = %channel.id, source = at, "archive of the provider opened");
                    return Ok(playback);
                }
                Err(Error::ProviderLimit(error)) => {
                    info!(channel = %channel.id, source = at, %error, "no connection for the archive");
                    // One that is full now may have it later, so that is what is told.
                    last = NoPlayback::Full;
                }
                Err(error) => {
                    warn!(channel = %channel.id, source = at, code = %error.code(), %error, "archive failed");
                    if last != NoPlayback::Full {
                        last = NoPlayback::Failed(error.code());
                    }
                }
            }
        }
        Err(last)
    }

    async fn open_at(
        &self,
        channel: &Channel,
        source: &Source,
        url: &Url,
        wanted: &Wanted,
    ) -> Result<Playback, Error> {
        let claim = Claim {
            // Another one than the channel itself, which nobody may watch any more: whoever goes
            // back in time has just left it, and its connection is then given up for this.
            channel: channel.id.past(),
            priority: channel.priority.saturating_add(wanted.priority),
            purpose: Purpose::Archive,
        };
        let lease = self.providers.claim(source.provider.as_ref(), claim).await?;
        let handle = lease.handle();
        let answer = self.client.open(
            source,
            url,
            wanted.range.as_ref(),
            SocketGuard::new((lease, wanted.hold.clone())),
        );
        let answer = tokio::select! {
            answer = timeout(ANSWER_TIMEOUT, answer) => answer.map_err(|_| Error::ConnectTimeout)??,
            // Only what has a provider is ever asked to yield.
            () = handle.yielded() => return Err(self.taken(source)),
        };
        let ArchiveAnswer { status, headers, bytes } = answer;
        Ok(Playback {
            status,
            headers,
            source: source.id,
            bytes: guarded(bytes),
            needed: handle.yielded().boxed(),
        })
    }

    /// The source of the channel that has delivered lately.
    fn delivered(&self, channel: &ChannelId) -> Option<SourceId> {
        let delivered = self.delivered.lock().unwrap_or_else(PoisonError::into_inner);
        let (source, at) = delivered.get(channel)?;
        (at.elapsed() < MEMORY).then_some(*source)
    }

    fn note_delivered(&self, channel: &Channel, source: &Source) {
        let mut delivered = self.delivered.lock().unwrap_or_else(PoisonError::into_inner);
        if delivered.len() >= MAX_REMEMBERED {
            delivered.retain(|_, (_, at)| at.elapsed() < MEMORY);
        }
        // Where there are too many, their sources are asked in their order.
        if delivered.len() < MAX_REMEMBERED || delivered.contains_key(&channel.id) {
            delivered.insert(channel.id.clone(), (source.id, Instant::now()));
        }
    }

    /// Its connection was needed for a channel that matters more.
    fn taken(&self, source: &Source) -> Error {
        let provider = source.provider.as_ref();
        provider.map_or(Error::ConnectTimeout, |id| self.providers.no_connection_yet(id).into())
    }
}

impl Wanted {
    /// Whether the beginning is wanted, if not all of it.
    pub fn is_from_start(&self) -> bool {
        self.range.as_ref().is_none_or(|asked| asked.range.is_from_start())
    }
}

/// Whether the provider of any source may have this stretch of the channel.
pub fn may_have(channel: &Channel, stretch: Stretch, needs_end: bool) -> bool {
    channel.sources.iter().any(|source| address(source, stretch, needs_end).is_some())
}

/// Where the provider of a source has a stretch, if it may have it.
fn address(source: &Source, stretch: Stretch, needs_end: bool) -> Option<Url> {
    let live = source.url.expose().as_str();
    let archive = source.archive.as_ref().filter(|archive| archive.reaches(stretch))?;
    let fits = !needs_end || archive.is_bounded(live);
    // What cannot be read as an address cannot be asked for.
    fits.then(|| archive.address(live, stretch)?.parse().ok())?
}

/// The bytes, until they do not come any more or are too many.
fn guarded(bytes: BoxStream<'static, Result<Bytes, Error>>) -> BoxStream<'static, io::Result<Bytes>> {
    let next = |state: Option<_>| async move {
        let (mut bytes, sent): (BoxStream<'static, _>, u64) = state?;
        let next: Result<Bytes, Error> = match timeout(STALL_TIMEOUT, bytes.next()).await {
            Ok(next) => next?,
            Err(_) => Err(Error::Stalled),
        };
        match next {
            Ok(next) if sent.saturating_add(next.len() as u64) <= MAX_BYTES => {
                let sent = sent + next.len() as u64;
                Some((Ok(next), Some((bytes, sent))))
            }
            Ok(_) => Some((Err(io::Error::other("the archive does not end")), None)),
            Err(error) => Some((Err(io::Error::other(error)), None)),
        }
    };
    stream::unfold(Some((bytes, 0)), next).boxed()
}

impl fmt::Debug for Playback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Playback").field("status", &self.status).finish_non_exhaustive()
    }
}
