//! A page of a platform, and the many ways in which people write its address.

use std::fmt;

use url::Url;

use super::Platform;

/// Bytes of an address of a page.
const MAX_ADDRESS: usize = 2048;

/// A page: a platform, and an id there. Two addresses of one page give equal values.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Page {
    platform: Platform,
    id: Box<str>,
}

/// What an address leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// This page.
    Page(Page),
    /// A page that only the platform's own redirect tells: the address to ask.
    Short(Url),
}

/// Why something names no page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAPage {
    /// It is no http(s) address.
    #[error("this is not an http or https address")]
    NotAnAddress,
    /// It has a user, a password or a port, as no page of a platform has.
    #[error("an address of a page has no user, password or port")]
    NotPlain,
    /// No such platform is known.
    #[error("this is not an address of YouTube, Bilibili, Twitter, Instagram or Twitch")]
    UnknownPlatform,
    /// The platform is known, but the address names no video, live channel or clip.
    #[error("this address of {0} names no video, live channel or clip")]
    NoVideo(Platform),
    /// Ids of the platform look otherwise.
    #[error("this is not an id of {0}")]
    WrongId(Platform),
}

impl Page {
    /// The page with this id.
    pub fn new(platform: Platform, id: &str) -> Result<Self, NotAPage> {
        if !platform.knows(id) {
            return Err(NotAPage::WrongId(platform));
        }
        Ok(Self { platform, id: id.into() })
    }

    /// The platform.
    pub fn platform(&self) -> Platform {
        self.platform
    }

    /// The id there.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The address of the page, always written in the same way.
    pub fn address(&self) -> String {
        self.platform.address(&self.id)
    }
}

impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.platform, self.id)
    }
}

impl Target {
    /// What this address leads to. Only http(s) addresses of hosts of the platforms are read.
    pub fn read(address: &str) -> Result<Self, NotAPage> {
        let address = address.trim();
        if address.len() > MAX_ADDRESS || address.bytes().any(|byte| byte.is_ascii_control()) {
            return Err(NotAPage::NotAnAddress);
        }
        let url = Url::parse(address).map_err(|_| NotAPage::NotAnAddress)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(NotAPage::NotAnAddress);
        }
        if !url.username().is_empty() || url.password().is_some() || url.port().is_some() {
            return Err(NotAPage::NotPlain);
        }
        let host = url.domain().ok_or(NotAPage::UnknownPlatform)?;
        // Short links name nothing themselves; only the platform knows where they lead.
        if matches!(host, "b23.tv" | "t.co") {
            return Ok(Self::Short(url));
        }
        let (platform, place) = place(host).ok_or(NotAPage::UnknownPlatform)?;
        let segments: Vec<&str> =
            url.path_segments().into_iter().flatten().filter(|segment| !segment.is_empty()).collect();
        let id = match platform {
            Platform::YouTube => youtube(place, &segments, &url),
            Platform::Bilibili => bilibili(place, &segments),
            Platform::Twitter => match segments[..] {
                [_, "status", id, ..] => Some(id.to_owned()),
                _ => None,
            },
            Platform::Instagram => match segments[..] {
                ["p" | "reel" | "reels" | "tv", id, ..] | [_, "p" | "reel", id, ..] => Some(id.to_owned()),
                _ => None,
            },
            Platform::Twitch => twitch(place, &segments),
        };
        let id = id.ok_or(NotAPage::NoVideo(platform))?;
        Page::new(platform, &id).map(Self::Page).map_err(|_| NotAPage::NoVideo(platform))
    }
}

/// The platform of a host, and what stands before its name.
fn place(host: &str) -> Option<(Platform, &str)> {
    const DOMAINS: &[(&str, Platform)] = &[
        ("youtube.com", Platform::YouTube),
        ("youtube-nocookie.com", Platform::YouTube),
        ("youtu.be", Platform::YouTube),
        ("bilibili.com", Platform::Bilibili),
        ("twitter.com", Platform::Twitter),
        ("x.com", Platform::Twitter),
        ("instagram.com", Platform::Instagram),
        ("twitch.tv", Platform::Twitch),
    ];
    // A dot at the end is legal in a name of DNS.
    let host = host.strip_suffix('.').unwrap_or(host);
    DOMAINS.iter().find_map(|&(domain, platform)| match host.strip_suffix(domain)? {
        // The whole host says enough.
        "" if domain == "youtu.be" => Some((platform, "youtu.be")),
        "" => Some((platform, "")),
        before => Some((platform, before.strip_suffix('.')?)),
    })
}

