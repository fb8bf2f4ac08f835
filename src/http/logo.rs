//! The channels' logos, fetched for those who watch: their browsers need not ask the servers that
//! have them, which would learn who watches, and are often not to be had over HTTPS.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use forebay_core::lineup::player_id::hash;
use forebay_relay::channel::ListedChannel;
use forebay_relay::input::picture::{MAX_PICTURE, Picture, Pictures};
use forebay_relay::model::Scope;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::timeout;
use tracing::debug;
use utoipa::ToSchema;

use super::State;
use super::error::ApiError;
use super::extract::{ById, Named};
use crate::db::listing::Entry as Listed;

/// Logos that are kept, and failures that are remembered: some screens of a list of channels.
const MAX_KEPT: usize = 512;

/// What the kept ones may have in bytes, all together: as much as 32 of the longest.
const MAX_BYTES: usize = 32 * MAX_PICTURE;

/// Logos that are fetched at the same time. A list asks for a screen of them at once.
const MAX_FETCHES: usize = 8;

/// How long one may take, waiting for its turn included.
const PATIENCE: Duration = Duration::from_secs(10);

/// After this it is fetched anew: logos change seldom.
const FRESH: Duration = Duration::from_hours(24);

/// After this one that did not come is tried again.
const TRIED: Duration = Duration::from_mins(1);

/// For as long as here.
const CACHING: HeaderValue = HeaderValue::from_static("public, max-age=86400");

/// A drawing (SVG) may hold scripts. As part of a page they are not run; opened by itself it may do
/// nothing either.
const POLICY: HeaderValue =
    HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; sandbox");

/// What was fetched, by address.
#[derive(Debug, Clone)]
pub(super) struct Logos(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    pictures: LazyLock<Pictures>,
    turns: Semaphore,
    kept: Mutex<Kept>,
}

/// Where a picture is, and what may lead there: one channel may have what is refused to another.
type Key = (Scope, String);

#[derive(Debug, Default)]
struct Kept {
    entries: HashMap<Key, Entry>,
    /// Logos that did not come, and that were let go to make room, since the start.
    failed: u64,
    evicted: u64,
}

#[derive(Debug, Clone)]
struct Entry {
    /// Empty while it is being fetched, by one for all who ask; nothing where it did not come.
    cell: Arc<OnceCell<Option<Picture>>>,
    asked_at: Instant,
    /// When it was asked for first, from which its age counts.
    since: Instant,
}

/// The channels' logos.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LogoCounts {
    bytes: usize,
    /// Logos that had to make room since the start.
    evicted_total: u64,
    /// Logos that did not come since the start.
    failed_total: u64,
    /// Logos that are kept, and failures that are remembered.
    kept: usize,
}

/// `GET /api/channels/{id}/logo`
pub(super) async fn logo(
    state: State,
    Named { found: ListedChannel { channel, .. }, .. }: Named<ById>,
) -> Result<Response, ApiError> {
    let url = channel.logo.as_deref().ok_or_else(ApiError::no_logo)?;
    let picture = state.documents.logos.get(url, channel.scope()).await.ok_or_else(ApiError::no_logo)?;
    Ok(answer(picture))
}

/// `GET /logo/{id}/{mark}`: the same for players, who keep a picture for as long as its address
/// stays.
pub(super) async fn marked(
    state: State,
    Path((_, asked)): Path<(String, String)>,
    Named { found: ListedChannel { channel, .. }, .. }: Named<ById>,
) -> Result<Response, ApiError> {
    let url = channel.logo.as_deref().ok_or_else(ApiError::no_logo)?;
    let mark = mark(url);
    if asked != mark {
        // A list of before: the channel has another logo now.
        let fields = [(header::LOCATION, mark), (header::CACHE_CONTROL, "no-cache".to_owned())];
        return Ok((StatusCode::FOUND, fields).into_response());
    }
    let picture = state.documents.logos.get(url, channel.scope()).await.ok_or_else(ApiError::no_logo)?;
    Ok(answer(picture))
}

/// Where players find a channel's logo, below `base`: at an address that changes with the logo, and
/// shows nothing of where the logo is.
pub(super) fn address(base: &str, entry: &Listed<'_>) -> Option<String> {
    entry.logo.map(|url| format!("{base}logo/{}/{}", entry.id, mark(url)))
}

/// What tells a logo from the one before it.
fn mark(url: &str) -> String {
    format!("{:08x}", hash(url.as_bytes(), 31))
}

/// A picture of somebody else, as a part of our pages.
pub(super) fn answer(picture: Picture) -> Response {
    let fields = [
        (header::CONTENT_TYPE, HeaderValue::from_static(picture.kind)),
        (header::CACHE_CONTROL, CACHING),
        (header::CONTENT_SECURITY_POLICY, POLICY),
    ];
    (fields, picture.bytes).into_response()
}

impl Default for Logos {
    fn default() -> Self {
        Self(Arc::new(Inner {
            pictures: LazyLock::new(Pictures::new),
            turns: Semaphore::new(MAX_FETCHES),
            kept: Mutex::default(),
        }))
    }
}

