//! No answer is anything but what its `Content-Type` says.

use http::{HeaderMap, HeaderValue, header};

/// Adds `X-Content-Type-Options: nosniff`.
pub(super) fn set_nosniff(fields: &mut HeaderMap) {
    fields.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}
