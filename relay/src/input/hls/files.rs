//! What segments are made of: bodies, and the keys and initialisation sections that they need.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Buf as _, Bytes, BytesMut};
use forebay_core::playlist::follow::{Aes128, Fetch, FetchInit};
use forebay_core::playlist::model::Range;
use forebay_core::remux::{Cover, cover};
use futures_util::future::try_join;
use http::HeaderValue;
use tracing::debug;
use url::Url;

use super::body::{Body, Limits};
use super::data;
use super::decrypt::Decrypt;
use super::session::Session;
use crate::input::{Error, sniff as words};

/// The largest initialisation section.
const MAX_INIT: usize = 1 << 20;

/// A body in place of a key: 16 bytes, or as many in hexadecimal, and perhaps a page that says why
/// not.
const MAX_KEY: usize = 64 << 10;

/// Keys, and initialisation sections, that are kept: lists have one or two at a time.
const MAX_CACHED: usize = 16;

/// Asks for what a segment needs. Clones share what has been fetched.
#[derive(Clone)]
pub(super) struct Files {
    session: Session,
    keys: Arc<Mutex<Cache<Url, [u8; 16]>>>,
    inits: Arc<Mutex<Inits>>,
}

/// Initialisation sections by where they are.
pub(super) type Inits = Cache<(Url, Option<Range>), Section>;

/// An initialisation section.
#[derive(Debug, Clone)]
pub(super) struct Section {
    bytes: Bytes,
    /// Its version (`ETag`).
    etag: Option<HeaderValue>,
    /// It was fetched when the source was open before: there may be another by now.
    is_old: bool,
}

impl Files {
    /// With the sections that are known of the source from before.
    pub(super) fn new(session: Session, inits: Arc<Mutex<Inits>>) -> Self {
        for section in lock(&inits).values_mut() {
            section.is_old = true;
        }
        Self { session, keys: Arc::default(), inits }
    }

    /// Another key may have taken the place of that at this address.
    pub(super) fn forget_key(&self, url: &Url) {
        lock(&self.keys).remove(url);
    }

    /// Asks for the initialisation section, if there is one, and for the segment, at the same time.
    pub(super) async fn open_both(
        &self,
        fetch: &Fetch,
        limits: Limits,
    ) -> Result<(Option<Bytes>, Body), Error> {
        if let Some(key) = fetch.init.as_ref().and_then(|init| init.key.as_ref()) {
            // The segment mostly has the same one.
            self.key(&key.url, limits).await?;
        }
        let init = async {
            match &fetch.init {
                // The encoder may have been started anew, and its section have been overwritten.
                Some(init) => self.init(init, limits, fetch.is_discontinuous).await.map(Some),
                None => Ok(None),
            }
        };
        let segment = self.open(&fetch.url, fetch.range, fetch.key.as_ref(), limits);
        // Two requests are a large future.
        Box::pin(try_join(init, segment)).await
    }

    /// Asks for a segment, or whatever else is encrypted as one.
    pub(super) async fn open(
        &self,
        url: &Url,
        range: Option<Range>,
        key: Option<&Aes128>,
        limits: Limits,
    ) -> Result<Body, Error> {
        let decrypt = self.decrypt(key, limits).await?;
        let media = limits.within(self.session.media(url, range, None)).await?;
        Ok(Body::new(media, decrypt, limits))
    }

    async fn decrypt(&self, key: Option<&Aes128>, limits: Limits) -> Result<Option<Decrypt>, Error> {
        Ok(match key {
            Some(Aes128 { url, iv }) => Some(Decrypt::new(&self.key(url, limits).await?, iv)),
            None => None,
        })
    }

    async fn key(&self, url: &Url, limits: Limits) -> Result<[u8; 16], Error> {
        if let Some(key) = lock(&self.keys).get(url) {
            return Ok(*key);
        }
        // Keys in `data:` addresses need no request; self-contained playlists have them.
        let body = match data::decode(url) {
            Some(body) => body,
            None => {
                limits
                    .within(async { self.session.media(url, None, None).await?.whole(MAX_KEY).await })
                    .await?
            }
        };
        let key = read_key(&body).ok_or_else(|| {
            Error::Encrypted(format!("the key is {} bytes long: {}", body.len(), words::describe(&body)))
        })?;
        // Kept by its address: a playlist names the key in front
        // of many segments, and key servers limit requests.
        lock(&self.keys).insert(url.clone(), key);
        Ok(key)
    }