fn youtube(place: &str, segments: &[&str], url: &Url) -> Option<String> {
    let id = match (place, segments) {
        ("youtu.be", [id, ..]) | (_, ["shorts" | "live" | "embed" | "v", id, ..]) => (*id).to_owned(),
        (_, ["watch", ..]) => {
            url.query_pairs().find(|(name, _)| name == "v").map(|(_, value)| value.into_owned())?
        }
        (_, ["channel", id, "live"] | ["channel", id]) => (*id).to_owned(),
        (_, [handle, "live"] | [handle]) if handle.starts_with('@') => (*handle).to_owned(),
        _ => return None,
    };
    Some(id)
}

fn bilibili(place: &str, segments: &[&str]) -> Option<String> {
    match (place, segments) {
        ("live", ["h5", room, ..] | [room, ..]) => Some(format!("live:{room}")),
        (_, ["video", id, ..] | ["bangumi", "play", id, ..]) => Some((*id).to_owned()),
        _ => None,
    }
}

fn twitch(place: &str, segments: &[&str]) -> Option<String> {
    match (place, segments) {
        ("clips", [clip, ..]) | (_, [_, "clip", clip, ..]) => Some(format!("clip:{clip}")),
        (_, ["videos", number, ..]) => Some(format!("v{number}")),
        // What else stands there is no channel.
        (_, ["directory" | "downloads" | "jobs" | "p" | "settings" | "subscriptions" | "search"]) => None,
        // Names of channels have no capitals of their own.
        (_, [channel]) => Some(channel.to_ascii_lowercase()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(address: &str) -> String {
        match Target::read(address) {
            Ok(Target::Page(page)) => page.to_string(),
            Ok(Target::Short(_)) => "short".to_owned(),
            Err(error) => format!("{error:?}"),
        }
    }

    #[test]
    fn a_page_has_one_name_however_its_address_is_written() {
        let table = [
            ("https://www.youtube.com/watch?v=dQw4w9WgXcQ", "youtube/dQw4w9WgXcQ"),
            ("http://m.youtube.com/watch?list=PL1&v=dQw4w9WgXcQ&t=3", "youtube/dQw4w9WgXcQ"),
            ("https://youtu.be/dQw4w9WgXcQ?si=abc", "youtube/dQw4w9WgXcQ"),
            (" https://www.youtube.com/shorts/dQw4w9WgXcQ ", "youtube/dQw4w9WgXcQ"),
            ("https://www.youtube-nocookie.com/embed/dQw4w9WgXcQ", "youtube/dQw4w9WgXcQ"),
            ("https://youtube.com/live/dQw4w9WgXcQ/", "youtube/dQw4w9WgXcQ"),
            ("https://www.youtube.com/@NASA/live", "youtube/@NASA"),
            ("https://www.youtube.com/@NASA", "youtube/@NASA"),
            (
                "https://www.youtube.com/channel/UCLA_DiR1FfKNvjuUpBHmylQ/live",
                "youtube/UCLA_DiR1FfKNvjuUpBHmylQ",
            ),
            ("https://www.bilibili.com/video/BV1GJ411x7h7/?p=1", "bilibili/BV1GJ411x7h7"),
            ("https://m.bilibili.com/video/av80433022", "bilibili/av80433022"),
            ("https://www.bilibili.com/bangumi/play/ep733316", "bilibili/ep733316"),
            ("https://live.bilibili.com/21144080?from=x", "bilibili/live:21144080"),
            ("https://live.bilibili.com/h5/21144080", "bilibili/live:21144080"),
            ("https://b23.tv/abcdef", "short"),
            ("https://twitter.com/NASA/status/1410624005669169154", "twitter/1410624005669169154"),
            ("https://x.com/i/status/1410624005669169154?s=20", "twitter/1410624005669169154"),
            ("https://t.co/abcdef", "short"),
            ("https://www.instagram.com/reel/CxyzABC_-12/?igsh=1", "instagram/CxyzABC_-12"),
            ("https://www.instagram.com/nasa/p/CxyzABC_-12/", "instagram/CxyzABC_-12"),
            ("https://www.twitch.tv/NASA", "twitch/nasa"),
            ("https://m.twitch.tv/videos/1234567890", "twitch/v1234567890"),
            ("https://clips.twitch.tv/Funny-Clip_1", "twitch/clip:Funny-Clip_1"),
            ("https://www.twitch.tv/nasa/clip/Funny-Clip_1", "twitch/clip:Funny-Clip_1"),
        ];
        for (address, expected) in table {
            assert_eq!(page(address), expected, "{address}");
        }
    }

    #[test]
    fn what_names_no_page_is_refused() {
        let table = [
            ("", "NotAnAddress"),
            ("dQw4w9WgXcQ", "NotAnAddress"),
            ("ytsearch:cats", "NotAnAddress"),
            ("file:///etc/passwd", "NotAnAddress"),
            ("--batch-file=/etc/passwd", "NotAnAddress"),
            ("javascript:alert(1)", "NotAnAddress"),
            ("ftp://www.youtube.com/watch?v=dQw4w9WgXcQ", "NotAnAddress"),
            ("https://www.youtube.com/wat\nch?v=dQw4w9WgXcQ", "NotAnAddress"),
            ("https://joe:secret@www.youtube.com/watch?v=dQw4w9WgXcQ", "NotPlain"),
            ("https://www.youtube.com:8443/watch?v=dQw4w9WgXcQ", "NotPlain"),
            ("http://127.0.0.1/watch?v=dQw4w9WgXcQ", "UnknownPlatform"),
            ("http://[::1]/", "UnknownPlatform"),
            ("http://169.254.169.254/latest/meta-data", "UnknownPlatform"),
            ("https://notyoutube.com/watch?v=dQw4w9WgXcQ", "UnknownPlatform"),
            ("https://www.youtube.com.evil.example/watch?v=dQw4w9WgXcQ", "UnknownPlatform"),
            ("https://evil.example/?u=https://www.youtube.com/watch?v=dQw4w9WgXcQ", "UnknownPlatform"),
            ("https://www.youtube.com@evil.example/watch?v=dQw4w9WgXcQ", "NotPlain"),
            ("https://www.youtube.com/watch?v=short", "NoVideo(YouTube)"),
            ("https://www.youtube.com/watch?v=dQw4w9WgXc%2F", "NoVideo(YouTube)"),
            ("https://www.youtube.com/feed/trending", "NoVideo(YouTube)"),
            ("https://www.bilibili.com/video/BVtoo-short", "NoVideo(Bilibili)"),
            ("https://x.com/NASA", "NoVideo(Twitter)"),
            ("https://x.com/NASA/status/12345678901234567890123", "NoVideo(Twitter)"),
            ("https://www.instagram.com/nasa/", "NoVideo(Instagram)"),
            ("https://www.twitch.tv/directory", "NoVideo(Twitch)"),
            ("https://www.twitch.tv/a b", "NoVideo(Twitch)"),
        ];
        for (address, expected) in table {
            assert_eq!(page(address), expected, "{address}");
        }
        let long = format!("https://www.youtube.com/watch?v=dQw4w9WgXcQ&x={}", "a".repeat(MAX_ADDRESS));
        assert_eq!(page(&long), "NotAnAddress");
    }

    #[test]
    fn the_address_of_a_page_names_the_same_page() {
        let ids = [
            (Platform::YouTube, ["dQw4w9WgXcQ", "@NASA", "UCLA_DiR1FfKNvjuUpBHmylQ"].as_slice()),
            (Platform::Bilibili, &["BV1GJ411x7h7", "av80433022", "ep733316", "live:21144080"]),
            (Platform::Twitter, &["1410624005669169154"]),
            (Platform::Instagram, &["CxyzABC_-12"]),
            (Platform::Twitch, &["nasa", "v1234567890", "clip:Funny-Clip_1"]),
        ];
        for (platform, ids) in ids {
            for id in ids {
                let page = Page::new(platform, id).unwrap();
                assert_eq!(Target::read(&page.address()), Ok(Target::Page(page)), "{platform} {id}");
            }
        }
    }

    #[test]
    fn an_id_of_another_form_is_refused_before_anything_is_asked() {
        for platform in Platform::ALL {
            for id in ["", "..", "../../etc/passwd", "a/b", "-x y", "%2e%2e", "$(id)", "ä", &"1".repeat(200)]
            {
                assert_eq!(Page::new(platform, id), Err(NotAPage::WrongId(platform)), "{platform} {id}");
            }
        }
    }
}
