//! The lineup as an M3U channel list.

use std::fmt::Write as _;

use axum::response::IntoResponse;
use forebay_core::guide::document;
use forebay_core::lineup::names::fold;
use forebay_relay::channel::ListedChannel;
use http::{HeaderMap, HeaderValue, Uri, header};
use url::Url;

use super::auth::Watching;
use super::extract::{ById, Named};
use super::forwarded::base_url;
use super::pieces::{Listing, Pieces};
use super::query::Query;
use super::sight::Sight;
use super::{Peer, State, logo};
use crate::db::listing::Entry;

/// Groups that one request may ask for.
const MAX_GROUPS: usize = 64;

/// What players put behind a channel's address to see what was on, with the beginning of a
/// programme and its length in seconds for the words in braces.
const CATCHUP: &str = "?utc={utc}&duration={duration}";

/// With `.m3u` in the address: `.m3u8` and Apple's type would make players take the list for one
/// HLS stream.
const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("audio/x-mpegurl; charset=utf-8");

/// What a list begins with that names its guide: some players know one of the words, some the
/// other.
pub(super) fn head(guide: &str) -> String {
    format!("#EXTM3U url-tvg=\"{guide}\" x-tvg-url=\"{guide}\"\n")
}

/// `GET /playlist.m3u`, `?format=hls` and `?group=News`
///
/// Its length is not known before it is made, and it may change meanwhile: it has no
/// `Content-Length`. Where the rest cannot be read, the answer breaks off, so that nobody takes
/// half a list for the whole.
pub(super) async fn playlist(
    state: State,
    query: Query,
    watching: Watching,
    peer: Peer,
    uri: Uri,
    headers: HeaderMap,
) -> impl IntoResponse {
    let base = address(&state, &watching, peer, &uri, &headers);
    let form = Form {
        head: head(&format!("{base}epg.xml")),
        ids: Ids::of(&query),
        base,
        suffix: suffix(&query),
        groups: query.values("group").take(MAX_GROUPS).map(|group| fold(&group)).collect(),
        sight: state.sight(&watching),
    };
    let headers =
        [(header::CONTENT_TYPE, CONTENT_TYPE), (header::CACHE_CONTROL, HeaderValue::from_static("no-cache"))];
    (headers, Pieces::new(state.catalogue.list(), form).into_body())
}

/// `GET /stream/{id}/channel.m3u`, and `?format=hls`: the list of this channel alone, as a file
/// that opens in a player.
pub(super) async fn one(
    state: State,
    Named { found: ListedChannel { channel, .. }, .. }: Named<ById>,
    query: Query,
    watching: Watching,
    peer: Peer,
    uri: Uri,
    headers: HeaderMap,
) -> impl IntoResponse {
    let base = address(&state, &watching, peer, &uri, &headers);
    let head = head(&format!("{base}epg.xml"));
    let (suffix, ids) = (suffix(&query), Ids::of(&query));
    let form = Form { head, ids, base, suffix, groups: Vec::new(), sight: Sight::default() };
    // An id needs no escaping in a file name.
    let file = format!("attachment; filename=\"{}.m3u\"", channel.id.as_str());
    let mut list = form.head.clone();
    form.write(&mut list, &Entry::from(&*channel));
    let headers = [
        (header::CONTENT_TYPE, CONTENT_TYPE),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (header::CONTENT_DISPOSITION, HeaderValue::try_from(file).expect("an id is plain ASCII")),
    ];
    (headers, list)
}

/// What addresses of streams begin with. They carry who asks, so that each opens by itself.
pub(super) fn address(state: &State, watching: &Watching, peer: Peer, uri: &Uri, headers: &HeaderMap) -> Url {
    let base = base_url(&state.config().server, peer, uri, headers);
    base.join(&watching.prefix()).expect("a stream key is a part of a path")
}

/// What addresses of streams end in: it tells players that sniff addresses what comes.
fn suffix(query: &Query) -> &'static str {
    let is_hls = query.value("format").is_some_and(|format| format == "hls");
    if is_hls { "/index.m3u8" } else { ".ts" }
}

/// What somebody wants to have listed, and how.
#[derive(Debug)]
struct Form {
    head: String,
    ids: Ids,
    base: Url,
    suffix: &'static str,
    /// The groups that are wanted, folded; all of them where none is named.
    groups: Vec<String>,
    /// What the viewer may see.
    sight: Sight,
}

impl Listing for Form {
    fn head(&self) -> &str {
        &self.head
    }

    fn writer(&self) -> impl FnMut(&mut String, &Entry<'_>, usize) -> bool {
        let mut group = Group::default();
        move |out, entry, _| {
            let is_listed = group.is_wanted(&self.groups, entry.group) && self.sight.sees(entry);
            if is_listed {
                self.write(out, entry);
            }
            is_listed
        }
    }
}

