//! The task of an HLS upstream: does what the follower says.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use forebay_core::playlist::follow::{Action, Answer, Follower, Outcome};
use forebay_core::playlist::model::{Playlist, Variables};
use forebay_core::playlist::parse::{self, parse};
use forebay_core::time::Moment;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{StatusCode, header};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{debug, info};
use url::Url;

use super::segment::Worker;
use super::session::{Session, read_playlist};
use super::{Item, Monitor, explain};
use crate::upstream::Error;
use crate::upstream::http::Response;
use crate::upstream::offload::offload;

/// Carries out what a follower decides.
pub(super) struct Run {
    follower: Follower,
    session: Session,
    monitor: Arc<Monitor>,
    out: mpsc::Sender<Item>,
    /// To be told when there is a list of segments.
    ready: Option<oneshot::Sender<()>>,
    /// The zero of the follower's clock.
    started: Instant,
    playlist: Option<BoxFuture<'static, Fetched>>,
    /// Idle, or fetching.
    worker: Option<Worker>,
    segment: Option<BoxFuture<'static, (Worker, Outcome)>>,
    /// Why the last playlist did not come.
    trouble: Option<Error>,
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
        monitor: Arc<Monitor>,
        out: mpsc::Sender<Item>,
        ready: oneshot::Sender<()>,
    ) -> Self {
        let worker = Worker::new(session.clone(), out.clone(), Arc::clone(&monitor));
        Self {
            follower,
            session,
            monitor,
            out,
            ready: Some(ready),
            started: Instant::now(),
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
            let waiting = self.monitor.waiting();
            self.follower.set_hungry(self.now(), waiting <= self.follower.ahead());
            if let Some(error) = self.carry_out() {
                // Without a reader there is nobody to tell.
                let _ = self.out.send(Item::Failed(error)).await;
                return;
            }
            self.session.tidy();
            self.monitor.note(&self.follower);
            if self.follower.has_begun()
                && let Some(ready) = self.ready.take()
            {
                let _ = ready.send(());
            }
            self.wait().await;
        }
    }

    fn now(&self) -> Moment {
        Moment::new(self.started.elapsed())
    }

    /// Begins what is to be done; the reason, when that is to give up.
    fn carry_out(&mut self) -> Option<Error> {
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
                Action::End => return Some(Error::Ended),
                Action::Fail(failure) => {
                    let of_segments = self.worker.as_mut().and_then(|worker| worker.trouble.take());
                    let trouble = of_segments.or_else(|| self.trouble.take());
                    return Some(explain(failure, trouble, self.follower.has_begun()));
                }
            }
        }
    }

    /// Waits for the next thing to happen, and tells the follower.
    async fn wait(&mut self) {
        let timer = self.follower.poll_timeout().map(|at| self.started + at.elapsed());
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
                self.follower.handle_segment(self.now(), outcome);
            }
            () = self.monitor.taken.notified() => {}
            () = sleep => self.follower.handle_timeout(self.now()),
        }
    }

    fn handle_playlist(&mut self, fetched: Fetched) {
        let now = self.now();
        let before = self.follower.rung().cloned();
        match fetched {
            Fetched::Playlist { url, playlist, etag } => {
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
        if let Some(rung) = self.follower.rung().filter(|&rung| Some(rung) != before.as_ref()) {
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
