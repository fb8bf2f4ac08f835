//! The task of an HLS upstream: does what the follower says.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use forebay_core::playlist::follow::{Action, Answer, Failure, Follower, Rendition};
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

use super::delivery::Delivery;
use super::files::Files;
use super::lanes::{Landed, Lanes};
use super::life::Life;
use super::outlet::Outlet;
use super::renewal::{NextAddress, Renewal};
use super::segment::Worker;
use super::session::{Session, read_playlist};
use super::{Item, Memory, Monitor, explain};
use crate::input::agent::Response;
use crate::input::offload::offload;
use crate::input::page::Address;
use crate::input::{Error, Piece};
use crate::model::SourceUrl;

/// How long to wait for another address of a page when the one on hand fails: the store lasts no
/// longer.
const RESOLVE: Duration = Duration::from_secs(10);

/// Carries out what a follower decides.
pub(super) struct Run {
    follower: Follower,
    session: Session,
    memory: Memory,
    monitor: Arc<Monitor>,
    /// Where the source is a page.
    renewal: Option<Renewal>,
    out: mpsc::Sender<Item>,
    /// To be told when the entry is a playlist that can be followed.
    ready: Option<oneshot::Sender<()>>,
    /// The playlist of each rendition that was asked for last, but for the entry.
    asked: [Option<Url>; 2],
    playlists: [Option<BoxFuture<'static, Answered>>; 2],
    lanes: Lanes,
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

/// What a request for a playlist came to, and the address of the page that was asked for before, if
/// there was one.
type Answered = (Fetched, Option<Address>);

impl Run {
    pub(super) fn new(
        follower: Follower,
        session: Session,
        memory: Memory,
        monitor: Arc<Monitor>,
        renewal: Option<Renewal>,
        (out, ready): (mpsc::Sender<Item>, oneshot::Sender<()>),
    ) -> Self {
        let life = Life::new(out.clone());
        let files = Files::new(session.clone(), memory.inits());
        let worker = || Worker::new(files.clone(), life.clone(), Arc::clone(&monitor));
        let outlet = Outlet::new(out.clone(), life.clone());
        let lanes = Lanes::new([worker(), worker()], Delivery::new(outlet, Arc::clone(&monitor)));
        Self {
            follower,
            session,
            memory,
            monitor,
            renewal,
            out,
            ready: Some(ready),
            asked: [None, None],
            playlists: [None, None],
            lanes,
            trouble: None,
        }
    }

    /// Runs until there is no more, beginning with the entry's own body.
    pub(super) async fn run(mut self, url: Url, body: Bytes) {
        let (url, playlist) = read(url, body, Variables::default()).await;
        let now = self.now();
        let answer = Answer::Playlist { url, playlist, etag: None };
        self.follower.handle_playlist(now, Rendition::Main, answer);
        loop {
            // Before anything new is fetched: the next
            // segment is to be the lesser variant's already.
            if self.monitor.take_wish() {
                let before = self.known();
                self.follower.step_down(self.now());
                self.tell(&before, "it comes slower than it plays");
            }
            let waiting = self.monitor.waiting();
            self.follower.set_hungry(self.now(), waiting <= self.follower.ahead());
            // An empty queue: what the driver has taken plays, and nothing is left to tide over.
            self.follower.set_dry(self.now(), self.out.capacity() == self.out.max_capacity());
            if self.follower.holds_start() {
                // The first segments are here, and not known to fit together. A full queue is a
                // sign of life, too.
                let _ = self.out.try_send(Item::Piece(Piece::Activity));
            }
            let end = self.carry_out();
            // In each turn, since the driver may drop this task at any await; and before the end,
            // which the last segment of a list brings with it.
            self.memory.note(&self.follower);
            self.note_trouble();
            if let Some(error) = end {
                // Without a reader there is nobody to tell.
                let _ = self.out.send(Item::Failed(error)).await;
                return;
            }
            // In each turn: a connection that the server has closed holds a socket until somebody
            // looks.
            self.session.tidy();
            self.monitor.note(&self.follower, self.now());
            if self.follower.has_entered()
                && let Some(ready) = self.ready.take()
            {
                // The opening may have been abandoned; then the task is dropped as well.
                let _ = ready.send(());
            }
            self.wait().await;
        }
    }

    fn now(&self) -> Moment {
        self.memory.now()
    }

    /// Has the monitor know what goes wrong with the segments, in case that the time for the first
    /// of them runs out, or that the list ends without one.
    fn note_trouble(&self) {
        let trouble = self.lanes.any_trouble().cloned();
        self.monitor.note_trouble(trouble.map(|error| explain(Failure::Stalled, Some(error), true)));
    }

    /// Begins what is to be done; the reason, when that is to give up.
    fn carry_out(&mut self) -> Option<Error> {
        for trouble in [self.lanes.any_trouble(), self.trouble.as_ref()].into_iter().flatten() {
            // What the provider shows now is not the channel; patience is for what may get better.
            if matches!(trouble, Error::Slate | Error::Private) {
                return Some(trouble.clone());
            }
        }
        loop {
            let now = self.now();
            match self.follower.poll_action(now)? {
                Action::FetchPlaylist { of, url, is_entry, etag, inherited, timeout } => {
                    // The entry is the address that the operator
                    // knows; only others are named in messages.
                    self.asked[of as usize] = (url != *self.follower.entry()).then(|| url.clone());
                    let fetch = fetch_playlist(self.session.clone(), url, etag, inherited, timeout);
                    // Only the entry is an address of the page;
                    // variants come from the playlist there.
                    let renewal = self.renewal.as_mut().filter(|_| is_entry);
                    self.playlists[of as usize] = Some(match renewal.and_then(Renewal::enter) {
                        Some(address) => fetch_renewed(self.session.clone(), address, timeout, fetch).boxed(),
                        None => fetch.map(|fetched| (fetched, None)).boxed(),
                    });
                }
                Action::FetchSegment(fetch) => self.lanes.fetch(*fetch),
                Action::Pair(pair) => self.lanes.pair(pair),
                Action::End => return Some(Error::Ended),
                Action::Fail(failure) => {
                    // The picture's first: without sound a channel goes on.
                    let of_picture = self.lanes.trouble(Rendition::Main);
                    let trouble = of_picture.or(self.trouble.as_ref());
                    let trouble = trouble.or_else(|| self.lanes.trouble(Rendition::Audio)).cloned();
                    let has_begun = self.follower.has_begun();
                    let error = explain(failure, trouble, has_begun);
                    return Some(match self.asked[Rendition::Main as usize].take() {
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
        let playlists = &mut self.playlists;
        let renewal = &mut self.renewal;
        let renewed = async {
            match renewal {
                Some(renewal) => renewal.next().await,
                None => std::future::pending().await,
            }
        };
        // In any order: each branch only polls state that stays here, so the others lose nothing.
        tokio::select! {
            (of, (fetched, address)) = next_playlist(playlists) => {
                self.take_address(address);
                self.handle_playlist(of, fetched);
            }
            landed = self.lanes.next(|of| self.follower.wants(of)) => self.handle_segment(landed),
            url = renewed => self.follower.renew(url),
            () = self.monitor.taken.notified() => {}
            () = sleep => self.follower.handle_timeout(self.now()),
        }
    }

    /// The entry was asked for at this address of the page.
    fn take_address(&mut self, address: Option<Address>) {
        if let (Some(address), Some(renewal)) = (address, &mut self.renewal) {
            self.follower.renew(renewal.take(address, true));
        }
    }

    fn handle_playlist(&mut self, of: Rendition, fetched: Fetched) {
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
                // Only until media comes; from then on that itself is the sign.
                if self.follower.counts().segments == 0 {
                    // A full queue is a sign of life, too.
                    let _ = self.out.try_send(Item::Piece(Piece::Activity));
                }
                self.follower.handle_playlist(now, of, Answer::Playlist { url, playlist, etag });
            }
            Fetched::NotModified => self.follower.handle_playlist(now, of, Answer::NotModified),
            Fetched::Refused(status) => {
                debug!(status, "playlist refused");
                self.follower.handle_playlist(now, of, Answer::Refused(status));
            }
            Fetched::Failed(error) => {
                debug!(%error, "playlist failed");
                self.trouble = Some(error);
                self.follower.handle_playlist(now, of, Answer::Failed);
            }
        }
        let reason = match &self.asked[of as usize] {
            Some(url) => format!("{reason} ({})", url.origin().ascii_serialization()),
            None => reason,
        };
        self.tell(&before, &reason);
    }

    fn handle_segment(&mut self, Landed { rendition, outcome, transfer }: Landed) {
        debug!(?rendition, ?outcome, "segment");
        let before = self.known();
        // The rate of the sound says nothing about whether a variant fits.
        if rendition == Rendition::Main {
            self.follower.handle_transfer(transfer);
        }
        // In front of the outcome, which lets the follower decide by what has come.
        self.follower.handle_extents(self.lanes.extents(), self.lanes.passed());
        let skipped = self.follower.counts().skipped;
        self.follower.handle_segment(self.now(), rendition, outcome);
        if rendition == Rendition::Main {
            // A segment given up still has its place in the order of those that were passed on.
            self.lanes.lose(self.follower.counts().skipped - skipped);
        }
        let reason = match self.lanes.trouble(rendition) {
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

/// Waits for the next of the playlists that were asked for.
async fn next_playlist(playlists: &mut [Option<BoxFuture<'static, Answered>>; 2]) -> (Rendition, Answered) {
    poll_fn(|context| {
        for rendition in [Rendition::Main, Rendition::Audio] {
            let playlist = &mut playlists[rendition as usize];
            if let Some(Poll::Ready(answered)) = playlist.as_mut().map(|fetch| fetch.poll_unpin(context)) {
                *playlist = None;
                return Poll::Ready((rendition, answered));
            }
        }
        Poll::Pending
    })
    .await
}

/// Reads the body of a playlist from `url`.
async fn read(url: Url, body: Bytes, inherited: Variables) -> (Url, Result<Playlist, parse::Error>) {
    offload(body.len(), move || {
        let playlist = parse(&body, &url, &inherited);
        (url, playlist)
    })
    .await
}

/// Asks for the entry at another address; where there is none in time, `at_the_old` one.
async fn fetch_renewed(
    session: Session,
    address: NextAddress,
    limit: Duration,
    at_the_old: impl Future<Output = Fetched>,
) -> Answered {
    match timeout(RESOLVE, address).await {
        Ok(Ok(address)) => {
            let fetched =
                fetch_playlist(session, address.url.clone(), None, Variables::default(), limit).await;
            (fetched, Some(address))
        }
        Ok(Err(reason)) => {
            debug!(%reason, "no other address for a page");
            (at_the_old.await, None)
        }
        Err(_) => (at_the_old.await, None),
    }
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
