//! Who asks for the past, and how.

use http::{HeaderMap, Method};

use crate::http::extract::Client;

/// A request for a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) client: &'a Client,
    pub(super) method: &'a Method,
    pub(super) headers: &'a HeaderMap,
}
