//! The task of an HLS upstream: does what the follower says.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use forebay_core::playlist::follow::{Action, Answer, Failure, Follower, Outcome};
use forebay_core::playlist::ladder::Rung;
use forebay_core::playlist::model::{Playlist, Variables};
use forebay_core::playlist::parse::{self, parse};
use forebay_core::time::Moment;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{StatusCode, header};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep_until, timeout};
use tracing::{debug, info, warn};
use url::Url;

use super::segment::Worker;
use super::session::{Session, read_playlist};
use super::{Item, Memory, Monitor, explain};
use crate::input::agent::Response;
use crate::input::offload::offload;
use crate::input::{Error, Piece};
use crate::model::SourceUrl;

/// Carries out what a follower decides.
pub(super) struct Run {
    follower: Follower,
    session: Session,
    memory: Memory,
    monitor: Arc<Monitor>,
    out: mpsc::Sender<Item>,
    /// To be told when the entry is a playlist that can be followed.
    ready: Option<oneshot::Sender<()>>,
    /// The playlist that was asked for last, but for the entry.
    asked: Option<Url>,
    playlist: Option<BoxFuture<'static, Fetched>>,
    /// Idle, or fetching.
    worker: Option<Worker>,
    segment: Option<BoxFuture<'static, (Worker, Outcome)>>,
    /// Why the last playlist did not come.
    trouble: Option<Error>,
}

/// What is followed, as far as changes of it are told.
struct Known {
    rung: Option<Rung>,
    variants_left: u64,
    sounds_lost: u64,
    lacks_sound: bool,
}

/// What a request for a playlist came to.
enum Fetched {
    Playlist { url: Url, playlist: Result<Playlist, parse::Error>, etag: Option<String> },
    NotModified,
    Refused(u16),
    Failed(Error),
}

impl Run {
    pub(super) fn new(
        follower: Follower,
        session: Session,
        memory: Memory,
        monitor: Arc<Monitor>,
        out: mpsc::Sender<Item>,
        ready: oneshot::Sender<()>,
    ) -> Self {
        let worker = Worker::new(session.clone(), out.clone(), Arc::clone(&monitor));
        Self {
            follower,
            session,
            memory,
            monitor,
            out,
            ready: Some(ready),
            asked: None,
            playlist: None,
            worker: Some(worker),
            segment: None,
            trouble: None,
        }
    }

    /// Runs until there is no more, beginning with the entry's own body.
    pub(super) async fn run(mut self, url: Url, body: Bytes) {
        let (url, playlist) = read(url, body, Variables::default()).await;
        let now = self.now();
        self.follower.handle_playlist(now, Answer::Playlist { url, playlist, etag: None });
        loop {
            if self.monitor.take_wish() {
                let before = self.known();
                self.follower.step_down(self.now());
                self.tell(&before, "it comes slower than it plays");
            }
            let waiting = self.monitor.waiting();
            self.follower.set_hungry(self.now(), waiting <= self.follower.ahead());
            self.follower.set_dry(self.now(), self.out.capacity() == self.out.max_capacity());
            if self.follower.holds_start() {
                // The first segments are here, and not known to fit together. A full queue is a
                // sign of life, too.
                let _ = self.out.try_send(Item::Piece(Piece::Life));
            }
            if let Some(error) = self.carry_out().await {
                // Without a reader there is nobody to tell.
                let _ = self.out.send(Item::Failed(error)).await;
                return;
            }
            self.session.tidy();
            self.memory.note(&self.follower);
            self.note_trouble();
            self.monitor.note(&self.follower, self.now());
            if self.follower.has_entered()
                && let Some(ready) = self.ready.take()
            {
                let _ = ready.send(());
            }
            self.wait().await;
        }
    }

    fn now(&self) -> Moment {
        self.memory.now()
    }

    /// Has the monitor know what goes wrong with the segments, in case that the time for the first
    /// of them runs out.
    fn note_trouble(&self) {
        if let Some(worker) = &self.worker {
            let trouble = worker.trouble.clone().map(|error| explain(Failure::Stalled, Some(error), true));
            self.monitor.note_trouble(trouble);
        }
    }

    /// Begins what is to be done; the reason, when that is to give up.
    async fn carry_out(&mut self) -> Option<Error> {
        let of_segments = self.worker.as_ref().and_then(|worker| worker.trouble.as_ref());
        for trouble in [of_segments, self.trouble.as_ref()].into_iter().flatten() {
            // What the provider shows now is not the channel; patience is for what may get better.
            if matches!(trouble, Error::Slate | Error::Private) {
                return Some(trouble.clone());
            }
        }
        loop {
            let now = self.now();
            match self.follower.poll_action(now)? {
                Action::FetchPlaylist { url, etag, inherited, timeout } => {
                    self.asked = (url != *self.follower.entry()).then(|| url.clone());
                    let fetch = fetch_playlist(self.session.clone(), url, etag, inherited, timeout);
                    self.playlist = Some(fetch.boxed());
                }
                Action::FetchSegment(fetch) => {
                    // The follower asks for one at a time.
                    let mut worker = self.worker.take()?;
                    self.segment = Some(
                        async move {
                            let outcome = worker.fetch(*fetch).await;
                            (worker, outcome)
                        }
                        .boxed(),
                    );
                }
                // Short, and only while no segment is fetched; the queue has room for what is held.
                Action::PassOn { pairing, least } => self.worker.as_mut()?.pass_on(pairing, least).await,
                Action::End => return Some(Error::Ended),
                Action::Fail(failure) => {
                    let of_segments = self.worker.as_mut().and_then(|worker| worker.trouble.take());
                    let trouble = of_segments.or_else(|| self.trouble.take());
                    let has_begun = self.follower.has_begun();
                    let error = explain(failure, trouble, has_begun);
                    return Some(match self.asked.take() {
                        // Of several addresses it is to be said which one it was.
                        Some(url) if !has_begun => error.at(&url),
                        _ => error,
                    });
                }
            }
        }
    }

