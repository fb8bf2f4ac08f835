//! Fetches one segment and passes it on: transport streams as they come, anything else when it is
//! complete.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use forebay_core::playlist::follow::{self, Aes128, Fetch, Outcome, Transfer};
use forebay_core::remux::{Content, Extent, Pairing};
use forebay_core::ts::packet::{PACKET_SIZE, SYNC_BYTE};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::{debug, info};

use super::body::Limits;
use super::files::Files;
use super::front::Front;
use super::outlet::Outlet;
use super::remuxing::Remuxing;
use super::session::Session;
use super::{Item, Monitor, PIECE};
use crate::input::{Error, Piece, sniff as words};

/// The largest segment that is collected whole, which is what anything but a transport stream
/// needs.
const MAX_WHOLE: usize = 64 << 20;

/// Bodies in a row that stand still while nothing is in store: then the source does. One may be the
/// fault of its file, and what follows may come.
const MAX_STALLS: u32 = 2;

/// Fetches the segments of one upstream, one after the other.
pub(super) struct Worker {
    files: Files,
    outlet: Outlet,
    monitor: Arc<Monitor>,
    /// For what is no transport stream, or comes in two renditions.
    remuxing: Remuxing,
    /// A hash of the last segment: some servers give the same one by ever new names when they have
    /// nothing else.
    last: Option<u64>,
    /// That segments are disguised has been logged.
    has_told: bool,
    /// Bodies in a row that stood still.
    stalls: u32,
    /// How the last segment has come.
    pub(super) transfer: Transfer,
    /// What went wrong since a segment came whole.
    pub(super) trouble: Option<Error>,
}

impl Worker {
    pub(super) fn new(session: Session, queue: mpsc::Sender<Item>, monitor: Arc<Monitor>) -> Self {
        Self {
            files: Files::new(session),
            outlet: Outlet::new(queue),
            monitor,
            remuxing: Remuxing::default(),
            last: None,
            has_told: false,
            stalls: 0,
            transfer: Transfer::default(),
            trouble: None,
        }
    }

    /// What has come of the picture and of the separate sound on the timeline that they share.
    pub(super) fn extents(&self) -> [Option<Extent>; 2] {
        self.remuxing.extents()
    }

    /// From now on picture and separate sound go together like this; in any case so much of the
    /// picture is passed on.
    pub(super) async fn pass_on(&mut self, pairing: Pairing, least: Duration) {
        self.remuxing.pass_on(pairing, least, &mut self.outlet).await;
    }

    /// Fetches a segment and puts it into the queue.
    pub(super) async fn fetch(&mut self, fetch: Fetch) -> Outcome {
        self.remuxing.begin(&fetch, &mut self.outlet).await;
        // Sound of its own begins anew with the picture.
        self.outlet.begin(fetch.has_seam && fetch.rendition == follow::Rendition::Main);
        let outcome = match self.carry(&fetch).await {
            Ok(hash) => {
                (self.trouble, self.stalls) = (None, 0);
                let is_main = fetch.rendition == follow::Rendition::Main;
                let repeats = is_main && self.last.replace(hash) == Some(hash) && !fetch.begins_part;
                if repeats { Outcome::Repeated } else { Outcome::Done }
            }
            Err(error) => {
                debug!(%error, "segment failed");
                if let Some(Aes128 { url, .. }) = &fetch.key {
                    // Another key may have taken its place at the same address.
                    self.files.forget_key(url);
                }
                self.stalls = if error == Error::Stalled { self.stalls + 1 } else { 0 };
                let outcome = match &error {
                    _ if self.stalls >= MAX_STALLS && self.monitor.waiting().is_zero() => Outcome::Stalled,
                    Error::Format(_) => Outcome::Unusable,
                    // What was decrypted is encrypted in itself, or its key is none.
                    Error::Encrypted(_) if !self.outlet.is_begun() => Outcome::Failed,
                    _ if self.outlet.is_begun() => Outcome::Truncated,
                    Error::Status { status } => Outcome::Refused(*status),
                    _ => Outcome::Failed,
                };
                self.trouble = Some(error);
                outcome
            }
        };
        let has_come = matches!(outcome, Outcome::Done | Outcome::Repeated | Outcome::Truncated);
        if has_come && fetch.rendition == follow::Rendition::Main {
            if outcome != Outcome::Truncated {
                self.outlet.send(Item::Piece(Piece::Cut)).await;
            }
            self.monitor.fetched(fetch.duration);
            self.remuxing.end(fetch.duration, &mut self.outlet).await;
        }
        outcome
    }

