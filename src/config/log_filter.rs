//! What of the log is shown: a level, or directives.

use forebay_relay::model::nearest::did_you_mean;
use tracing_subscriber::filter::EnvFilter;

/// Why a text is no filter for the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FilterError {
    /// A word alone which is no level. As a directive it would show all of a part of that name, and
    /// nothing else.
    #[error(
        "\"{word}\" is not a level, expected off, error, warn, info, debug or trace{}",
        did_you_mean(word, LEVELS)
    )]
    Level {
        /// The word.
        word: String,
    },
    /// No directives.
    #[error("\"{0}\" is not a filter such as \"info\" or \"info,forebay_relay::input=debug\"")]
    Directives(String),
}

const LEVELS: &[&str] = &["off", "error", "warn", "info", "debug", "trace"];

/// Tells whether the log would take this level: a level, or directives in the syntax of `tracing`'s
/// `EnvFilter`.
pub fn check_filter(text: &str) -> Result<(), FilterError> {
    parse_filter(text).map(drop)
}

/// The filter that a text means.
pub(crate) fn parse_filter(text: &str) -> Result<EnvFilter, FilterError> {
    for piece in text.split(',').map(str::trim) {
        let word = !piece.contains(['=', '[', ':']);
        if word && !LEVELS.iter().any(|level| piece.eq_ignore_ascii_case(level)) {
            return Err(FilterError::Level { word: piece.into() });
        }
    }
    EnvFilter::builder().parse(text).map_err(|_| FilterError::Directives(text.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_checked() {
        for filter in
            ["info", "WARN", "off", "info,forebay_relay::input=debug", "warn,[channel{id=\"a\"}]=trace"]
        {
            assert_eq!(check_filter(filter), Ok(()), "{filter}");
        }
        for (filter, message) in [
            (
                "inof",
                "\"inof\" is not a level, expected off, error, warn, info, debug or trace; did you mean \"info\"?",
            ),
            ("info,,", "\"\" is not a level, expected off, error, warn, info, debug or trace"),
            (
                "forebay=loud",
                "\"forebay=loud\" is not a filter such as \"info\" or \"info,forebay_relay::input=debug\"",
            ),
        ] {
            assert_eq!(check_filter(filter).unwrap_err().to_string(), message);
        }
    }
}
