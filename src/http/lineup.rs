//! The lineup as an M3U channel list.

use std::fmt::Write as _;

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::response::IntoResponse;
use http::{HeaderMap, Uri, header};
use url::Url;

use super::forwarded::base_url;
use super::{App, Peer};
use crate::config::Channel;

/// `GET /playlist.m3u`, and `?format=hls`
pub(super) async fn playlist(
    State(app): State<App>,
    RawQuery(query): RawQuery,
    Extension(peer): Extension<Peer>,
    uri: Uri,
    headers: HeaderMap,
) -> impl IntoResponse {
    let base = base_url(&app.config().server, peer, &uri, &headers);
    let is_hls = query.is_some_and(|query| query.split('&').any(|pair| pair == "format=hls"));
    // They tell players that sniff addresses what comes.
    let suffix = if is_hls { "/index.m3u8" } else { ".ts" };
    let mut out = "#EXTM3U\n".to_owned();
    for channel in app.channels.configured() {
        entry(&mut out, &channel, &base, suffix);
    }
    // `.m3u` and this type: `.m3u8` and Apple's type would make players take the list for one HLS stream.
    ([(header::CONTENT_TYPE, "audio/x-mpegurl; charset=utf-8"), (header::CACHE_CONTROL, "no-cache")], out)
}

fn entry(out: &mut String, channel: &Channel, base: &Url, suffix: &str) {
    let id = channel.id.as_str();
    out.push_str("#EXTINF:-1");
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
            let _ = write!(out, " {name}=\"{}\"", one_line(value).replace('"', "'"));
        }
    }
    let _ = writeln!(out, ",{}\n{base}stream/{id}{suffix}", one_line(&channel.name));
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
        let mut out = String::new();
        config.channels.iter().for_each(|channel| entry(&mut out, channel, &base, ".ts"));
        assert_eq!(
            out,
            "#EXTINF:-1 tvg-id=\"one\" tvg-name=\"The 'One', HD\" tvg-chno=\"1\" tvg-logo=\"http://h/one.png\" \
             group-title=\"News\",The \"One\", HD\nhttps://tv.example/sub/stream/one.ts\n\
             #EXTINF:-1 tvg-id=\"two\" tvg-name=\"two\",two\nhttps://tv.example/sub/stream/two.ts\n"
        );
    }
}
