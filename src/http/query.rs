//! Query parameters.

use std::borrow::Cow;
use std::convert::Infallible;
use std::str::FromStr;
use std::time::Duration;

use axum::extract::FromRequestParts;
use http::request::Parts;
use url::form_urlencoded;

use super::State;

/// Longer than anything is kept.
const EVER: Duration = Duration::from_hours(24 * 365);

/// The query of a request. Parameters that nobody asks for are ignored.
#[derive(Debug, Clone, Default)]
pub(super) struct Query(String);

impl Query {
    /// The first value of `key`; empty where it has none.
    pub(super) fn value(&self, key: &str) -> Option<Cow<'_, str>> {
        form_urlencoded::parse(self.0.as_bytes()).find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// All values of `key`.
    pub(super) fn values<'a>(&'a self, key: &'a str) -> impl Iterator<Item = Cow<'a, str>> {
        let pairs = form_urlencoded::parse(self.0.as_bytes());
        pairs.filter(move |(name, _)| name == key).map(|(_, value)| value)
    }

    /// Whether `key` is `true` or `1`.
    pub(super) fn is_set(&self, key: &str) -> bool {
        self.value(key).is_some_and(|value| matches!(&*value, "true" | "1"))
    }

    /// The value of `key` as a number or the like; `None` also where it is something else.
    pub(super) fn parsed<T: FromStr>(&self, key: &str) -> Option<T> {
        self.value(key)?.parse().ok()
    }

    /// How far back somebody wants to be, by the value of `key`: seconds (`600`, `0.5`), or a
    /// duration as in the configuration (`10m`, `1h 30m`). Any other value means all there is;
    /// `None` when there is no such key.
    pub(super) fn span(&self, key: &str) -> Option<Duration> {
        let value = self.value(key)?;
        // `try_from` also refuses what is negative, infinite, or no number.
        let seconds = value.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let span = seconds.or_else(|| humantime::parse_duration(&value).ok());
        Some(span.map_or(EVER, |span| span.min(EVER)))
    }
}

impl From<&str> for Query {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl FromRequestParts<State> for Query {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &State) -> Result<Self, Infallible> {
        Ok(parts.uri.query().unwrap_or_default().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_seconds_or_a_duration_or_all_there_is() {
        let seconds = Duration::from_secs;
        for (query, span) in [
            ("offset=600", Some(seconds(600))),
            ("a=b&offset=10m&offset=1m", Some(seconds(600))),
            ("offset=1h%2030m", Some(seconds(5400))),
            ("offset=1h+30m", Some(seconds(5400))),
            ("offset=0.5", Some(Duration::from_millis(500))),
            ("offset=0", Some(seconds(0))),
            ("offset", Some(EVER)),
            ("offset=", Some(EVER)),
            ("offset=soon", Some(EVER)),
            ("offset=-5", Some(EVER)),
            ("offset=inf", Some(EVER)),
            ("offset=1e99", Some(EVER)),
            ("offset=999999999999999999999d", Some(EVER)),
            ("offsets=5", None),
            ("", None),
        ] {
            assert_eq!(Query::from(query).span("offset"), span, "{query}");
        }
    }
}
