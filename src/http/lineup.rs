//! The lineup as an M3U channel list.

use std::convert::Infallible;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use axum::response::IntoResponse;
use bytes::Bytes;
use forebay_relay::model::Channel;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, Uri, header};
use url::Url;

use super::auth::Watching;
use super::extract::{ById, Named};
use super::forwarded::base_url;
use super::query::Query;
use super::{Peer, State};

/// How much of the list is made at once, in bytes: whoever does not read it costs no more than
/// this.
const PIECE: usize = 16 * 1024;

/// With `.m3u` in the address: `.m3u8` and Apple's type would make players take the list for one
/// HLS stream.
const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("audio/x-mpegurl; charset=utf-8");

/// What the list begins with.
const BEGINNING: &str = "#EXTM3U\n";

/// `GET /playlist.m3u`, and `?format=hls`
pub(super) async fn playlist(
    state: State,
    query: Query,
    watching: Watching,
    peer: Peer,
    uri: Uri,
    headers: HeaderMap,
) -> impl IntoResponse {
    let base = address(&state, &watching, peer, &uri, &headers);
    let channels = state.channels_for(&watching);
    let list = List { channels, base, suffix: suffix(&query), next: 0 };
    let headers = [
        (header::CONTENT_TYPE, CONTENT_TYPE),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (header::CONTENT_LENGTH, list.length(&state.lengths).into()),
    ];
    (headers, Body::from_stream(stream::iter(list.map(Ok::<_, Infallible>))))
}

/// `GET /stream/{id}/channel.m3u`, and `?format=hls`: the list of this channel alone, as a file
/// that opens in a player.
pub(super) async fn one(
    state: State,
    Named { channel, .. }: Named<ById>,
    query: Query,
    watching: Watching,
    peer: Peer,
    uri: Uri,
    headers: HeaderMap,
) -> impl IntoResponse {
    let base = address(&state, &watching, peer, &uri, &headers);
    // An id needs no escaping in a file name.
    let file = format!("attachment; filename=\"{}.m3u\"", channel.id.as_str());
    let mut list = BEGINNING.to_owned();
    let _ = entry(&mut list, &channel, base.as_str(), suffix(&query));
    let headers = [
        (header::CONTENT_TYPE, CONTENT_TYPE),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (header::CONTENT_DISPOSITION, HeaderValue::try_from(file).expect("an id is plain ASCII")),
    ];
    (headers, list)
}

/// What addresses of streams begin with. They carry who asks, so that each opens by itself.
fn address(state: &State, watching: &Watching, peer: Peer, uri: &Uri, headers: &HeaderMap) -> Url {
    let base = base_url(&state.config().server, peer, uri, headers);
    base.join(&watching.prefix()).expect("a stream key is a part of a path")
}

/// What addresses of streams end in: it tells players that sniff addresses what comes.
fn suffix(query: &Query) -> &'static str {
    let is_hls = query.value("format").is_some_and(|format| format == "hls");
    if is_hls { "/index.m3u8" } else { ".ts" }
}

/// The list, made piece by piece as the viewer takes it.
struct List {
    channels: Arc<[Arc<Channel>]>,
    base: Url,
    suffix: &'static str,
    /// The place of the channel whose entry comes next.
    next: usize,
}

impl List {
    /// How long all of it is, in bytes. `lengths` knows what is the same for everybody, which takes
    /// a pass over all channels.
    fn length(&self, lengths: &Lengths) -> usize {
        let each = self.base.as_str().len() + self.suffix.len();
        BEGINNING.len() + lengths.of(&self.channels) + self.channels.len() * each
    }
}

/// How long the entries of the newest configuration are, without what differs from viewer to
/// viewer: counted when first asked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Lengths(Arc<Mutex<Option<Counted>>>);

/// Some channels, and how long their entries are.
type Counted = (Arc<[Arc<Channel>]>, usize);

