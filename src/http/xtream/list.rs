//! `get.php`: the M3U list of a panel, whose addresses are those of a panel, too.

use std::fmt::Write as _;

use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderValue, Uri, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::db::listing::Entry;
use crate::http::auth::Watching;
use crate::http::forwarded::base_url;
use crate::http::lineup::{Ids, about, head};
use crate::http::pieces::{Listing, Pieces};
use crate::http::query::Query;
use crate::http::sight::Sight;
use crate::http::{Peer, State};

/// What stands for itself in a part of a path.
const PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'@');

/// `GET /get.php`: what `type` and `output` nobody knows is the usual list, of MPEG-TS.
pub(in crate::http) async fn list(
    state: State,
    query: Query,
    watching: Watching,
    peer: Peer,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let text = |key| query.value(key).unwrap_or_default().into_owned();
    let escaped = |text: &str| utf8_percent_encode(text, PART).to_string();
    let (user, password) = (escaped(&text("username")), escaped(&text("password")));
    let base = base_url(&state.config().server, peer, &uri, &headers);
    let form = Form {
        head: head(&if user.is_empty() {
            format!("{base}epg.xml")
        } else {
            format!("{base}xmltv.php?username={user}&password={password}")
        }),
        // Without a name, where streams are open, addresses are ours.
        base: if user.is_empty() {
            format!("{base}stream/")
        } else {
            format!("{base}live/{user}/{password}/")
        },
        is_named: !user.is_empty(),
        end: match &*text("output") {
            "m3u8" | "hls" => ".m3u8",
            _ => ".ts",
        },
        ids: Ids::of(&query),
        logos: format!("{base}{}", watching.prefix()),
        is_plain: text("type") == "m3u",
        sight: state.sight(&watching),
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("audio/x-mpegurl; charset=utf-8")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"playlist.m3u\"")),
    ];
    (headers, Pieces::new(state.catalogue.list(), form).into_body()).into_response()
}

#[derive(Debug)]
struct Form {
    head: String,
    /// What addresses begin with.
    base: String,
    /// Whether addresses show who asks, and so are those of a panel.
    is_named: bool,
    end: &'static str,
    ids: Ids,
    /// What the addresses of logos begin with.
    logos: String,
    /// Whether there is nothing but names.
    is_plain: bool,
    sight: Sight,
}

impl Listing for Form {
    fn head(&self) -> &str {
        &self.head
    }

    fn writer(&self) -> impl FnMut(&mut String, &Entry<'_>, usize) -> bool {
        move |out, entry, _| {
            // A channel without a number cannot be asked for in the way of panels.
            let Some(id) = entry.player_id.filter(|_| self.sight.sees(entry)) else { return false };
            let plain = Entry {
                number: None,
                logo: None,
                group: None,
                guide_id: None,
                gracenote_id: None,
                guide_shift: 0,
                archive: None,
                ..*entry
            };
            about(out, if self.is_plain { &plain } else { entry }, self.ids, &self.logos);
            let Self { base, end, .. } = self;
            let _ = match (self.is_named, *end) {
                (true, _) => writeln!(out, "\n{base}{id}{end}"),
                (false, ".m3u8") => writeln!(out, "\n{base}{}/index.m3u8", entry.id),
                (false, _) => writeln!(out, "\n{base}{}{end}", entry.id),
            };
            true
        }
    }
}
