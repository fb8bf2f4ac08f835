//! No answer is anything but what its `Content-Type` says.

use axum::response::Response;
use http::{HeaderMap, HeaderValue, header};

/// Adds `X-Content-Type-Options: nosniff`: no answer is anything but what its `Content-Type` says.
pub(super) async fn forbid_sniffing(mut response: Response) -> Response {
    set_nosniff(response.headers_mut());
    response
}

/// The same for an answer that does not pass through the router.
pub(super) fn set_nosniff(fields: &mut HeaderMap) {
    fields.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}