impl Form {
    fn write(&self, out: &mut String, entry: &Entry<'_>) {
        let Self { base, suffix, ids, .. } = self;
        about(out, entry, *ids, base.as_str());
        let _ = writeln!(out, "\n{base}stream/{}{suffix}", entry.id);
    }
}

/// By which ids a list names the programmes of its channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ids {
    /// Those of our own guide.
    Own,
    /// Those of Gracenote, for recorders that have its guide; ours where there is none.
    Gracenote,
}

impl Ids {
    /// `?id=gracenote`
    pub(super) fn of(query: &Query) -> Self {
        let is_gracenote = query.value("id").is_some_and(|id| id == "gracenote");
        if is_gracenote { Self::Gracenote } else { Self::Own }
    }
}

/// Writes the line of a channel in front of its address. Its logo is below `base`.
pub(super) fn about(out: &mut String, entry: &Entry<'_>, ids: Ids, base: &str) {
    let number = entry.number.map(|number| number.to_string());
    let guide_id = match (ids, entry.gracenote_id) {
        (Ids::Gracenote, Some(id)) => id.to_owned(),
        // Its id in our own guide.
        _ => entry.player_id.map_or_else(|| entry.id.to_owned(), document::id),
    };
    let logo = logo::address(base, entry);
    let days = entry.archive_days().map(|days| days.to_string());
    // Some players know the one word and some the other.
    let mode = days.as_ref().map(|_| "append");
    let attributes = [
        // Players without one match guides by name, and get it wrong for channels of equal names.
        ("tvg-id", Some(&*guide_id)),
        ("tvg-name", Some(entry.name)),
        ("tvg-chno", number.as_deref()),
        ("tvg-logo", logo.as_deref()),
        ("group-title", entry.group),
        ("tvc-guide-stationid", entry.gracenote_id),
        // Only of channels that keep something: players show a mark at each that has them.
        ("catchup", mode),
        ("catchup-type", mode),
        ("catchup-days", days.as_deref()),
        ("catchup-source", mode.map(|_| CATCHUP)),
    ];
    out.push_str("#EXTINF:-1");
    for (name, value) in attributes {
        if let Some(value) = value {
            let _ = write!(out, " {name}=\"");
            // Within quotes: there is no way to escape them in these lists.
            push(out, value, '\'');
            out.push('"');
        }
    }
    out.push(',');
    push(out, entry.name, '"');
}

/// Whether channels of a group are wanted. Those of one group mostly follow each other.
#[derive(Debug, Default)]
struct Group {
    last: Option<(String, bool)>,
}

impl Group {
    fn is_wanted(&mut self, wanted: &[String], group: Option<&str>) -> bool {
        if wanted.is_empty() {
            return true;
        }
        let group = group.unwrap_or_default();
        match &self.last {
            Some((last, is_wanted)) if last == group => *is_wanted,
            _ => {
                let is_wanted = wanted.contains(&fold(group));
                self.last = Some((group.to_owned(), is_wanted));
                is_wanted
            }
        }
    }
}

