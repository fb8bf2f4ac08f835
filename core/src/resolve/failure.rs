//! Why a page was not resolved, and what follows from it.

use std::time::Duration;

use crate::address::without_addresses;

/// A class of failure: who can do something about it, and how long it is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// No extractor reads such an address.
    Unsupported,
    /// The video is away or private.
    Unavailable,
    /// The platform wants a login, or a proof of age.
    LoginRequired,
    /// It is not shown in this country.
    Geo,
    /// It has not begun, or is over.
    NotLive,
    /// Its media is encrypted for players of the platform only.
    Drm,
    /// The platform refuses because it was asked too often.
    RateLimited,
    /// The platform did not answer.
    Network,
    /// The worker was not done in time.
    Timeout,
    /// The worker ended without an answer.
    Crashed,
    /// The extractor does not understand the page: most often it is too old.
    Broken,
    /// Too many wait.
    Busy,
    /// There is nothing here that resolves pages.
    Missing,
}

impl Class {
    /// Its name in answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unsupported => "unsupported",
            Self::Unavailable => "unavailable",
            Self::LoginRequired => "login_required",
            Self::Geo => "geo",
            Self::NotLive => "not_live",
            Self::Drm => "drm",
            Self::RateLimited => "rate_limited",
            Self::Network => "network",
            Self::Timeout => "timeout",
            Self::Crashed => "crashed",
            Self::Broken => "broken",
            Self::Busy => "busy",
            Self::Missing => "resolver_missing",
        }
    }

    /// How long the page is not asked for again after so many failures of this class in a row (at
    /// least one). Of [`Self::RateLimited`] the whole platform is spared, for longer.
    pub fn kept(self, times: u32) -> Duration {
        match self {
            Self::Unsupported | Self::Geo | Self::Drm => Duration::from_hours(1),
            Self::Unavailable | Self::LoginRequired => Duration::from_mins(10),
            // It may begin at any moment, and then somebody wants to watch it.
            Self::NotLive => {
                let doubled = Duration::from_secs(30) * 2_u32.saturating_pow(times.saturating_sub(1).min(10));
                doubled.min(Duration::from_mins(5))
            }
            Self::Network | Self::Timeout | Self::Crashed | Self::Missing => Duration::from_secs(5),
            Self::Broken => Duration::from_mins(1),
            Self::RateLimited | Self::Busy => Duration::ZERO,
        }
    }

    /// Whether what was known before is better than nothing.
    pub const fn spares_stale(self) -> bool {
        matches!(
            self,
            Self::RateLimited
                | Self::Network
                | Self::Timeout
                | Self::Crashed
                | Self::Broken
                | Self::Busy
                | Self::Missing
        )
    }
}

/// Why a page was not resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The class.
    pub class: Class,
    /// What the worker said, for people. It holds no address.
    pub message: Box<str>,
    /// How long the platform wants to be left alone, or how long it is until the page begins.
    pub after: Option<Duration>,
}

/// Bytes of a message that are kept.
const MAX_MESSAGE: usize = 300;

/// What platforms say, and what it means. The first that fits counts.
const MESSAGES: &[(&str, Class)] = &[
    ("confirm your age", Class::LoginRequired),
    ("sign in to confirm you", Class::RateLimited),
    ("not a bot", Class::RateLimited),
    ("http error 429", Class::RateLimited),
    ("too many requests", Class::RateLimited),
    ("request is blocked by server (412)", Class::RateLimited),
    ("http error 412", Class::RateLimited),
    // Instagram says both at once, and only a login helps.
    ("rate-limit reached or login required", Class::LoginRequired),
    ("rate limit", Class::RateLimited),
    ("private video", Class::Unavailable),
    ("members-only", Class::LoginRequired),
    ("join this channel", Class::LoginRequired),
    ("login required", Class::LoginRequired),
    ("log in", Class::LoginRequired),
    ("use --cookies", Class::LoginRequired),
    ("registered users", Class::LoginRequired),
    ("this live event will begin", Class::NotLive),
    ("premieres in", Class::NotLive),
    ("not currently live", Class::NotLive),
    ("is offline", Class::NotLive),
    ("this live event has ended", Class::NotLive),
    ("no video formats found", Class::Broken),
    ("available in your country", Class::Geo),
    ("not available from your location", Class::Geo),
    ("geo restrict", Class::Geo),
    ("drm", Class::Drm),
    ("no suitable extractor", Class::Unsupported),
    ("unsupported url", Class::Unsupported),
    ("removed by", Class::Unavailable),
    ("been terminated", Class::Unavailable),
    ("no longer available", Class::Unavailable),
    ("video unavailable", Class::Unavailable),
    ("does not exist", Class::Unavailable),
    ("http error 404", Class::Unavailable),
    ("http error 410", Class::Unavailable),
    ("timed out", Class::Network),
    ("connection refused", Class::Network),
    ("connection reset", Class::Network),
    ("name or service not known", Class::Network),
    ("temporary failure in name resolution", Class::Network),
];

