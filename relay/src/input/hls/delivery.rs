//! Passes segments on, one after the other: transport streams as they come, anything else when it
//! is complete.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::BytesMut;
use forebay_core::playlist::follow::{Fetch, Outcome, Pair, Rendition};
use forebay_core::remux::Extent;
use forebay_core::time::MediaTime;
use forebay_core::ts::packet::PACKET_SIZE;

use super::front::Front;
use super::outlet::Outlet;
use super::remuxing::Remuxing;
use super::segment::{Whole, Worker, check_size, fitting, media, put_in_front};
use super::{Item, Monitor, PIECE};
use crate::input::{Error, Piece};

/// A segment that is to be passed on.
pub(super) struct Job {
    pub(super) fetch: Fetch,
    /// Who fetches it, or has.
    pub(super) worker: Worker,
    /// What has come; nothing yet of what is passed on as it comes.
    pub(super) whole: Option<Result<Whole, Error>>,
}

/// The one way from the segments of both renditions to the queue.
pub(super) struct Delivery {
    outlet: Outlet,
    monitor: Arc<Monitor>,
    /// For what is no transport stream, or comes in two renditions.
    remuxing: Remuxing,
    /// Hashes of the segments of each rendition that were passed on last, the newest last: some
    /// servers give the same one by ever new names, and a new session has the same ones by others.
    recent: [VecDeque<u64>; 2],
}

/// Segments that are remembered by their hash: those of a minute or two.
const MAX_RECENT: usize = 32;

/// Stands for a segment that broke off or never came, and equals no other.
const BROKEN_OFF: u64 = 0;

impl Delivery {
    pub(super) fn new(outlet: Outlet, monitor: Arc<Monitor>) -> Self {
        Self { outlet, monitor, remuxing: Remuxing::default(), recent: [VecDeque::new(), VecDeque::new()] }
    }

    /// What has come of the picture and of the separate sound on the timeline that they share.
    pub(super) fn extents(&self) -> [Option<Extent>; 2] {
        self.remuxing.extents()
    }

    /// Up to where both were passed on.
    pub(super) fn passed(&self) -> Option<MediaTime> {
        self.remuxing.passed()
    }

    /// From now on picture and separate sound go together like this.
    pub(super) async fn pair(&mut self, pair: Pair) {
        self.remuxing.pair(pair, &mut self.outlet).await;
    }

    /// Passes a segment on.
    pub(super) async fn deliver(&mut self, job: &mut Job) -> Outcome {
        let Job { fetch, worker, whole } = job;
        if fetch.only_compares {
            return self.compare(fetch, worker, whole.take());
        }
        let is_main = fetch.rendition == Rendition::Main;
        // Sound of its own begins anew with the picture.
        self.outlet.begin(fetch.is_discontinuous && is_main);
        let hash = match whole.take() {
            Some(Ok(whole)) => self.remux(fetch, worker, whole).await,
            Some(Err(error)) => Err(error),
            None => self.stream(fetch, worker).await,
        };
        let outcome = match hash {
            Ok(hash) => {
                worker.succeed();
                let is_same = self.note(fetch.rendition, hash);
                // A slate in a break repeats on purpose, with
                // a discontinuity in front of each copy.
                let repeats = is_main && is_same && !fetch.begins_part;
                if repeats { Outcome::Repeated } else { Outcome::Done }
            }
            Err(error) => self.fail(fetch, worker, &error),
        };
        if outcome == Outcome::Truncated {
            self.note(fetch.rendition, BROKEN_OFF);
        }
        let has_come = matches!(outcome, Outcome::Done | Outcome::Repeated | Outcome::Truncated);
        if has_come && is_main {
            if outcome != Outcome::Truncated {
                // A broken one is not complete: the next one does not simply go on in time behind
                // it.
                self.outlet.send(Item::Piece(Piece::SegmentEnd)).await;
            }
            // Before its end goes into the queue: the driver takes it off again there.
            self.monitor.fetched(fetch.duration);
            self.remuxing.end(fetch.duration, &mut self.outlet).await;
        }
        outcome
    }

    /// A segment of the picture was given up: it has its place among those that were passed on.
    pub(super) fn lose(&mut self) {
        self.note(Rendition::Main, BROKEN_OFF);
    }

    /// Remembers a segment that was passed on; whether it is the same as the one before.
    fn note(&mut self, rendition: Rendition, hash: u64) -> bool {
        let recent = &mut self.recent[rendition as usize];
        if hash != BROKEN_OFF && recent.back() == Some(&hash) {
            return true;
        }
        // The oldest goes first; repetitions come close behind.
        if recent.len() == MAX_RECENT {
            recent.pop_front();
        }
        recent.push_back(hash);
        false
    }

