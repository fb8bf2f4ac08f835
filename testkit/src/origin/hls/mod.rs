//! Live HLS from an origin (RFC 8216 and what is seen in the wild), made from a clip and misbehaving on request.
//!
//! ```no_run
//! # use std::time::Duration;
//! # use forebay_testkit::{clip::{Clip, Kind}, origin::{Fault, Hls, Origin}};
//! # async fn example(origin: &Origin) {
//! let hls = Hls::live(Clip::get(Kind::ShortGop)).segment(Duration::from_millis(800)).fault(7..8, Fault::Gap);
//! let broadcast = hls.mount(origin, "/live"); // http://127.0.0.1:…/live/index.m3u8
//! broadcast.change(|hls| hls.frozen(true));
//! assert_eq!(broadcast.stats().segment(7), 0);
//! # }
//! ```
//!
//! - [`Hls`] says what is broadcast and what is wrong with it, in the manner of [`Behaviour`]; [`Broadcast`] is the
//!   same on air, where it can be changed.
//! - [`Broadcast::restart_encoder`], [`Broadcast::splice`] and [`Broadcast::skip`] are events of a moment.
//! - [`Multivariant`] puts several broadcasts behind one multivariant playlist.
//! - [`Stats`] counts what was fetched, and [`Broadcast::wait`] waits for it.
//!
//! [`Broadcast::issue_session`] gives addresses that end, at which the same media may have other
//! numbers and names.
//!
//! Below its folder a broadcast has `index.m3u8`, `seg<n>.ts` (or `.m4s`, `.aac`, `.mp3`, `.png`), and where they are
//! needed `all.ts` (for byte ranges), `part<n>.<m>.ts`, `init<n>.mp4`, `key<n>.bin` and `node/` (the target of
//! redirects). Segments are cut when they are due, and are kept.

mod answer;
mod breaks;
mod fault;
mod fmp4;
mod media;
mod multivariant;
mod playlist;
mod session;
mod settings;
mod state;
mod stats;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use super::{Behaviour, Origin, lock};
use crate::clip::Clip;
pub use breaks::Breaks;
pub use fault::Fault;
pub use multivariant::{Multicast, Multivariant, Variant};
pub use session::Numbering;
pub use settings::{Container, Encryption, Gzip, Hls, Iv, KeyForm, Redirect, SegmentTokens, Text, Uris};
use state::State;
pub use stats::Stats;

/// A broadcast on air. It stays on air for as long as its origin, whether or not this is kept.
#[derive(Debug, Clone)]
pub struct Broadcast {
    state: Arc<Mutex<State>>,
    stats: watch::Sender<Stats>,
    url: String,
}

impl Hls {
    /// Puts it on air now below this folder, as `/live`.
    pub fn mount(self, origin: &Origin, folder: &str) -> Broadcast {
        let state = Arc::new(Mutex::new(State::new(self)));
        let broadcast = Broadcast { state, stats: watch::Sender::default(), url: String::new() };
        Broadcast { url: broadcast.mirror(origin, folder), ..broadcast }
    }
}

impl Broadcast {
    /// The URL of the entry playlist.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Serves the same broadcast below another folder or from another origin too, as behind a load balancer; returns
    /// the URL of its entry playlist.
    pub fn mirror(&self, origin: &Origin, folder: &str) -> String {
        let Self { state, stats: counts, .. } = self.clone();
        let base = origin.url(folder);
        let place = answer::Place { folder: folder.to_owned(), base: base.clone() };
        let number = Arc::as_ptr(&state).addr();
        let choose = move |request: &super::Request| {
            let mut state = lock(&state);
            let admitted = state.hls.account.as_ref().map_or(Ok(()), |account| account.visit(number));
            if let Err(beyond) = admitted {
                return *beyond;
            }
            let (answer, counted) = answer::answer(&mut state, &place, request);
            drop(state);
            counts.send_modify(|stats| stats.count(counted));
            answer
        };
        origin.serve(&format!("{folder}/*"), Behaviour::chooser(choose));
        format!("{base}/index.m3u8")
    }

    /// Changes it from now on.
    pub fn change(&self, change: impl FnOnce(Hls) -> Hls) {
        lock(&self.state).change(change);
    }

    /// The encoder is restarted: from the next segment on the media sequence counts from 0, nothing older is listed,
    /// and the time stamps begin anew, without a tag that says so.
    pub fn restart_encoder(&self) {
        lock(&self.state).restart_encoder();
    }

    /// From the next segment on another clip comes, behind an EXT-X-DISCONTINUITY.
    pub fn splice(&self, clip: Arc<Clip>) {
        lock(&self.state).splice(clip);
    }

    /// So many segments pass at once: the window runs away from who watches it.
    pub fn skip(&self, segments: usize) {
        lock(&self.state).skip(segments);
    }

    /// The number of segments that have been listed so far, which is the number of the next.
    pub fn segments(&self) -> u64 {
        lock(&self.state).edge() as u64
    }

    /// A new address of the broadcast, as platforms give one to each who asks: it says when it ends
    /// (`expire`), and is refused from then on, with all that it lists.
    pub fn issue_session(&self, numbering: Numbering, lifetime: Duration) -> String {
        let path = lock(&self.state).issue_session(numbering, lifetime);
        self.url.replace("index.m3u8", &path)
    }

    /// The bytes of a segment that has been listed, before encryption, disguise or damage.
    pub fn segment_bytes(&self, segment: u64) -> Vec<u8> {
        lock(&self.state).clear_bytes(segment)
    }

    /// What was fetched so far.
    pub fn stats(&self) -> Stats {
        self.stats.borrow().clone()
    }

    /// Waits until the counts are as wanted.
    ///
    /// # Panics
    /// After `limit`, with what was wanted and the counts.
    pub async fn wait(&self, limit: Duration, wanted: &str, met: impl Fn(&Stats) -> bool) {
        let mut stats = self.stats.subscribe();
        let in_time = timeout(limit, stats.wait_for(met)).await.is_ok();
        assert!(in_time, "{}: waited {limit:?} for {wanted}; so far: {:#?}", self.url, self.stats());
    }
}

#[cfg(test)]
mod tests;