    /// Waits for the next thing to happen, and tells the follower.
    async fn wait(&mut self) {
        let timer = self.follower.poll_timeout().map(|at| self.memory.instant(at));
        let sleep = async {
            match timer {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let playlist = async {
            match &mut self.playlist {
                Some(playlist) => playlist.await,
                None => std::future::pending().await,
            }
        };
        let segment = async {
            match &mut self.segment {
                Some(segment) => segment.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            fetched = playlist => {
                self.playlist = None;
                self.handle_playlist(fetched);
            }
            (worker, outcome) = segment => {
                (self.segment, self.worker) = (None, Some(worker));
                debug!(?outcome, "segment");
                self.handle_segment(outcome);
            }
            () = self.monitor.taken.notified() => {}
            () = sleep => self.follower.handle_timeout(self.now()),
        }
    }

    fn handle_playlist(&mut self, fetched: Fetched) {
        let now = self.now();
        let before = self.known();
        let reason = match &fetched {
            Fetched::Playlist { .. } | Fetched::NotModified => {
                "it is no playlist that can be played".to_owned()
            }
            Fetched::Refused(status) => Error::Status { status: *status }.to_string(),
            Fetched::Failed(error) => error.to_string(),
        };
        match fetched {
            Fetched::Playlist { url, playlist, etag } => {
                if self.follower.counts().segments == 0 {
                    // A full queue is a sign of life, too.
                    let _ = self.out.try_send(Item::Piece(Piece::Life));
                }
                self.follower.handle_playlist(now, Answer::Playlist { url, playlist, etag });
            }
            Fetched::NotModified => self.follower.handle_playlist(now, Answer::NotModified),
            Fetched::Refused(status) => {
                debug!(status, "playlist refused");
                self.follower.handle_playlist(now, Answer::Refused(status));
            }
            Fetched::Failed(error) => {
                debug!(%error, "playlist failed");
                self.trouble = Some(error);
                self.follower.handle_playlist(now, Answer::Failed);
            }
        }
        let reason = match self.asked.clone() {
            Some(url) => format!("{reason} ({})", url.origin().ascii_serialization()),
            None => reason,
        };
        self.tell(&before, &reason);
    }

    fn handle_segment(&mut self, outcome: Outcome) {
        let before = self.known();
        if let Some(worker) = &self.worker {
            self.follower.handle_transfer(worker.transfer);
            self.follower.handle_extents(worker.extents());
        }
        self.follower.handle_segment(self.now(), outcome);
        let trouble = self.worker.as_ref().and_then(|worker| worker.trouble.as_ref());
        let reason = match trouble {
            Some(error) => explain(Failure::Stalled, Some(error.clone()), true).to_string(),
            None => "its segments come slower than they play".to_owned(),
        };
        self.tell(&before, &reason);
    }

    /// What is followed now.
    fn known(&self) -> Known {
        let counts = self.follower.counts();
        Known {
            rung: self.follower.rung().cloned(),
            variants_left: counts.variants_left,
            sounds_lost: counts.sounds_lost,
            lacks_sound: self.follower.lacks_sound(),
        }
    }

    /// Logs that something else is followed than `before`, and if what was followed was left for a
    /// `reason`, what it was.
    fn tell(&self, before: &Known, reason: &str) {
        let now = self.known();
        if now.sounds_lost > before.sounds_lost {
            self.monitor.note_sound_trouble(Some(reason.to_owned()));
            if !before.lacks_sound {
                warn!(reason, "separate sound is away");
            }
        } else if before.lacks_sound && !now.lacks_sound {
            info!("separate sound is back");
        }
        if !now.lacks_sound {
            self.monitor.note_sound_trouble(None);
        }
        if let (Some(left), true) = (&before.rung, now.variants_left > before.variants_left) {
            let url = SourceUrl::led_to(left.variant.url.clone());
            warn!(%url, bandwidth = left.variant.bandwidth, reason, "variant left");
        }
        if let Some(rung) = now.rung.filter(|rung| Some(rung) != before.rung.as_ref()) {
            let (bandwidth, resolution) = (rung.variant.bandwidth, rung.variant.resolution);
            info!(bandwidth, ?resolution, "variant chosen");
        }
    }
}

/// Reads the body of a playlist from `url`.
async fn read(url: Url, body: Bytes, inherited: Variables) -> (Url, Result<Playlist, parse::Error>) {
    offload(body.len(), move || {
        let playlist = parse(&body, &url, &inherited);
        (url, playlist)
    })
    .await
}

async fn fetch_playlist(
    session: Session,
    url: Url,
    etag: Option<String>,
    inherited: Variables,
    limit: Duration,
) -> Fetched {
    let fetch = async {
        let Response { url, status, headers, body } = session.playlist(&url, etag.as_deref()).await?;
        if status == StatusCode::NOT_MODIFIED {
            return Ok(Fetched::NotModified);
        }
        if !status.is_success() {
            return Ok(Fetched::Refused(status.as_u16()));
        }
        let etag = headers.get(header::ETAG).and_then(|etag| etag.to_str().ok()).map(str::to_owned);
        let (url, playlist) = read(url, read_playlist(body, &headers).await?, inherited).await;
        Ok(Fetched::Playlist { url, playlist, etag })
    };
    match timeout(limit, fetch).await {
        Ok(Ok(fetched)) => fetched,
        Ok(Err(error)) => Fetched::Failed(error),
        Err(_) => Fetched::Failed(Error::Broken("the playlist did not come in time".to_owned())),
    }
}
