//! The channels' logos, fetched for those who watch: their browsers need not ask the servers that
//! have them, which would learn who watches, and are often not to be had over HTTPS.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use forebay_core::lineup::player_id::hash;
use forebay_relay::channel::ListedChannel;
use forebay_relay::input::picture::{Picture, Pictures};
use forebay_relay::model::{Scope, parse_http};
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

/// The longest logo, in bytes. Most have some ten thousand; posters that stand in for one have
/// more.
const MAX_LOGO: usize = 5 << 20;

/// What the kept ones may have in bytes, all together: hundreds of usual ones.
const MAX_BYTES: usize = 16 << 20;

/// Logos that are fetched at the same time. A list asks for a screen of them at once.
const MAX_FETCHES: usize = 8;

/// Of those, logos of one server: another one that does not answer must not take all turns.
const MAX_FETCHES_OF_HOST: usize = 2;

/// How long one may take to come, and how long its turn is waited for before.
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
    /// The turns of each server of which a logo is wanted now.
    hosts: Mutex<HashMap<String, Weak<Semaphore>>>,
    kept: Mutex<Kept>,
}

/// A logo did not get its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Busy;

impl From<Busy> for ApiError {
    fn from(_: Busy) -> Self {
        Self::logo_busy()
    }
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
    let picture = state.documents.logos.get(url, channel.scope()).await?.ok_or_else(ApiError::no_logo)?;
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
    let picture = state.documents.logos.get(url, channel.scope()).await?.ok_or_else(ApiError::no_logo)?;
    Ok(answer(picture))
}

/// Where players find a channel's logo, below `base`: at an address that changes with the logo, and
/// shows nothing of where the logo is. A picture that is within the list stays there.
pub(super) fn address(base: &str, entry: &Listed<'_>) -> Option<String> {
    let text = entry.logo?;
    if text.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:")) {
        return Some(text.to_owned());
    }
    // Providers write addresses as they like, and a channel has its own in normal form.
    let url = parse_http(text).ok()?;
    Some(format!("{base}logo/{}/{}", entry.id, mark(url.as_str())))
}

/// Whether a logo is one that the server fetches.
pub(super) fn is_fetched(logo: &str) -> bool {
    parse_http(logo).is_ok()
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
            hosts: Mutex::default(),
            kept: Mutex::default(),
        }))
    }
}

impl Logos {
    /// The picture at this address, kept or fetched now; `None` where it does not come.
    pub(super) async fn get(&self, url: &str, scope: Scope) -> Result<Option<Picture>, Busy> {
        let cell = self.kept().entry(&(scope, url.to_owned()), Instant::now());
        // One fetches for all who ask at the same time; if that one leaves, the next takes over.
        // One that gets no turn says nothing of the logo, so that nothing is remembered.
        let picture = cell.get_or_try_init(|| self.fetch_in_turn(url, scope)).await?.clone();
        // Again, now that its size is known: an entry is empty while it is fetched.
        self.kept().trim();
        Ok(picture)
    }

    async fn fetch_in_turn(&self, url: &str, scope: Scope) -> Result<Option<Picture>, Busy> {
        let host = self.turns_of(url);
        let turn = async {
            // That of its server first: who waits for a slow one holds no turn of the others.
            let of_host = host.acquire().await.expect("the semaphore is never closed");
            (of_host, self.0.turns.acquire().await.expect("the semaphore is never closed"))
        };
        let _turn = timeout(PATIENCE, turn).await.map_err(|_| Busy)?;
        Ok(self.fetch(url, scope).await)
    }

    /// The turns of the server of a logo.
    fn turns_of(&self, url: &str) -> Arc<Semaphore> {
        let server = parse_http(url).map(|url| url.authority().to_owned()).unwrap_or_default();
        let mut hosts = self.0.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turns) = hosts.get(&server).and_then(Weak::upgrade) {
            return turns;
        }
        hosts.retain(|_, turns| turns.strong_count() > 0);
        let turns = Arc::new(Semaphore::new(MAX_FETCHES_OF_HOST));
        hosts.insert(server, Arc::downgrade(&turns));
        turns
    }

    async fn fetch(&self, url: &str, scope: Scope) -> Option<Picture> {
        let why = match timeout(PATIENCE, self.0.pictures.fetch(url, scope, MAX_LOGO)).await {
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

    #[tokio::test(start_paused = true)]
    async fn a_logo_that_gets_no_turn_has_not_failed() {
        let logos = Logos::default();
        let all = logos.0.turns.acquire_many(8).await.unwrap();
        let url = "http://127.0.0.1:1/logo.png";
        assert_eq!(logos.get(url, Scope::Own).await, Err(Busy));
        assert_eq!(logos.report().failed_total, 0);
        drop(all);
        // Nobody listens there, which is asked now.
        assert_eq!(logos.get(url, Scope::Own).await, Ok(None));
        assert_eq!(logos.report().failed_total, 1);
    }

    #[test]
    fn players_are_told_the_address_that_the_channel_has() {
        let listed = |logo| Listed {
            id: "one",
            name: "One",
            number: None,
            group: None,
            logo: Some(logo),
            guide_id: None,
            guide_shift: 0,
            gracenote_id: None,
            archive: None,
            player_id: None,
        };
        for text in ["http://h/Das Erste.png", "HTTP://H/x.png", "http://h", "https://h:443/a/../b.png"] {
            let normal = parse_http(text).map(String::from).unwrap();
            assert_ne!(text, normal);
            assert_eq!(address("/", &listed(text)), Some(format!("/logo/one/{}", mark(&normal))), "{text}");
        }
        let inline = "data:image/png;base64,iVBORw0KGgo=";
        assert_eq!(address("/", &listed(inline)).as_deref(), Some(inline));
        for text in ["file:///etc/passwd", "logo.png", "javascript:1", "ftp://h/x.png"] {
            assert_eq!(address("/", &listed(text)), None, "{text}");
            assert!(!is_fetched(text), "{text}");
        }
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
            cell.set(Some(picture(MAX_BYTES / 32))).unwrap();
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