impl Logos {
    /// The picture at this address, kept or fetched now.
    pub(super) async fn get(&self, url: &str, scope: Scope) -> Option<Picture> {
        let cell = self.kept().entry(&(scope, url.to_owned()), Instant::now());
        // One fetches for all who ask at the same time; if that one leaves, the next takes over.
        let picture = cell.get_or_init(|| self.fetch(url, scope)).await.clone();
        // Again, now that its size is known: an entry is empty while it is fetched.
        self.kept().trim();
        picture
    }

    async fn fetch(&self, url: &str, scope: Scope) -> Option<Picture> {
        let fetching = async {
            let _turn = self.0.turns.acquire().await.expect("the semaphore is never closed");
            self.0.pictures.fetch(url, scope).await
        };
        let why = match timeout(PATIENCE, fetching).await {
            Ok(Ok(picture)) => return Some(picture),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "it takes too long".to_owned(),
        };
        // No more than this of its address: it may hold credentials.
        debug!(server = super::address::public(url), why, "a logo does not come");
        self.kept().failed += 1;
        None
    }

    /// For the status document.
    pub(super) fn report(&self) -> LogoCounts {
        let kept = self.kept();
        LogoCounts {
            bytes: kept.bytes(),
            evicted_total: kept.evicted,
            failed_total: kept.failed,
            kept: kept.entries.len(),
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// Where the picture at this address is or goes.
    fn entry(&mut self, key: &Key, now: Instant) -> Arc<OnceCell<Option<Picture>>> {
        if let Some(entry) = self.entries.get_mut(key)
            && !entry.is_old(now)
        {
            entry.asked_at = now;
            return Arc::clone(&entry.cell);
        }
        // The old cell may still be waited for; those who hold it get what it brings.
        self.entries.remove(key);
        let entry = Entry { cell: Arc::default(), asked_at: now, since: now };
        let cell = Arc::clone(&entry.cell);
        self.entries.insert(key.clone(), entry);
        self.trim();
        cell
    }

    /// Lets go of those that were asked for longest ago, as far as there are too many.
    fn trim(&mut self) {
        while self.entries.len() > MAX_KEPT || self.bytes() > MAX_BYTES {
            let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.asked_at);
            let oldest = oldest.map(|(key, _)| key.clone()).expect("there are too many");
            self.entries.remove(&oldest);
            self.evicted += 1;
        }
    }

    fn bytes(&self) -> usize {
        self.entries.values().map(Entry::bytes).sum()
    }
}

impl Entry {
    fn is_old(&self, now: Instant) -> bool {
        let age = now.saturating_duration_since(self.since);
        match self.cell.get() {
            Some(Some(_)) => age >= FRESH,
            Some(None) => age >= TRIED,
            // One that is being fetched is never old: a second fetch would not be faster.
            None => false,
        }
    }

    fn bytes(&self) -> usize {
        self.cell.get().and_then(Option::as_ref).map_or(0, |picture| picture.bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn picture(bytes: usize) -> Picture {
        Picture { kind: "image/png", bytes: Bytes::from(vec![0; bytes]) }
    }

    fn key(url: &str) -> Key {
        (Scope::Own, url.to_owned())
    }

    #[test]
    fn what_one_channel_may_have_is_not_kept_for_another() {
        let (mut kept, now) = (Kept::default(), Instant::now());
        kept.entry(&key("logo"), now).set(Some(picture(10))).unwrap();
        assert!(kept.entry(&key("logo"), now).get().is_some());
        assert!(kept.entry(&(Scope::Internet, "logo".to_owned()), now).get().is_none());
    }

    #[test]
    fn what_came_is_kept_for_a_day_and_what_did_not_for_a_minute() {
        let (mut kept, start) = (Kept::default(), Instant::now());
        kept.entry(&key("came"), start).set(Some(picture(10))).unwrap();
        kept.entry(&key("failed"), start).set(None).unwrap();
        let is_there =
            |kept: &mut Kept, url: &str, after| kept.entry(&key(url), start + after).get().is_some();
        assert!(is_there(&mut kept, "failed", TRIED / 2) && is_there(&mut kept, "came", FRESH / 2));
        assert!(!is_there(&mut kept, "failed", TRIED) && !is_there(&mut kept, "came", FRESH));
    }

    #[test]
    fn no_more_is_kept_than_there_is_room_for() {
        let (mut kept, start) = (Kept::default(), Instant::now());
        for at in 0..100_u64 {
            let cell = kept.entry(&key(&at.to_string()), start + Duration::from_millis(at));
            cell.set(Some(picture(MAX_PICTURE))).unwrap();
            kept.trim();
            assert!(kept.bytes() <= MAX_BYTES, "{at}: {}", kept.bytes());
        }
        assert_eq!((kept.entries.len(), kept.evicted), (32, 68));
        assert!(
            kept.entries.contains_key(&key("99")) && !kept.entries.contains_key(&key("67")),
            "the oldest go"
        );
        for at in 0..2_000_u64 {
            kept.entry(&key(&format!("small-{at}")), start + Duration::from_secs(at)).set(None).unwrap();
        }
        assert_eq!(kept.entries.len(), MAX_KEPT);
    }
}
