//! Addresses of streams, as panels build them.

use crate::lineup::Kind;

/// What an address of a panel's shape says: `http://host/live/user/password/17.ts` and its kin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamUrl<'a> {
    /// The kind of the stream.
    pub kind: Kind,
    /// The panel's number of it, which stays when hosts, users and passwords change.
    pub id: u64,
    /// The user's name; empty where the address has none.
    pub user: &'a str,
}

/// Folders that other servers use; a user of such a name would be one in a million.
const NO_USERS: [&str; 18] = [
    "hls",
    "play",
    "stream",
    "streams",
    "channel",
    "channels",
    "video",
    "videos",
    "media",
    "tv",
    "iptv",
    "cdn",
    "api",
    "content",
    "vod",
    "timeshift",
    "udp",
    "rtp",
];

impl<'a> StreamUrl<'a> {
    /// Reads an address; `None` where it has another shape.
    ///
    /// Known are `/live/U/P/ID.ext` behind any folders, `/U/P/ID`, `/U/P/ID.ts` and `/U/P/ID.m3u8`
    /// alone, and
    /// `live.php?…stream=ID` of portals.
    pub fn read(url: &'a str) -> Option<Self> {
        let (_, rest) = url.split_once("://")?;
        let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (_, path) = address.split_once('/')?;
        let mut parts = path.rsplitn(5, '/');
        let file = parts.next()?;
        if matches!(file, "live.php" | "movie.php" | "series.php") {
            return Self::of_portal(file, query);
        }
        let (password, user, folder) = (parts.next()?, parts.next()?, parts.next());
        let is_alone = folder.is_none();
        let kind = match folder {
            Some("live") => Kind::Live,
            Some("movie") => Kind::Movie,
            Some("series") => Kind::Series,
            None => Kind::Live,
            Some(_) => return None,
        };
        let (number, ending) = file.split_once('.').unwrap_or((file, ""));
        let is_live_file = matches!(ending, "" | "ts" | "m3u8");
        let is_user = !NO_USERS.contains(&user) && !NO_USERS.contains(&password);
        let fits = !user.is_empty() && !password.is_empty() && (!is_alone || (is_live_file && is_user));
        fits.then(|| Some(Self { kind, id: stream_id(number)?, user }))?
    }

    fn of_portal(file: &str, query: &'a str) -> Option<Self> {
        let value = |key: &str| {
            query
                .split('&')
                .filter_map(|pair| pair.split_once('='))
                .find(|(name, _)| *name == key)
                .map(|it| it.1)
        };
        let kind = match file {
            "movie.php" => Kind::Movie,
            "series.php" => Kind::Series,
            _ => Kind::Live,
        };
        let id = stream_id(value("stream")?.split('.').next()?)?;
        Some(Self { kind, id, user: value("mac").or_else(|| value("username")).unwrap_or_default() })
    }
}

/// The greatest number of a stream: ten digits, more than a panel's database gives.
pub(super) const MAX_STREAM_ID: u64 = 9_999_999_999;

/// A panel's number: digits, and not more than [`MAX_STREAM_ID`] has.
fn stream_id(text: &str) -> Option<u64> {
    let is_number = (1..=10).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_panels() {
        let table = [
            ("http://h:8080/live/u/p/17.ts", Some((Kind::Live, 17, "u"))),
            ("https://h/live/u/p/17.m3u8?token=x", Some((Kind::Live, 17, "u"))),
            ("http://h/live/u/p/17", Some((Kind::Live, 17, "u"))),
            ("http://h/u/p/17", Some((Kind::Live, 17, "u"))),
            ("http://h/u/p/17.ts", Some((Kind::Live, 17, "u"))),
            ("http://h/sub/path/live/u/p/17.ts", Some((Kind::Live, 17, "u"))),
            ("http://h/movie/u/p/17.mkv", Some((Kind::Movie, 17, "u"))),
            ("http://h/series/u/p/17.mp4", Some((Kind::Series, 17, "u"))),
            (
                "http://h/play/live.php?mac=00:1A:79&stream=17&extension=ts",
                Some((Kind::Live, 17, "00:1A:79")),
            ),
            ("http://h/hls/abc/17.m3u8", None),
            ("http://h/u/p/17.mp4", None),
            ("http://h/u/p/x17.ts", None),
            ("http://h/u/p/12345678901.ts", None),
            ("http://h/a/u/p/17.ts", None),
            ("http://h/17.ts", None),
            ("http://h//p/17.ts", None),
            ("http://h", None),
            ("17.ts", None),
            ("http://h/live.php", None),
        ];
        for (url, expected) in table {
            assert_eq!(StreamUrl::read(url).map(|it| (it.kind, it.id, it.user)), expected, "{url}");
        }
    }
}