    /// An initialisation section. With one on hand that `may_be_old` it is asked for again, and
    /// kept if there is none now.
    pub(super) async fn init(
        &self,
        init: &FetchInit,
        limits: Limits,
        may_be_old: bool,
    ) -> Result<Bytes, Error> {
        let id = (init.url.clone(), init.range);
        let known = lock(&self.inits).get(&id).cloned();
        if let Some(known) = known.as_ref().filter(|known| !may_be_old && !known.is_old) {
            return Ok(known.bytes.clone());
        }
        let etag = known.as_ref().and_then(|known| known.etag.clone());
        let section = match (self.fetch_init(init, limits, etag).await, known) {
            (Ok(new), _) => new,
            (Err(error), Some(known)) => {
                debug!(%error, "no newer initialisation section");
                // It was asked for once since the opening;
                // asking again with each segment would not help.
                Section { is_old: false, ..known }
            }
            (Err(error), None) => return Err(error),
        };
        let bytes = section.bytes.clone();
        lock(&self.inits).insert(id, section);
        Ok(bytes)
    }

    /// Asks for an initialisation section, if it is another than the one with this `etag`.
    async fn fetch_init(
        &self,
        init: &FetchInit,
        limits: Limits,
        etag: Option<HeaderValue>,
    ) -> Result<Section, Error> {
        if let Some(bytes) = data::decode(&init.url) {
            return Ok(Section { bytes, etag: None, is_old: false });
        }
        let decrypt = self.decrypt(init.key.as_ref(), limits).await?;
        let media = limits.within(self.session.media(&init.url, init.range, etag)).await?;
        let etag = media.etag().cloned();
        let mut body = Body::new(media, decrypt, limits);
        let mut whole = BytesMut::new();
        while let Some(bytes) = body.next().await? {
            // Before it is added: a server that sends without end costs no more than the limit.
            if whole.len() + bytes.len() > MAX_INIT {
                return Err(Error::Segments(format!(
                    "an initialisation section has more than {MAX_INIT} bytes"
                )));
            }
            whole.extend_from_slice(&bytes);
        }
        if let Cover::Picture(_, length) = cover(&whole) {
            whole.advance(length);
        }
        Ok(Section { bytes: whole.freeze(), etag, is_old: false })
    }
}

/// Held for a look at what is known, and never across a wait.
fn lock<T>(known: &Mutex<T>) -> MutexGuard<'_, T> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A key as it is served: 16 bytes, a line break behind them, or in hexadecimal.
fn read_key(body: &[u8]) -> Option<[u8; 16]> {
    // First of all: 16 bytes are a key even if they happen to be digits or end with a line break.
    if let Ok(key) = body.try_into() {
        return Some(key);
    }
    let text = body.trim_ascii_end();
    if let Some(digits) = std::str::from_utf8(text).ok().filter(|text| text.len() == 32) {
        return u128::from_str_radix(digits, 16).ok().map(u128::to_be_bytes);
    }
    let line = body.strip_suffix(b"\r\n").or_else(|| body.strip_suffix(b"\n"))?;
    line.try_into().ok()
}

/// What was fetched lately; the oldest makes room.
#[derive(Debug)]
pub(super) struct Cache<K, V>(VecDeque<(K, V)>);

impl<K, V> Default for Cache<K, V> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<K: PartialEq, V> Cache<K, V> {
    fn get(&self, key: &K) -> Option<&V> {
        self.0.iter().find(|(known, _)| known == key).map(|(_, value)| value)
    }

    fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.0.iter_mut().map(|(_, value)| value)
    }

    fn insert(&mut self, key: K, value: V) {
        // A second entry for the same place would hide behind the first, and use up room.
        self.remove(&key);
        if self.0.len() == MAX_CACHED {
            self.0.pop_front();
        }
        self.0.push_back((key, value));
    }

    fn remove(&mut self, key: &K) {
        self.0.retain(|(known, _)| known != key);
    }
}
