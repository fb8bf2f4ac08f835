//! How long the address of media is good, as the address itself says it.

use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, Utc};
use percent_encoding::percent_decode_str;
use url::Url;

/// The longest time that is believed: what says more means something else.
const MAX_LIFETIME: Duration = Duration::from_hours(7 * 24);

/// Names of parameters that hold the second of the Unix clock at which the address ends.
const SECONDS: &[&str] = &["expire", "expires", "deadline", "exp", "e"];

/// Parameters that hold several parts, of which `exp=` is one.
const TOKENS: &[&str] = &["hdnts", "hdntl", "hdnea", "__token__"];

/// How long before its end another address is asked for: there is time for several tries, and for a
/// platform that refuses for a while.
const MARGIN: Duration = Duration::from_mins(10);

/// After how much of its `lifetime` another address takes the place of one that is in use: ten
/// minutes or a twentieth of the time before its end, whichever is longer, but no more than a third
/// of it.
pub fn renew_after(lifetime: Duration) -> Duration {
    lifetime.saturating_sub(MARGIN.max(lifetime / 20).min(lifetime / 3))
}

/// How long this address is good from `now` on, in time since 1970; `None` when it does not say.
/// One that has ended is good for no time at all.
///
/// Read are what googlevideo, Bilibili, Akamai, Amazon and Twitch write.
pub fn lifetime(address: &str, now: Duration) -> Option<Duration> {
    let url = Url::parse(address).ok()?;
    let said = of_query(&url).or_else(|| of_path(&url))?;
    let left = said.saturating_sub(now);
    // A number that lies more than a week back or ahead is no date.
    let is_date = left <= MAX_LIFETIME && now.saturating_sub(said) <= MAX_LIFETIME;
    is_date.then_some(left)
}

fn of_query(url: &Url) -> Option<Duration> {
    let mut amazon = (None, None);
    let mut earliest: Option<Duration> = None;
    for (name, value) in url.query_pairs() {
        let said = match &*name {
            "X-Amz-Date" => {
                amazon.0 = amazon_date(&value);
                None
            }
            "X-Amz-Expires" => {
                amazon.1 = value.parse().ok().map(Duration::from_secs);
                None
            }
            "token" | "nauth" => of_document(&value),
            name if TOKENS.contains(&name) => of_parts(&value),
            // Instagram's `oe` is hexadecimal.
            "oe" => u64::from_str_radix(&value, 16).ok().map(Duration::from_secs),
            name if SECONDS.iter().any(|known| known.eq_ignore_ascii_case(name)) => seconds(&value),
            _ => None,
        };
        earliest = [earliest, said].into_iter().flatten().min();
    }
    let amazon = amazon.0.zip(amazon.1).map(|(date, lifetime)| date + lifetime);
    [earliest, amazon].into_iter().flatten().min()
}

/// `/expire/1700000000/` and `/exp=1700000000~acl=…/`, as they stand in paths of playlists.
fn of_path(url: &Url) -> Option<Duration> {
    let mut segments = url.path_segments()?;
    while let Some(segment) = segments.next() {
        if segment == "expire" {
            return seconds(segments.next()?);
        }
        if let Some(said) = of_parts(segment) {
            return Some(said);
        }
    }
    None
}

/// `st=…~exp=…~acl=…`.
fn of_parts(text: &str) -> Option<Duration> {
    let text = percent_decode_str(text).decode_utf8().ok()?;
    text.split('~').find_map(|part| seconds(part.rsplit_once("exp=").filter(|(name, _)| is_name(name))?.1))
}

/// What may stand before `exp=`: nothing, or `hdntl=`.
fn is_name(text: &str) -> bool {
    text.is_empty() || text.ends_with('=')
}

/// `{…,"expires":1700000000,…}`.
fn of_document(text: &str) -> Option<Duration> {
    let document: serde_json::Value = serde_json::from_str(text).ok()?;
    document.get("expires")?.as_u64().map(Duration::from_secs)
}

fn seconds(text: &str) -> Option<Duration> {
    text.parse().ok().map(Duration::from_secs)
}

/// `20261129T223000Z`.
fn amazon_date(text: &str) -> Option<Duration> {
    let date = NaiveDateTime::parse_from_str(text, "%Y%m%dT%H%M%SZ").ok()?;
    let seconds = DateTime::<Utc>::from_naive_utc_and_offset(date, Utc).timestamp();
    u64::try_from(seconds).ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_in_use_is_renewed_in_time() {
        let table = [(21_600, 20_520), (3600, 3000), (600, 400), (15, 10), (0, 0)];
        for (lifetime, expected) in table {
            let after = renew_after(Duration::from_secs(lifetime));
            assert_eq!(after, Duration::from_secs(expected), "{lifetime} s");
        }
    }

    const NOW: Duration = Duration::from_secs(1_700_000_000);

    fn seconds_left(address: &str) -> Option<u64> {
        lifetime(address, NOW).map(|left| left.as_secs())
    }

    #[test]
    fn an_address_says_when_it_ends() {
        let table = [
            ("https://r1.googlevideo.com/videoplayback?expire=1700021600&ei=x&ip=1.2.3.4", Some(21_600)),
            (
                "https://manifest.googlevideo.com/api/manifest/hls_playlist/expire/1700021600/ei/x/playlist/index.m3u8",
                Some(21_600),
            ),
            ("https://upos.bilivideo.com/a.m4s?e=ig8e&uipk=5&deadline=1700007200&gen=playurlv2", Some(7200)),
            ("https://cdn.example/live.m3u8?hdnts=st=1699999990~exp=1700000600~acl=/*~hmac=ab", Some(600)),
            ("https://cdn.example/exp=1700000600~acl=%2F*~hmac=ab/live.m3u8", Some(600)),
            ("https://cdn.example/hdntl=exp=1700000600~acl=%2f*/live.m3u8", Some(600)),
            (
                "https://s3.example/a.mp4?X-Amz-Date=20231114T221320Z&X-Amz-Expires=900&X-Amz-Signature=x",
                Some(900),
            ),
            (
                "https://usher.ttvnw.net/api/channel/hls/a.m3u8?sig=x&token=%7B%22channel%22%3A%22a%22%2C%22expires%22%3A1700001200%7D",
                Some(1200),
            ),
            ("https://scontent.cdninstagram.com/v.mp4?oh=x&oe=6553F3F0", Some(752)),
            ("https://cdn.example/a.mp4?Expires=1700000060&Signature=x&Key-Pair-Id=y", Some(60)),
            // The first to end counts.
            ("https://cdn.example/a.mp4?exp=1700000060&expire=1700000050", Some(50)),
            // It has ended.
            ("https://cdn.example/a.mp4?expire=1699999999", Some(0)),
            // No dates.
            ("https://cdn.example/a.mp4?e=5&expire=soon", None),
            ("https://cdn.example/a.mp4?expire=17000000000", None),
            ("https://cdn.example/expire/", None),
            ("https://cdn.example/a.mp4", None),
            ("no address", None),
        ];
        for (address, expected) in table {
            assert_eq!(seconds_left(address), expected, "{address}");
        }
    }
}
