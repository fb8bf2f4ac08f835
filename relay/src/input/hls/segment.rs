//! Fetches the segments of one rendition.

use std::mem;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use forebay_core::playlist::follow::{Aes128, Fetch, Transfer};
use forebay_core::remux::Content;
use forebay_core::ts::packet::SYNC_BYTE;
use tokio::time::Instant;
use tracing::{debug, info};

use super::Monitor;
use super::body::{Body, Limits};
use super::files::Files;
use super::front::Front;
use super::life::Life;
use crate::input::{Error, sniff as words};

/// The largest segment that is collected whole, which is what anything but a transport stream
/// needs.
pub(super) const MAX_WHOLE: usize = 64 << 20;

/// Bodies in a row that stand still while nothing is in store: then the source does. One may be the
/// fault of its file, and what follows may come.
const MAX_STALLS: u32 = 2;

/// Fetches the segments of one rendition, one after the other.
pub(super) struct Worker {
    pub(super) files: Files,
    life: Life,
    monitor: Arc<Monitor>,
    /// That segments are disguised has been logged.
    has_told: bool,
    /// Bodies in a row that stood still.
    stalls: u32,
    /// How the last segment has come.
    pub(super) transfer: Transfer,
    /// What went wrong since a segment came whole.
    pub(super) trouble: Option<Error>,
}

/// A segment that comes.
pub(super) struct Download {
    /// What must stand in front of it.
    pub(super) init: Option<Bytes>,
    body: Body,
    may_resume: bool,
}

/// A segment that has come.
pub(super) struct Whole {
    /// What must stand in front of it, if that is of its kind.
    pub(super) init: Option<Bytes>,
    pub(super) bytes: Bytes,
    pub(super) hash: u64,
}

impl Worker {
    pub(super) fn new(files: Files, life: Life, monitor: Arc<Monitor>) -> Self {
        Self {
            files,
            life,
            monitor,
            has_told: false,
            stalls: 0,
            transfer: Transfer::default(),
            trouble: None,
        }
    }

    /// Asks for a segment.
    pub(super) async fn open(&mut self, fetch: &Fetch) -> Result<Download, Error> {
        let began = Instant::now();
        self.transfer = Transfer::default();
        let opened = self.files.open_both(fetch, self.limits(fetch)).await;
        // Failures count too: a server that refuses slowly is slow.
        self.transfer.took += began.elapsed();
        let (init, body) = opened?;
        self.life.tell();
        // After a stall the source itself is in doubt, and a second try would only cost time.
        Ok(Download { init, body, may_resume: self.stalls == 0 })
    }

    /// How long fetching a segment may take.
    pub(super) fn limits(&self, fetch: &Fetch) -> Limits {
        let limits = Limits::new(fetch);
        if self.stalls > 0 { limits.hurried() } else { limits }
    }

    /// More of a segment; `None` when all of it has come.
    pub(super) async fn next(
        &mut self,
        fetch: &Fetch,
        download: &mut Download,
    ) -> Result<Option<Bytes>, Error> {
        loop {
            let began = Instant::now();
            let next = download.body.next().await;
            self.transfer.took += began.elapsed();
            match next {
                Ok(Some(bytes)) => {
                    self.transfer.bytes += bytes.len() as u64;
                    self.life.tell();
                    return Ok(Some(bytes));
                }
                // A connection that is dead and does not say so: over another one the rest may come
                // in time.
                Err(Error::Stalled)
                    if mem::take(&mut download.may_resume) && !self.monitor.waiting().is_zero() =>
                {
                    let (limits, read) = (download.body.limits().hurried(), download.body.read());
                    debug!(bytes = read, "a segment stands still: asking for the rest");
                    let again = self.files.open(&fetch.url, fetch.range, fetch.key.as_ref(), limits).await?;
                    download.body = again.behind(read);
                }
                other => return other,
            }
        }
    }

