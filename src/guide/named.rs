//! Which guides are to be read: those of the configuration, and those that playlists name.

use std::fmt::Write as _;

use forebay_core::guide::times::Clock;
use forebay_relay::model::{HeadersText, House, UrlText};
use ring::digest::{SHA256, digest};
use url::Url;

use super::document::hex;
use crate::config::Config;
use crate::config::guide::{Guide, GuideSpec};
use crate::config::playlist::{Origin, PlaylistSpec};
use crate::db::lineup::Playlist;

/// A guide that is to be read.
#[derive(Debug, Clone)]
pub(super) struct Named {
    pub(super) key: String,
    pub(super) name: String,
    pub(super) guide: Guide,
}

/// The settings of a guide by which what is read would become something else: where it is, and how
/// it is read.
pub(super) fn settings_of(guide: &Guide) -> String {
    let Clock { zone, shift } = &guide.clock;
    let zone = zone.as_ref().and_then(|zone| zone.iana_name()).unwrap_or_default();
    let charset = guide.document.reading.charset.as_deref().unwrap_or_default();
    let from = match &guide.document.origin {
        Origin::Url(source) => source_of(source.url.expose()),
        Origin::File(path) => path.to_string_lossy().into_owned(),
        Origin::Xtream(_) | Origin::Upload => unreachable!("a guide is at an address or in a file"),
    };
    format!("/{zone}/{shift}/{charset}/{}", short(&from))
}

/// Fields of a query that let somebody in, and may be others every day.
const CREDENTIALS: [&str; 20] = [
    "access_token",
    "apikey",
    "api_key",
    "auth",
    "expires",
    "hash",
    "key",
    "login",
    "pass",
    "passwd",
    "password",
    "pwd",
    "secret",
    "session",
    "sig",
    "sign",
    "signature",
    "token",
    "user",
    "username",
];

/// What of an address says which document it is: all but the scheme and credentials.
fn source_of(url: &Url) -> String {
    let mut text = url.host_str().unwrap_or_default().to_owned();
    if let Some(port) = url.port() {
        let _ = write!(text, ":{port}");
    }
    text.push_str(url.path());
    for (name, value) in url.query_pairs() {
        if !CREDENTIALS.iter().any(|known| name.eq_ignore_ascii_case(known)) {
            let _ = write!(text, "&{name}={value}");
        }
    }
    text
}

/// The beginning of the digest of a text.
fn short(text: &str) -> String {
    hex(&digest(&SHA256, text.as_bytes()).as_ref()[..8])
}

/// A name of a file that is the same for the same text.
fn key_of(start: &str, text: &str) -> String {
    format!("{start}-{}", short(text))
}

/// The guide of a section of the configuration.
pub(super) fn of_config(spec: &GuideSpec, config: &Config) -> Option<Named> {
    let name = spec.id.clone()?;
    let guide = spec.check(&config.house_of(true)).ok()?;
    Some(Named { key: key_of("c", &name), name, guide })
}

/// The guides that a playlist names, or its panel has.
pub(super) fn of_playlist(playlist: &Playlist, urls: &[String], config: &Config) -> Vec<Named> {
    let spec = playlist.document.spec();
    let own = config.house_of(playlist.has_operators_settings());
    let Ok(settings) = spec.check(&own) else { return Vec::new() };
    let (host, urls) = match &settings.origin {
        Origin::Xtream(panel) => {
            let guide = panel.account.guide();
            (guide.host_str().map(str::to_owned), vec![guide.to_string()])
        }
        Origin::Url(source) => (source.url.expose().host_str().map(str::to_owned), urls.to_vec()),
        Origin::File(_) | Origin::Upload => (None, urls.to_vec()),
    };
    let named = |url: &String| {
        let parsed = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
        // What a list names elsewhere is on the internet, and gets no headers that are meant for
        // the list's own server.
        let is_of_list = parsed.host_str().is_some() && parsed.host_str() == host.as_deref();
        let guide = check_named(
            spec,
            url,
            is_of_list,
            &if is_of_list { own.clone() } else { config.house_of(false) },
        );
        let key = key_of(&format!("p{}", playlist.id.0), &source_of(&parsed));
        Some(Named { key, name: playlist.name().to_owned(), guide: guide? })
    };
    urls.iter().filter_map(named).collect()
}

fn check_named(spec: &PlaylistSpec, url: &str, is_of_list: bool, house: &House) -> Option<Guide> {
    let own = |headers: &Option<HeadersText>| if is_of_list { headers.clone() } else { None };
    let spec = GuideSpec {
        id: Some("guide".to_owned()),
        url: Some(UrlText(url.to_owned())),
        refresh: spec.refresh.clone(),
        user_agent: spec.user_agent.clone(),
        headers: own(&spec.headers),
        proxy: spec.proxy.clone(),
        tls: if is_of_list { spec.tls.clone() } else { None },
        allow_private: if is_of_list { spec.allow_private } else { None },
        ..GuideSpec::default()
    };
    spec.check(house).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_another_guide_unless_only_credentials_differ() {
        let source = |url| source_of(&Url::parse(url).unwrap());
        let one = source("http://h/x.php?c=uk&username=a&password=b");
        for same in [
            "http://h/x.php?c=uk&username=c&password=d",
            "https://u:p@h/x.php?c=uk&TOKEN=1",
            "http://h:80/x.php?c=uk",
        ] {
            assert_eq!(source(same), one, "{same}");
        }
        for other in
            ["http://h/x.php?c=de", "http://h:8080/x.php?c=uk", "http://i/x.php?c=uk", "http://h/x.php"]
        {
            assert_ne!(source(other), one, "{other}");
        }
    }
}
