//! What holds for a playlist, whatever bytes it is read of: shared by the properties and the fuzz
//! target.

use std::sync::Arc;

use forebay_core::playlist::model::{Init, Key, Media, Multivariant, Playlist, Segment, Variables};
use forebay_core::playlist::parse::{
    MAX_DATA_URL, MAX_KEPT, MAX_SEGMENTS, MAX_URL, MAX_VARIANTS, MIN_DURATION, parse,
};
use url::Url;

/// Reads `body`, checks what comes of it, and returns the variables that other playlists may
/// import from it.
pub(crate) fn read(body: &[u8], base: &Url, inherited: &Variables) -> Variables {
    match parse(body, base, inherited) {
        Ok(Playlist::Multivariant(list)) => {
            check_variants(&list);
            list.variables
        }
        Ok(Playlist::Media(media)) => {
            check_segments(&media);
            Variables::default()
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            Variables::default()
        }
    }
}

fn check_variants(list: &Multivariant) {
    assert!((1..=MAX_VARIANTS).contains(&list.variants.len()) && list.audio.len() <= MAX_VARIANTS);
    assert!(list.variants.iter().all(|variant| is_fetched(&variant.url)));
    assert!(list.audio.iter().filter_map(|rendition| rendition.url.as_ref()).all(is_fetched));
}

fn check_segments(media: &Media) {
    assert!(media.segments.len() <= MAX_SEGMENTS && media.target >= MIN_DURATION);
    let (mut key, mut init, mut kept) = (None, None, 0);
    for segment in &media.segments {
        check_segment(segment);
        kept += segment.url.as_str().len();
        // Segments share what stands once in the playlist.
        if !is_same(key, segment.key.as_ref()) {
            kept += segment.key.as_ref().map_or(0, |key| key_url(key).map_or(0, |url| url.as_str().len()));
            key = segment.key.as_ref();
        }
        if !is_same(init, segment.init.as_ref()) {
            kept += segment.init.as_ref().map_or(0, |init| init.url.as_str().len());
            init = segment.init.as_ref();
        }
    }
    assert!(kept <= MAX_KEPT, "{kept} bytes of addresses are kept");
}

fn check_segment(segment: &Segment) {
    let Segment { url, range, duration, is_gap, key, init, .. } = segment;
    assert!(is_fetched(url) || *is_gap && url.scheme() == "about");
    assert!(range.is_none_or(|range| range.length > 0 && range.offset.checked_add(range.length).is_some()));
    assert!(*duration >= MIN_DURATION);
    let key = key.as_deref().and_then(key_url);
    let init = init.as_deref().map(|Init { url, .. }| url);
    assert!(key.into_iter().chain(init).all(|url| is_fetched(url) || is_data(url)));
}

fn is_same<T>(one: Option<&Arc<T>>, other: Option<&Arc<T>>) -> bool {
    one.map(Arc::as_ptr) == other.map(Arc::as_ptr)
}

fn key_url(key: &Key) -> Option<&Url> {
    match key {
        Key::Aes128 { url, .. } => Some(url),
        Key::Unusable(_) => None,
    }
}

fn is_fetched(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https") && url.as_str().len() <= MAX_URL
}

/// Three characters may stand for each byte that has no place in an address.
fn is_data(url: &Url) -> bool {
    url.scheme() == "data" && url.as_str().len() <= 3 * MAX_DATA_URL
}
