//! Rewrites the other Xtream Codes addresses to the routes of Forebay.

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;

use axum::extract::FromRequestParts;
use http::Uri;
use http::request::Parts;
use http::uri::PathAndQuery;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::accounts::OWN_PARTS;
use crate::http::query::Query;

/// What stands for itself in a part of a path.
const PART: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'@').remove(b':');

/// The pages of panels that send what was on.
const PAGES: [&str; 2] = ["/streaming/timeshift.php", "/timeshift.php"];

/// The way from the address that a player asked for up to the root of the server, such as `../../`.
/// A proxy may serve Forebay below a path, which we do not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) struct WayUp {
    /// How many folders.
    steps: usize,
}

impl WayUp {
    /// From this path.
    pub(super) fn from(path: &str) -> Self {
        // The last part is a document, and not a folder.
        Self { steps: path.matches('/').count().saturating_sub(1) }
    }
}

impl fmt::Display for WayUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (0..self.steps).try_for_each(|_| f.write_str("../"))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for WayUp {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        // Where the path was changed, it was noted before.
        let noted = parts.extensions.get::<Self>().copied();
        Ok(noted.unwrap_or_else(|| Self::from(parts.uri.path())))
    }
}

/// Gives a request that is meant for such an address the path of ours.
pub(super) fn name_panel_path<B>(request: &mut http::Request<B>) {
    let path = request.uri().path();
    let query = request.uri().query();
    let found = if PAGES.contains(&path) {
        of_page(&Query::from(query.unwrap_or_default()))
    } else {
        // No other name has a query that means something here.
        let found = live(path).or_else(|| other_order(path));
        found.map(|path| query.map_or_else(|| path.clone(), |query| format!("{path}?{query}")))
    };
    if let Some(path) = found {
        let way = WayUp::from(request.uri().path());
        if set_path(request, &path) {
            request.extensions_mut().insert(way);
        }
    }
}

/// Players may leave `/live` out: `/NAME/PASSWORD/5.ts` is a path of three parts whose last is a
/// number. No route of ours is like that but for these, by their first part.
fn live(path: &str) -> Option<String> {
    let [name, password, file] = parts(path)?;
    let number = file.strip_suffix(".ts").or_else(|| file.strip_suffix(".m3u8")).unwrap_or(file);
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    // Names of users cannot be these words, so nothing that is meant for a user is lost; but for
    // "admin", whom only `/live/admin/…` reaches.
    let is_meant = is_number && !password.is_empty() && !OWN_PARTS.contains(&name);
    is_meant.then(|| format!("/live{path}"))
}

/// `/timeshifts/NAME/PASSWORD/MINUTES/ID/START.ts` is
/// `/timeshift/NAME/PASSWORD/MINUTES/START/ID.ts`.
fn other_order(path: &str) -> Option<String> {
    let ["timeshifts", name, password, minutes, id, file] = parts(path)? else { return None };
    let (start, end) = match file.rsplit_once('.') {
        Some((start, "m3u8")) => (start, ".m3u8"),
        Some((start, _)) => (start, ".ts"),
        None => (file, ".ts"),
    };
    Some(format!("/timeshift/{name}/{password}/{minutes}/{start}/{id}{end}"))
}

/// What the query of the page asks for; `None` where a word is missing.
fn of_page(query: &Query) -> Option<String> {
    let word = |key| query.value(key).filter(|value| !value.is_empty());
    let escaped = |text: Cow<'_, str>| utf8_percent_encode(&text, PART).to_string();
    let id = escaped(word("stream").or_else(|| word("stream_id"))?);
    let end = if word("extension").as_deref() == Some("m3u8") { ".m3u8" } else { ".ts" };
    let [name, password, minutes, start] =
        ["username", "password", "duration", "start"].map(|key| word(key).map(escaped));
    let (name, password, minutes, start) = (name?, password?, minutes?, start?);
    Some(format!("/timeshift/{name}/{password}/{minutes}/{start}/{id}{end}"))
}

/// The parts of a path that has so many.
fn parts<const N: usize>(path: &str) -> Option<[&str; N]> {
    let mut parts = path.strip_prefix('/')?.split('/');
    let mut found = [""; N];
    for part in &mut found {
        *part = parts.next()?;
    }
    parts.next().is_none().then_some(found)
}