/// Writes a text without line breaks, which would begin another entry, and with `quote` for `"`.
fn push(out: &mut String, text: &str, quote: char) {
    if text.bytes().any(|byte| matches!(byte, b'\r' | b'\n' | b'"')) {
        out.extend(text.chars().map(|char| match char {
            '\r' | '\n' => ' ',
            '"' => quote,
            char => char,
        }));
    } else {
        out.push_str(text);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use forebay_core::lineup::player_id;
    use forebay_relay::channel::Channels;
    use futures_util::TryStreamExt as _;
    use tempfile::TempDir;
    use tokio::runtime::Handle;

    use super::*;
    use crate::catalogue::Catalogue;
    use crate::config::Config;
    use crate::db::{Database, Document, Error, relays};
    use crate::http::pieces::PIECE;

    /// The pieces of a list of these channels, with so many relays behind them.
    async fn pieces(text: &str, relays: usize, base: &str, query: &str) -> Vec<String> {
        let folder = TempDir::new().unwrap();
        let database = Database::open(&folder.path().join("data")).unwrap();
        let fill = move |connection: &rusqlite::Connection| {
            for at in 0..relays {
                let group = if at % 1000 == 0 { "Fernsehen" } else { "Other" };
                let fields = serde_json::json!({
                    "id": format!("r{at}"), "name": format!("Relay {at}"), "group": group,
                    "number": at + 1000, "sources": ["testcard://"],
                });
                let fields = fields.as_object().unwrap().clone();
                relays::insert(connection, &Document::new(fields).unwrap()).unwrap();
            }
            Ok::<_, Error>(())
        };
        database.write(fill).await.unwrap();
        let mut config = Config::parse(text, Path::new("channels.toml")).unwrap();
        folder.path().clone_into(&mut config.hls_dir);
        let config = Arc::new(config);
        let opener = Arc::new(forebay_relay::input::Sources::new());
        let run = |lookup| Channels::new(lookup, &[], &config.hls_dir, opener, Handle::current());
        let catalogue = Catalogue::start(&config, database, run).unwrap();
        let query = Query::from(query);
        let form = Form {
            head: head(&format!("{base}epg.xml")),
            ids: Ids::of(&query),
            base: Url::parse(base).unwrap(),
            suffix: suffix(&query),
            groups: query.values("group").map(|group| fold(&group)).collect(),
            sight: Sight::default(),
        };
        let pieces = Pieces::new(catalogue.list(), form).into_stream();
        pieces.map_ok(|piece| String::from_utf8(piece.into()).unwrap()).try_collect().await.unwrap()
    }

    #[tokio::test]
    async fn entries_are_what_players_read() {
        let text = r#"
            [[channels]]
            id = "one"
            name = 'The "One", HD'
            number = 1
            group = "News"
            logo = "http://h/one.png"
            timeshift = "25h"
            sources = ["testcard://"]
            [[channels]]
            id = "two"
            sources = ["testcard://"]
        "#;
        let out = pieces(text, 1, "https://tv.example/sub/", "").await.concat();
        // Ids that stay, and not those by which others know a channel: of equal ones, players mix
        // up the guides.
        let ids = player_id::of_texts(["one", "two"].into_iter()).into_iter().map(document::id);
        let ids: Vec<String> = ids.collect();
        let (one, two, relay) = (&ids[0], &ids[1], document::id(player_id::OF_RELAYS + 1));
        let mark = player_id::hash(b"http://h/one.png", 31);
        let beginning =
            "#EXTM3U url-tvg=\"https://tv.example/sub/epg.xml\" x-tvg-url=\"https://tv.example/sub/epg.xml\"";
        let expected = format!(
            "{beginning}\n#EXTINF:-1 tvg-id=\"{one}\" tvg-name=\"The 'One', HD\" tvg-chno=\"1\" tvg-logo=\"https://tv.example/sub/logo/one/{mark:08x}\" \
             group-title=\"News\" catchup=\"append\" \
             catchup-type=\"append\" catchup-days=\"2\" \
             catchup-source=\"?utc={{utc}}&duration={{duration}}\",The \"One\", HD\nhttps://tv.example/sub/stream/one.ts\n\
             #EXTINF:-1 tvg-id=\"{two}\" tvg-name=\"two\",two\nhttps://tv.example/sub/stream/two.ts\n\
             #EXTINF:-1 tvg-id=\"{relay}\" tvg-name=\"Relay 0\" tvg-chno=\"1000\" group-title=\"Fernsehen\",Relay 0\n\
             https://tv.example/sub/stream/r0.ts\n"
        );
        assert_eq!(out, expected);
        assert_eq!(pieces("", 0, "http://tv.lan/", "").await, [head("http://tv.lan/epg.xml")]);
    }

    #[tokio::test]
    async fn a_long_list_is_made_in_pieces() {
        let channels =
            (0..2000).map(|at| format!("[[channels]]\nid = \"{at}\"\nsources = [\"testcard://\"]\n"));
        let text: String = channels.collect();
        let all = pieces(&text, 3000, "http://tv.lan/", "format=hls").await;
        assert!(all.len() > 5 && all.iter().all(|piece| !piece.is_empty() && piece.len() < 2 * PIECE));
        let all = all.concat();
        let entries: Vec<&str> =
            all.lines().filter_map(|line| line.strip_prefix("http://tv.lan/stream/")).collect();
        let ids = (0..2000).map(|at| format!("{at}/index.m3u8"));
        let expected: Vec<String> = ids.chain((0..3000).map(|at| format!("r{at}/index.m3u8"))).collect();
        assert_eq!(entries, expected);
    }

    #[tokio::test]
    async fn groups_are_chosen_however_they_are_written() {
        let text = "[[channels]]\nid = 'one'\ngroup = 'Télé'\nsources = ['testcard://']\n\
                    [[channels]]\nid = 'two'\nsources = ['testcard://']\n";
        let ids = |query: &'static str| async move {
            let all = pieces(text, 3000, "http://h/", query).await.concat();
            let ids =
                all.lines().filter_map(|line| line.strip_prefix("http://h/stream/")?.strip_suffix(".ts"));
            ids.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(ids("group=tele").await, ["one"]);
        assert_eq!(ids("group=FERNSEHEN&group=tele").await, ["one", "r0", "r1000", "r2000"]);
        assert_eq!(ids("group=").await, ["two"], "those of no group");
        assert_eq!(ids("group=none").await, [""; 0]);
    }
}