    /// Looks whether a segment was passed on before.
    fn compare(&self, fetch: &Fetch, worker: &mut Worker, whole: Option<Result<Whole, Error>>) -> Outcome {
        match whole.expect("what is compared is collected first") {
            Ok(Whole { hash, .. }) => {
                worker.succeed();
                let recent = self.recent[fetch.rendition as usize].iter().rev();
                recent
                    .zip(0..)
                    .find(|(known, _)| **known == hash)
                    .map_or(Outcome::Unknown, |(_, since)| Outcome::Known(since))
            }
            Err(error) => {
                worker.fail(fetch, error.clone());
                match error {
                    Error::Status { status } => Outcome::Refused(status),
                    _ => Outcome::Failed,
                }
            }
        }
    }

    /// What becomes of a segment that has not come, or has broken off.
    fn fail(&self, fetch: &Fetch, worker: &mut Worker, error: &Error) -> Outcome {
        let stands_still = worker.fail(fetch, error.clone());
        match error {
            _ if stands_still => Outcome::Stalled,
            Error::Format(_) => Outcome::Unusable,
            // What was decrypted is encrypted in itself, or its key is none.
            Error::Encrypted(_) if !self.outlet.is_begun() => Outcome::Failed,
            _ if self.outlet.is_begun() => Outcome::Truncated,
            Error::Status { status } => Outcome::Refused(*status),
            _ => Outcome::Failed,
        }
    }

    /// Passes a segment on while it comes, if it is a transport stream; a hash of it, when all of
    /// it has come.
    async fn stream(&mut self, fetch: &Fetch, worker: &mut Worker) -> Result<u64, Error> {
        let mut download = worker.open(fetch).await?;
        let mut held = BytesMut::new();
        let (mut front, mut content) = (Front::new(), None);
        let outcome = loop {
            match worker.next(fetch, &mut download).await {
                Ok(Some(bytes)) => held.extend_from_slice(&bytes),
                Ok(None) => break Ok(download.hash()),
                Err(error) => break Err(error),
            }
            if content.is_none() {
                content = worker.look(&mut front, &mut held, false);
                if let Some(content) = content {
                    put_in_front(&mut held, content, download.init.as_ref());
                }
            }
            // A transport stream goes on at once; of anything else the remuxer needs the whole.
            let streams = content.is_some_and(|content| !content.needs_remux(false));
            while streams && held.len() >= PIECE {
                let piece = held.split_to(PIECE).freeze();
                self.outlet.pass(piece).await;
            }
            // Only what must be held counts; a transport stream may be of any length.
            check_size(&held)?;
        };
        // Nothing of it went out, so it can be asked for again as if nothing had happened.
        if !self.outlet.is_begun() {
            outcome.clone()?;
        }
        // The body was shorter than a look needs; what there is has to do.
        let is_new = content.is_none();
        if is_new {
            content = worker.look(&mut front, &mut held, true);
        }
        let content = media(content, &front, &held)?;
        if is_new {
            put_in_front(&mut held, content, download.init.as_ref());
        }
        if content.needs_remux(false) {
            let init = fitting(download.init.take(), content);
            let whole = Whole { init, bytes: held.freeze(), hash: download.hash() };
            return self.remux(fetch, worker, whole).await;
        }
        // What broke off in a packet ends in front of it.
        held.truncate(held.len() / PACKET_SIZE * PACKET_SIZE);
        if !held.is_empty() {
            self.outlet.pass(held.freeze()).await;
        }
        outcome
    }

    /// Remuxes a whole segment; once more, if it does not fit its initialisation section and there
    /// is another at the same address by now.
    async fn remux(&mut self, fetch: &Fetch, worker: &mut Worker, whole: Whole) -> Result<u64, Error> {
        let Whole { init, bytes, hash } = whole;
        let outcome = self.remuxing.push(fetch, init.clone(), bytes.clone(), &mut self.outlet).await;
        let (Err(Error::Segments(_)), Some(at), Some(old), false) =
            // At a discontinuity the section was asked for anew with the segment already.
            (&outcome, &fetch.init, init, fetch.is_discontinuous)
        else {
            return outcome.map(|()| hash);
        };
        match worker.files.init(at, worker.limits(fetch), true).await {
            Ok(new) if new != old => {
                let outcome = self.remuxing.push(fetch, Some(new), bytes, &mut self.outlet).await;
                outcome.map(|()| hash)
            }
            _ => outcome.map(|()| hash),
        }
    }
}