    /// Passes a segment on; a hash of it, when all of it has come.
    async fn carry(&mut self, fetch: &Fetch) -> Result<u64, Error> {
        let limits = Limits::new(fetch);
        let limits = if self.stalls > 0 { limits.hurried() } else { limits };
        let began = Instant::now();
        self.transfer = Transfer::default();
        let opened = self.files.open_both(fetch, limits).await;
        self.transfer.took += began.elapsed();
        let (init, mut body) = opened?;
        self.outlet.live().await;
        let mut held = BytesMut::new();
        let (mut front, mut content) = (Front::new(), None);
        let mut may_resume = self.stalls == 0;
        let outcome = loop {
            let began = Instant::now();
            let next = body.next().await;
            self.transfer.took += began.elapsed();
            match next {
                Ok(Some(bytes)) => {
                    self.transfer.bytes += bytes.len() as u64;
                    held.extend_from_slice(&bytes);
                    self.outlet.live().await;
                }
                Ok(None) => break Ok(body.hash()),
                // A connection that is dead and does not say so: over another one the rest may come
                // in time.
                Err(Error::Stalled) if mem::take(&mut may_resume) && !self.monitor.waiting().is_zero() => {
                    debug!(bytes = body.read(), "a segment stands still: asking for the rest");
                    let (limits, read) = (body.limits().hurried(), body.read());
                    drop(body);
                    match self.files.open(&fetch.url, fetch.range, fetch.key.as_ref(), limits).await {
                        Ok(again) => body = again.behind(read),
                        Err(error) => break Err(error),
                    }
                }
                Err(error) => break Err(error),
            }
            if content.is_none() {
                content = front.look(&mut held, false);
                self.tell_disguise(content, &front);
                put_in_front(&mut held, content, init.as_ref());
            }
            let streams = content.is_some_and(|content| !content.needs_remux(fetch.audio.is_some()));
            while streams && held.len() >= PIECE {
                let piece = held.split_to(PIECE).freeze();
                self.outlet.pass(piece).await;
            }
            if held.len() > MAX_WHOLE {
                return Err(Error::Segments(format!("one has more than {MAX_WHOLE} bytes")));
            }
        };
        if let (Err(error), false) = (&outcome, self.outlet.is_begun()) {
            return Err(error.clone());
        }
        if content.is_none() {
            content = front.look(&mut held, true);
            self.tell_disguise(content, &front);
            put_in_front(&mut held, content, init.as_ref());
        }
        match content {
            Some(Content::TransportStream { .. }) if fetch.audio.is_none() => {
                // What broke off in a packet ends in front of it.
                held.truncate(held.len() / PACKET_SIZE * PACKET_SIZE);
                if !held.is_empty() {
                    self.outlet.pass(held.freeze()).await;
                }
            }
            Some(content @ (Content::TransportStream { .. } | Content::Fmp4 | Content::PackedAudio(_))) => {
                let init = fitting(init, content);
                self.decode(fetch, init, held.freeze(), limits).await?;
            }
            _ => {
                return Err(Error::Segments(match front.picture() {
                    Some(format) => format!("they are {} pictures", format.name()),
                    None => format!("one is {}", words::describe(&held)),
                }));
            }
        }
        outcome
    }

    /// Logs once that something hides the segments.
    fn tell_disguise(&mut self, content: Option<Content>, front: &Front) {
        if content.is_some() && front.hidden() > 0 && !mem::replace(&mut self.has_told, true) {
            info!(
                bytes = front.hidden(),
                "segments are disguised: what is in front of the media is taken off"
            );
        }
    }

    /// Remuxes a whole segment; once more, if it does not fit its initialisation section and there
    /// is another at the same address by now.
    async fn decode(
        &mut self,
        fetch: &Fetch,
        init: Option<Bytes>,
        bytes: Bytes,
        limits: Limits,
    ) -> Result<(), Error> {
        let outcome = self.remuxing.push(fetch, init.clone(), bytes.clone(), &mut self.outlet).await;
        let (Err(Error::Segments(_)), Some(at), Some(old), false) =
            (&outcome, &fetch.init, init, fetch.has_seam)
        else {
            return outcome;
        };
        match self.files.init(at, limits, true).await {
            Ok(new) if new != old => self.remuxing.push(fetch, Some(new), bytes, &mut self.outlet).await,
            _ => outcome,
        }
    }
}

/// An initialisation section, if it is of the same kind as the segment: where kinds are mixed,
/// lists cannot say that a section no longer applies (RFC 8216, 4.3.2.5).
fn fitting(init: Option<Bytes>, content: Content) -> Option<Bytes> {
    let is_stream = matches!(content, Content::TransportStream { .. });
    init.filter(|init| (init.first() == Some(&SYNC_BYTE)) == is_stream)
}

/// Puts the initialisation section of a transport stream, its tables, in front of its packets.
fn put_in_front(held: &mut BytesMut, content: Option<Content>, init: Option<&Bytes>) {
    let Some(content @ Content::TransportStream { .. }) = content else { return };
    if let Some(init) = fitting(init.cloned(), content) {
        let behind = mem::take(held);
        held.extend_from_slice(&init);
        held.unsplit(behind);
    }
}
