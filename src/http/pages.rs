//! The pages: of viewers below `/watch/`, of those who run the server below `/admin/`. Their
//! sources and what is built from them are in `web/`.

use std::ffi::OsStr;
use std::path::Path as FilePath;

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};

use super::State;
use super::encoding::takes_gzip;
use super::error::ApiError;
use super::films;

/// The files of `web/dist` by their names in it, listed by the build script. A `.gz` is the same
/// file, compressed.
const FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/web_files.rs"));

/// What the page may do: load its own files, play what the server streams (by Media Source
/// Extensions: `blob:`), and nothing else. mpegts.js makes its worker from its own text, which is a
/// `blob:` too.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     media-src 'self' blob:; worker-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
);

/// A page is asked for anew each time, since it names the files of one version.
const PAGE_CACHING: HeaderValue = HeaderValue::from_static("no-cache");

/// Its files have a hash of what is in them in their names, and never change.
const FILE_CACHING: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// `GET /`: the list of channels, for now.
pub(super) async fn home() -> impl IntoResponse {
    (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, "watch/")])
}

/// `GET /watch`: its addresses are relative, so it has to end in a slash. Where to is relative too,
/// since a proxy may serve Forebay below a path.
pub(super) async fn to_list() -> impl IntoResponse {
    (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, "watch/")])
}

/// `GET /watch/`: the list of channels.
pub(super) async fn list(headers: HeaderMap) -> Response {
    html(StatusCode::OK, "channels.html", &headers)
}

/// `GET /watch/{id}`: the page of a channel, else that of a film.
pub(super) async fn page(state: State, Path(id): Path<String>, headers: HeaderMap) -> Response {
    match state.catalogue.find(&id).await {
        Ok(Some(_)) => html(StatusCode::OK, "watch.html", &headers),
        Ok(None) if films::is_there(&state, &id) => html(StatusCode::OK, "film.html", &headers),
        Ok(None) => html(StatusCode::NOT_FOUND, "not-found.html", &headers),
        Err(error) => ApiError::from(error).into_response(),
    }
}

fn html(status: StatusCode, name: &str, headers: &HeaderMap) -> Response {
    let mut response = serve(name, headers).expect("a test asks for each page");
    *response.status_mut() = status;
    let fields = response.headers_mut();
    fields.insert(header::CACHE_CONTROL, PAGE_CACHING);
    fields.insert(header::CONTENT_SECURITY_POLICY, POLICY);
    // Neither a logo's host nor a link's target learns what is watched.
    fields.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    response
}

/// `GET /admin`: as for `/watch`.
pub(super) async fn to_admin() -> impl IntoResponse {
    (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, "admin/")])
}

/// `GET /setup`, which the console shows. What stands behind `#` in an address goes along.
pub(super) async fn to_setup() -> impl IntoResponse {
    (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, "admin/setup")])
}

/// `GET /signin`
pub(super) async fn to_sign_in() -> impl IntoResponse {
    (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, "admin/signin")])
}

/// `GET /admin/` and `GET /admin/{page}`: one page, which shows what its address says. All
/// addresses are one deep, so that the files are found from each by the same relative name.
pub(super) async fn admin(headers: HeaderMap) -> Response {
    html(StatusCode::OK, "admin.html", &headers)
}

/// `GET /watch/assets/{file}` and `GET /admin/assets/{file}`
pub(super) async fn asset(Path(file): Path<String>, headers: HeaderMap, uri: Uri) -> Response {
    match serve(&format!("assets/{file}"), &headers) {
        Some(mut response) => {
            response.headers_mut().insert(header::CACHE_CONTROL, FILE_CACHING);
            response
        }
        None => ApiError::no_such_route(&uri).into_response(),
    }
}

/// A file of `web/dist`, compressed where that is understood and worth it.
fn serve(name: &str, headers: &HeaderMap) -> Option<Response> {
    let kind = content_type(name)?;
    let plain = find(name)?;
    // Absent for small files, where compressing gains nothing.
    let packed = find(&format!("{name}.gz"));
    let mut response = match packed.filter(|_| takes_gzip(headers)) {
        Some(packed) => ([(header::CONTENT_ENCODING, "gzip")], Bytes::from_static(packed)).into_response(),
        None => Bytes::from_static(plain).into_response(),
    };
    let fields = response.headers_mut();
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    // On the plain answer as well: a cache must not
    // give it to those who take gzip, and the reverse.
    fields.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    Some(response)
}

fn find(name: &str) -> Option<&'static [u8]> {
    FILES.iter().find(|(known, _)| *known == name).map(|(_, bytes)| *bytes)
}

/// By the name's ending; `None` for what is not served by itself.
fn content_type(name: &str) -> Option<&'static str> {
    Some(match FilePath::new(name).extension().and_then(OsStr::to_str)? {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "txt" => "text/plain; charset=utf-8",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_has_a_type() {
        for (name, _) in FILES {
            assert!(content_type(name.strip_suffix(".gz").unwrap_or(name)).is_some(), "{name}");
        }
    }
}