/// Whether it is a path.
pub(super) fn set_path<B>(request: &mut http::Request<B>, path: &str) -> bool {
    let Ok(path) = path.parse::<PathAndQuery>() else { return false };
    let mut parts = request.uri().clone().into_parts();
    parts.path_and_query = Some(path);
    let Ok(uri) = Uri::from_parts(parts) else { return false };
    *request.uri_mut() = uri;
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::name_fault;

    #[test]
    fn a_path_of_a_panel_may_begin_with_the_name() {
        for (uri, path) in [
            ("/ann/secret/5.ts", "/live/ann/secret/5.ts"),
            ("/ann/secret/5?a=b", "/live/ann/secret/5?a=b"),
            ("https://tv.lan/ann/a%20b/5.m3u8", "https://tv.lan/live/ann/a%20b/5.m3u8"),
            ("/ann/secret/five.ts", "/ann/secret/five.ts"),
            ("/ann/5.ts", "/ann/5.ts"),
            ("/api/playlists/5", "/api/playlists/5"),
            ("/live/ann/secret/5.ts", "/live/ann/secret/5.ts"),
            ("/", "/"),
        ] {
            check(uri, path);
        }
    }

    #[test]
    fn what_was_on_has_three_addresses() {
        let path = "/timeshift/ann/a%20b/60/2026-01-31:18-30/5.ts";
        for uri in [
            path,
            "/timeshifts/ann/a%20b/60/5/2026-01-31:18-30.ts",
            "/timeshifts/ann/a%20b/60/5/2026-01-31:18-30",
            "/streaming/timeshift.php?username=ann&password=a%20b&stream=5&start=2026-01-31:18-30&duration=60",
            "/timeshift.php?stream=5&duration=60&start=2026-01-31%3A18-30&password=a+b&username=ann&extension=ts",
        ] {
            check(uri, path);
        }
        check(
            "/timeshift.php?username=a&password=b&stream=5&start=x&duration=9&extension=m3u8",
            "/timeshift/a/b/9/x/5.m3u8",
        );
        // A name cannot lead out of its part.
        check(
            "/timeshift.php?username=a%2Fb&password=b&stream=5&start=x&duration=9",
            "/timeshift/a%2Fb/b/9/x/5.ts",
        );
        for uri in ["/timeshift.php?username=a", "/timeshifts/a/b/9/5", "/streaming/timeshift.php"] {
            check(uri, uri);
        }
    }

    #[test]
    fn no_user_has_a_name_that_a_path_of_ours_begins_with() {
        for part in OWN_PARTS {
            let (lower, upper) = (name_fault(part), name_fault(&part.to_uppercase()));
            // The first account of many servers is called so.
            assert_eq!((lower.is_some(), upper.is_some()), (part != "admin", part != "admin"), "{part}");
        }
        check("/admin/secret/5.ts", "/admin/secret/5.ts");
        check("/live/admin/secret/5.ts", "/live/admin/secret/5.ts");
    }

    #[test]
    fn the_way_up_leads_from_the_address_that_was_asked_for() {
        for (uri, way) in [
            ("/ann/secret/5.m3u8", "../../"),
            ("/live/ann/secret/5.m3u8", "../../../"),
            ("/timeshift.php?username=a&password=b&stream=5&start=x&duration=9", ""),
            ("/streaming/timeshift.php?username=a&password=b&stream=5&start=x&duration=9", "../"),
            ("/timeshifts/a/b/9/5/x.m3u8", "../../../../../"),
            ("/timeshift/a/b/9/x/5.m3u8", "../../../../../"),
        ] {
            let mut request = http::Request::builder().uri(uri).body(()).expect(uri);
            name_panel_path(&mut request);
            let noted = request.extensions().get::<WayUp>().copied();
            let found = noted.unwrap_or_else(|| WayUp::from(request.uri().path()));
            assert_eq!(found.to_string(), way, "{uri}");
        }
    }

    fn check(uri: &str, path: &str) {
        let mut request = http::Request::builder().uri(uri).body(()).expect(uri);
        name_panel_path(&mut request);
        assert_eq!(request.uri().to_string(), path, "{uri}");
    }
}
