//! The pages on which one sets up and signs in: plain HTML and one script, until the web interface has
//! them.

use axum::extract::Path;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, Uri, header};

use crate::http::error::ApiError;

/// What the pages may do: load their own files and ask this server.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'",
);

/// `GET /setup`: its address has the token behind `#`, which no request carries.
pub(in crate::http) async fn setup() -> Response {
    page(include_str!("page/setup.html"))
}

/// `GET /signin`
pub(in crate::http) async fn signin() -> Response {
    page(include_str!("page/signin.html"))
}

/// `GET /account-pages/{file}`
pub(in crate::http) async fn file(Path(file): Path<String>, uri: Uri) -> Response {
    let (kind, text) = match &*file {
        "account.js" => ("text/javascript; charset=utf-8", include_str!("page/account.js")),
        "account.css" => ("text/css; charset=utf-8", include_str!("page/account.css")),
        _ => return ApiError::no_such_route(&uri).into_response(),
    };
    let fields = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")];
    (fields, text).into_response()
}

fn page(text: &'static str) -> Response {
    let fields = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    (fields, text).into_response()
}
