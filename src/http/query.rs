//! Query parameters.

use std::borrow::Cow;
use std::time::Duration;

use url::form_urlencoded;

/// Longer than anything is kept.
const EVER: Duration = Duration::from_hours(24 * 365);

/// The first value of `key`; empty where it has none.
pub(super) fn value<'a>(query: Option<&'a str>, key: &str) -> Option<Cow<'a, str>> {
    form_urlencoded::parse(query?.as_bytes()).find(|(name, _)| name == key).map(|(_, value)| value)
}

/// How far back somebody wants to be, by the value of `key`: seconds (`600`, `0.5`), or a duration
/// as in the configuration (`10m`, `1h 30m`). What is none of these means all there is; `None` when
/// there is no such key.
pub(super) fn span(query: Option<&str>, key: &str) -> Option<Duration> {
    let value = value(query, key)?;
    let seconds = value.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let span = seconds.or_else(|| humantime::parse_duration(&value).ok());
    Some(span.map_or(EVER, |span| span.min(EVER)))
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
            assert_eq!(super::span(Some(query), "offset"), span, "{query}");
        }
        assert_eq!(span(None, "offset"), None);
    }
}