impl Failure {
    /// A failure of this class.
    pub fn new(class: Class, message: &str) -> Self {
        let mut message = without_addresses(message);
        message.truncate(message.floor_char_boundary(MAX_MESSAGE));
        Self { class, message: message.into(), after: None }
    }

    /// The failure that a worker describes: by the name of its kind (`login`, `geo` …), the
    /// status of the platform's answer, and, where these say nothing, by its words.
    pub fn described(kind: &str, status: Option<u16>, message: &str) -> Self {
        let of_kind = match kind {
            "geo" => Some(Class::Geo),
            "login" => Some(Class::LoginRequired),
            "not_live" => Some(Class::NotLive),
            "unsupported" => Some(Class::Unsupported),
            "drm" => Some(Class::Drm),
            "timeout" => Some(Class::Timeout),
            "crashed" => Some(Class::Crashed),
            _ => None,
        };
        let of_status = match status {
            Some(429 | 412) => Some(Class::RateLimited),
            Some(404 | 410) => Some(Class::Unavailable),
            Some(451) => Some(Class::Geo),
            Some(401) => Some(Class::LoginRequired),
            Some(500..=599) => Some(Class::Network),
            _ => None,
        };
        let of_other_kind = match kind {
            "network" => Class::Network,
            "unavailable" => Class::Unavailable,
            _ => Class::Broken,
        };
        let class = of_kind.or(of_status).or_else(|| class_of(message)).unwrap_or(of_other_kind);
        Self::new(class, message)
    }

    /// The same, with how long to wait.
    #[must_use]
    pub fn after(self, after: Option<Duration>) -> Self {
        Self { after, ..self }
    }
}

fn class_of(message: &str) -> Option<Class> {
    let message = message.to_lowercase();
    MESSAGES.iter().find(|(words, _)| message.contains(words)).map(|&(_, class)| class)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_platforms_have_a_class() {
        let table = [
            ("[youtube] dQw4w9WgXcQ: Sign in to confirm you’re not a bot.", Class::RateLimited),
            ("[youtube] x: Private video. Sign in if you've been granted access", Class::Unavailable),
            ("[youtube] x: Join this channel to get access to members-only content", Class::LoginRequired),
            (
                "[youtube] x: Sign in to confirm your age. This video may be inappropriate",
                Class::LoginRequired,
            ),
            ("[youtube] x: This live event will begin in 3 hours.", Class::NotLive),
            ("[youtube] x: Premieres in 20 minutes", Class::NotLive),
            ("[twitch:stream] nasa: The channel is not currently live", Class::NotLive),
            (
                "[Instagram] x: Requested content is not available, rate-limit reached or login required",
                Class::LoginRequired,
            ),
            (
                "[BiliBili] x: Request is blocked by server (412), please wait and try later.",
                Class::RateLimited,
            ),
            ("[youtube] x: The uploader has not made this video available in your country", Class::Geo),
            (
                "No suitable extractor (generic) found for URL https://a.example/?token=secret",
                Class::Unsupported,
            ),
            ("[x] y: This video is DRM protected", Class::Drm),
            (
                "[youtube] x: Video unavailable. This video has been removed by the uploader",
                Class::Unavailable,
            ),
            ("Unable to download webpage: <urlopen error timed out>", Class::Network),
            ("KeyError('streamingData')", Class::Broken),
        ];
        for (message, expected) in table {
            assert_eq!(Failure::described("error", None, message).class, expected, "{message}");
        }
    }

    #[test]
    fn a_kind_and_a_status_say_more_than_words() {
        let class = |kind, status, message| Failure::described(kind, status, message).class;
        assert_eq!(class("geo", Some(403), "HTTP Error 403"), Class::Geo);
        assert_eq!(class("login", None, "Sign in to confirm you are not a bot"), Class::LoginRequired);
        assert_eq!(class("network", Some(429), "no words"), Class::RateLimited);
        assert_eq!(class("network", Some(503), "no words"), Class::Network);
        assert_eq!(class("network", None, "no words"), Class::Network);
        assert_eq!(class("unavailable", None, "no words"), Class::Unavailable);
        assert_eq!(class("error", None, "no words"), Class::Broken);
    }

    #[test]
    fn a_message_has_no_address_and_an_end() {
        let failure = Failure::described("error", None, "cannot read https://a.example/?token=secret now");
        assert_eq!(&*failure.message, "cannot read https://… now");
        let long = Failure::described("error", None, &"ä".repeat(1000));
        assert!(long.message.len() <= MAX_MESSAGE);
    }

    #[test]
    fn what_is_not_live_is_asked_for_less_and_less_often() {
        let pauses: Vec<u64> = (1..7).map(|times| Class::NotLive.kept(times).as_secs()).collect();
        assert_eq!(pauses, [30, 60, 120, 240, 300, 300]);
        assert_eq!(Class::NotLive.kept(u32::MAX), Duration::from_mins(5));
    }
}
