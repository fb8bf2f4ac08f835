//! What segments are made of: bodies, and the keys and initialisation sections that they need.

use std::collections::VecDeque;

use bytes::{Buf as _, Bytes, BytesMut};
use forebay_core::playlist::follow::{Aes128, Fetch, FetchInit};
use forebay_core::playlist::model::Range;
use forebay_core::remux::{Cover, cover};
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

/// Asks for what a segment needs.
pub(super) struct Files {
    session: Session,
    keys: Cache<Url, [u8; 16]>,
    inits: Cache<(Url, Option<Range>), Bytes>,
}

impl Files {
    pub(super) fn new(session: Session) -> Self {
        Self { session, keys: Cache::default(), inits: Cache::default() }
    }

    /// Another key may have taken the place of that at this address.
    pub(super) fn forget_key(&mut self, url: &Url) {
        self.keys.remove(url);
    }

    /// Asks for the initialisation section, if there is one, and for the segment.
    pub(super) async fn open_both(
        &mut self,
        fetch: &Fetch,
        limits: Limits,
    ) -> Result<(Option<Bytes>, Body), Error> {
        let init = match &fetch.init {
            // The encoder may have been started anew, and its section have been overwritten.
            Some(init) => Some(self.init(init, limits, fetch.has_seam).await?),
            None => None,
        };
        Ok((init, self.open(&fetch.url, fetch.range, fetch.key.as_ref(), limits).await?))
    }

    /// Asks for a segment, or whatever else is encrypted as one.
    pub(super) async fn open(
        &mut self,
        url: &Url,
        range: Option<Range>,
        key: Option<&Aes128>,
        limits: Limits,
    ) -> Result<Body, Error> {
        let decrypt = match key {
            Some(Aes128 { url, iv }) => Some(Decrypt::new(&self.key(url, limits).await?, iv)),
            None => None,
        };
        let media = limits.within(self.session.media(url, range)).await?;
        Ok(Body::new(media, decrypt, limits))
    }

    async fn key(&mut self, url: &Url, limits: Limits) -> Result<[u8; 16], Error> {
        if let Some(key) = self.keys.get(url) {
            return Ok(*key);
        }
        let body = match data::decode(url) {
            Some(body) => body,
            None => {
                limits.within(async { self.session.media(url, None).await?.whole(MAX_KEY).await }).await?
            }
        };
        let key = read_key(&body).ok_or_else(|| {
            Error::Encrypted(format!("the key is {} bytes long: {}", body.len(), words::describe(&body)))
        })?;
        self.keys.insert(url.clone(), key);
        Ok(key)
    }

    /// An initialisation section. With one on hand that `may_be_old` it is asked for again, and
    /// kept if there is none now.
    pub(super) async fn init(
        &mut self,
        init: &FetchInit,
        limits: Limits,
        may_be_old: bool,
    ) -> Result<Bytes, Error> {
        let id = (init.url.clone(), init.range);
        let known = self.inits.get(&id).cloned();
        if let Some(known) = known.as_ref().filter(|_| !may_be_old) {
            return Ok(known.clone());
        }
        match (self.fetch_init(init, limits).await, known) {
            (Ok(new), _) => {
                self.inits.remove(&id);
                self.inits.insert(id, new.clone());
                Ok(new)
            }
            (Err(error), Some(known)) => {
                debug!(%error, "no newer initialisation section");
                Ok(known)
            }
            (Err(error), None) => Err(error),
        }
    }

    async fn fetch_init(&mut self, init: &FetchInit, limits: Limits) -> Result<Bytes, Error> {
        if let Some(bytes) = data::decode(&init.url) {
            return Ok(bytes);
        }
        let mut body = self.open(&init.url, init.range, init.key.as_ref(), limits).await?;
        let mut whole = BytesMut::new();
        while let Some(bytes) = body.next().await? {
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
        Ok(whole.freeze())
    }
}

/// A key as it is served: 16 bytes, a line break behind them, or in hexadecimal.
fn read_key(body: &[u8]) -> Option<[u8; 16]> {
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
struct Cache<K, V>(VecDeque<(K, V)>);

impl<K, V> Default for Cache<K, V> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<K: PartialEq, V> Cache<K, V> {
    fn get(&self, key: &K) -> Option<&V> {
        self.0.iter().find(|(known, _)| known == key).map(|(_, value)| value)
    }

    fn insert(&mut self, key: K, value: V) {
        if self.0.len() == MAX_CACHED {
            self.0.pop_front();
        }
        self.0.push_back((key, value));
    }

    fn remove(&mut self, key: &K) {
        self.0.retain(|(known, _)| known != key);
    }
}