impl Lengths {
    fn of(&self, channels: &Arc<[Arc<Channel>]>) -> usize {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((counted, length)) = &*last
            && Arc::ptr_eq(counted, channels)
        {
            return *length;
        }
        let mut length = Length(0);
        for channel in &**channels {
            let _ = entry(&mut length, channel, "", "");
        }
        *last = Some((Arc::clone(channels), length.0));
        length.0
    }
}

impl Iterator for List {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let mut piece = if self.next == 0 { BEGINNING.to_owned() } else { String::new() };
        while piece.len() < PIECE
            && let Some(channel) = self.channels.get(self.next)
        {
            let _ = entry(&mut piece, channel, self.base.as_str(), self.suffix);
            self.next += 1;
        }
        (!piece.is_empty()).then(|| piece.into())
    }
}

/// Counts what is written.
struct Length(usize);

impl fmt::Write for Length {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 += text.len();
        Ok(())
    }
}

fn entry(out: &mut impl fmt::Write, channel: &Channel, base: &str, suffix: &str) -> fmt::Result {
    let id = channel.id.as_str();
    out.write_str("#EXTINF:-1")?;
    let number = channel.number.map(|number| number.to_string());
    let attributes = [
        ("tvg-id", Some(channel.tvg_id.as_deref().unwrap_or(id))),
        ("tvg-name", Some(channel.name.as_str())),
        ("tvg-chno", number.as_deref()),
        ("tvg-logo", channel.logo.as_deref()),
        ("group-title", channel.group.as_deref()),
    ];
    for (name, value) in attributes {
        if let Some(value) = value {
            write!(out, " {name}=\"{}\"", one_line(value).replace('"', "'"))?;
        }
    }
    writeln!(out, ",{}\n{base}stream/{id}{suffix}", one_line(&channel.name))
}

/// A line break would begin another entry.
fn one_line(text: &str) -> String {
    text.replace(['\r', '\n'], " ")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Config;

    #[test]
    fn entries_are_what_players_read() {
        let text = r#"
            [[channels]]
            id = "one"
            name = 'The "One", HD'
            number = 1
            group = "News"
            logo = "http://h/one.png"
            sources = ["testcard://"]
            [[channels]]
            id = "two"
            sources = ["testcard://"]
        "#;
        let config = Config::parse(text, Path::new("channels.toml")).unwrap();
        let base = Url::parse("https://tv.example/sub/").unwrap();
        let list = List { channels: config.channels.into(), base, suffix: ".ts", next: 0 };
        let length = list.length(&Lengths::default());
        let out = list.map(|piece| String::from_utf8(piece.into()).unwrap()).collect::<String>();
        assert_eq!(out.len(), length);
        assert_eq!(
            out,
            "#EXTM3U\n#EXTINF:-1 tvg-id=\"one\" tvg-name=\"The 'One', HD\" tvg-chno=\"1\" tvg-logo=\"http://h/one.png\" \
             group-title=\"News\",The \"One\", HD\nhttps://tv.example/sub/stream/one.ts\n\
             #EXTINF:-1 tvg-id=\"two\" tvg-name=\"two\",two\nhttps://tv.example/sub/stream/two.ts\n"
        );
    }

    #[test]
    fn a_long_list_is_made_in_pieces() {
        let channels =
            (0..2000).map(|at| format!("[[channels]]\nid = \"{at}\"\nsources = [\"testcard://\"]\n"));
        let config = Config::parse(&channels.collect::<String>(), Path::new("channels.toml")).unwrap();
        let base = Url::parse("http://tv.lan/").unwrap();
        let list = List { channels: config.channels.into(), base, suffix: "/index.m3u8", next: 0 };
        let length = list.length(&Lengths::default());
        let pieces: Vec<Bytes> = list.collect();
        assert!(pieces.len() > 5 && pieces.iter().all(|piece| piece.len() < 2 * PIECE));
        assert_eq!(pieces.iter().map(Bytes::len).sum::<usize>(), length);
        let entries =
            pieces.concat().split(|&byte| byte == b'\n').filter(|line| line.ends_with(b".m3u8")).count();
        assert_eq!(entries, 2000);
    }
}