    /// Fetches a segment of which nothing can be passed on until it is whole.
    pub(super) async fn collect(&mut self, fetch: &Fetch) -> Result<Whole, Error> {
        let mut download = self.open(fetch).await?;
        let mut held = BytesMut::new();
        while let Some(bytes) = self.next(fetch, &mut download).await? {
            held.extend_from_slice(&bytes);
            check_size(&held)?;
        }
        let mut front = Front::new();
        let content = media(self.look(&mut front, &mut held, true), &front, &held)?;
        put_in_front(&mut held, content, download.init.as_ref());
        let init = fitting(download.init.take(), content);
        Ok(Whole { init, bytes: held.freeze(), hash: download.hash() })
    }

    /// What a segment is that has come so far, if that is known yet.
    pub(super) fn look(&mut self, front: &mut Front, held: &mut BytesMut, is_whole: bool) -> Option<Content> {
        let content = front.look(held, is_whole)?;
        // Once for each source: a list disguises all of its segments.
        if front.hidden() > 0 && !mem::replace(&mut self.has_told, true) {
            info!(
                bytes = front.hidden(),
                "segments are disguised: what is in front of the media is taken off"
            );
        }
        Some(content)
    }

    /// A segment has come.
    pub(super) fn succeed(&mut self) {
        (self.trouble, self.stalls) = (None, 0);
    }

    /// A segment has not come, or has broken off. Whether the source stands still by now.
    pub(super) fn fail(&mut self, fetch: &Fetch, error: Error) -> bool {
        debug!(%error, "segment failed");
        if let Some(Aes128 { url, .. }) = &fetch.key {
            // Another key may have taken its place at the same address.
            self.files.forget_key(url);
        }
        // Any other failure shows that the server answers.
        self.stalls = if error == Error::Stalled { self.stalls + 1 } else { 0 };
        self.trouble = Some(error);
        // While media is in store viewers notice nothing, and the server may recover.
        self.stalls >= MAX_STALLS && self.monitor.waiting().is_zero()
    }
}

impl Download {
    /// A hash of what has come.
    pub(super) fn hash(&self) -> u64 {
        self.body.hash()
    }
}

/// Bytes that are held are limited.
pub(super) fn check_size(held: &BytesMut) -> Result<(), Error> {
    if held.len() <= MAX_WHOLE {
        return Ok(());
    }
    Err(Error::Segments(format!("one has more than {MAX_WHOLE} bytes")))
}

/// What a whole segment is, if it is media.
pub(super) fn media(content: Option<Content>, front: &Front, held: &BytesMut) -> Result<Content, Error> {
    match content {
        Some(content @ (Content::TransportStream { .. } | Content::Fmp4 | Content::PackedAudio(_))) => {
            Ok(content)
        }
        _ => Err(Error::Segments(match front.picture() {
            Some(format) => format!("they are {} pictures", format.name()),
            None => format!("one is {}", words::describe(held)),
        })),
    }
}

/// An initialisation section, if it is of the same kind as the segment: where kinds are mixed,
/// lists cannot say that a section no longer applies (RFC 8216, 4.3.2.5).
pub(super) fn fitting(init: Option<Bytes>, content: Content) -> Option<Bytes> {
    let is_stream = matches!(content, Content::TransportStream { .. });
    init.filter(|init| (init.first() == Some(&SYNC_BYTE)) == is_stream)
}

/// Puts the initialisation section of a transport stream, its tables, in front of its packets.
pub(super) fn put_in_front(held: &mut BytesMut, content: Content, init: Option<&Bytes>) {
    if !matches!(content, Content::TransportStream { .. }) {
        return;
    }
    if let Some(init) = fitting(init.cloned(), content) {
        let behind = mem::take(held);
        held.extend_from_slice(&init);
        // `unsplit` copies here, once for each segment with a section of its own; few have one.
        held.unsplit(behind);
    }
}
