//! The segments of a list as they are written, and those that are kept of them, with their
//! addresses.
//!
//! A list may name a million segments below an address of 8 KiB: put together at once, they would
//! be gigabytes. So the latest are put together only, as many as there is room for.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use url::Url;

use super::super::attributes::Variables;
use super::super::date::Date;
use super::super::model::{Init, Key, Range, Segment};
use super::{MAX_DATA_URL, MAX_KEPT, resolve};

/// Stands in for the address of a segment that has none.
static NO_ADDRESS: LazyLock<Url> = LazyLock::new(|| Url::parse("about:blank").expect("it is an address"));

/// Says of a key that it cannot be had since nothing says where.
pub(super) const WITHOUT_ADDRESS: &str = "AES-128 without the address of a key";

/// A segment as it is written.
pub(super) struct Listed<'a> {
    pub(super) uri: &'a str,
    pub(super) range: Option<Range>,
    pub(super) duration: Duration,
    pub(super) is_discontinuity: bool,
    pub(super) is_gap: bool,
    pub(super) date: Option<Date>,
    pub(super) key: Option<Rc<ListedKey<'a>>>,
    pub(super) init: Option<Rc<ListedInit<'a>>>,
}

/// A key as it is written.
pub(super) enum ListedKey<'a> {
    Aes128 {
        uri: &'a str,
        iv: Option<[u8; 16]>,
    },
    /// One that is not to be had; what it is, in words.
    Unusable(String),
}

/// A media initialisation section as it is written.
pub(super) struct ListedInit<'a> {
    pub(super) uri: &'a str,
    pub(super) range: Option<Range>,
    pub(super) key: Option<Rc<ListedKey<'a>>>,
}

/// The latest of `listed` with their addresses, up to [`MAX_KEPT`] bytes of these; and how many of
/// them have none that can be fetched.
pub(super) fn resolve_all(
    listed: VecDeque<Listed<'_>>,
    base: &Url,
    variables: &Variables,
) -> (Vec<Segment>, u64) {
    let mut keeping = Keeping { base, variables, key: None, init: None, room: MAX_KEPT };
    let mut lost = 0;
    let mut segments = Vec::new();
    for listed in listed.into_iter().rev() {
        let Some(segment) = keeping.segment(&listed) else { break };
        // Kept as a gap: without it, the numbers of all that follow would shift.
        lost += u64::from(segment.url == *NO_ADDRESS);
        segments.push(segment);
    }
    segments.reverse();
    (segments, lost)
}

/// Puts addresses together, from the last segment to the first.
struct Keeping<'l, 'a> {
    base: &'l Url,
    variables: &'l Variables,
    /// The last one, which most segments share.
    key: Option<(Rc<ListedKey<'a>>, Arc<Key>)>,
    init: Option<(Rc<ListedInit<'a>>, Option<Arc<Init>>)>,
    /// Bytes of addresses that may still be kept.
    room: usize,
}

impl<'a> Keeping<'_, 'a> {
    /// `None` when there is no room for another.
    fn segment(&mut self, listed: &Listed<'a>) -> Option<Segment> {
        let url = resolve(listed.uri, self.base, self.variables);
        let is_lost = url.is_none();
        let url = url.unwrap_or_else(|| NO_ADDRESS.clone());
        let key = listed.key.as_ref().map(|key| self.key(key));
        let init = listed.init.as_ref().and_then(|init| self.init(init));
        self.take(&url);
        (self.room > 0).then_some(Segment {
            url,
            range: listed.range,
            duration: listed.duration,
            is_discontinuity: listed.is_discontinuity,
            is_gap: listed.is_gap || is_lost,
            date: listed.date,
            key,
            init,
        })
    }

    fn key(&mut self, listed: &Rc<ListedKey<'a>>) -> Arc<Key> {
        // Compared by pointer: all segments below one tag share it, and texts would be long to
        // compare.
        if let Some((known, key)) = &self.key
            && Rc::ptr_eq(known, listed)
        {
            return Arc::clone(key);
        }
        let key = match &**listed {
            ListedKey::Aes128 { uri, iv } => self.resolve(uri).map(|url| Key::Aes128 { url, iv: *iv }),
            ListedKey::Unusable(reason) => Some(Key::Unusable(reason.clone())),
        };
        let key = Arc::new(key.unwrap_or_else(|| Key::Unusable(WITHOUT_ADDRESS.to_owned())));
        self.key = Some((Rc::clone(listed), Arc::clone(&key)));
        key
    }

    fn init(&mut self, listed: &Rc<ListedInit<'a>>) -> Option<Arc<Init>> {
        if let Some((known, init)) = &self.init
            && Rc::ptr_eq(known, listed)
        {
            return init.clone();
        }
        let init = self.resolve(listed.uri).map(|url| {
            let key = listed.key.as_ref().map(|key| self.key(key));
            Arc::new(Init { url, range: listed.range, key })
        });
        self.init = Some((Rc::clone(listed), init.clone()));
        init
    }

    /// The address of a key or an initialisation section, which may hold it (RFC 2397).
    fn resolve(&mut self, uri: &str) -> Option<Url> {
        let is_data = uri.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"));
        let url = if is_data {
            Url::parse(uri).ok().filter(|_| uri.len() <= MAX_DATA_URL)
        } else {
            resolve(uri, self.base, self.variables)
        }?;
        self.take(&url);
        Some(url)
    }

    fn take(&mut self, url: &Url) {
        self.room = self.room.saturating_sub(url.as_str().len());
    }
}
