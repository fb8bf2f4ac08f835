//! The platforms whose pages can be sources.

use std::fmt;
use std::time::Duration;

/// A platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Platform {
    /// youtube.com, youtu.be.
    YouTube,
    /// bilibili.com, b23.tv.
    Bilibili,
    /// x.com, twitter.com.
    Twitter,
    /// instagram.com.
    Instagram,
    /// twitch.tv.
    Twitch,
}

impl Platform {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::YouTube, Self::Bilibili, Self::Twitter, Self::Instagram, Self::Twitch];

    /// The platform of this name, as addresses of the API have it.
    pub fn named(name: &str) -> Option<Self> {
        // Its old and its new name.
        if name == "x" {
            return Some(Self::Twitter);
        }
        Self::ALL.into_iter().find(|platform| platform.name() == name)
    }

    /// Its name in addresses of the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::YouTube => "youtube",
            Self::Bilibili => "bilibili",
            Self::Twitter => "twitter",
            Self::Instagram => "instagram",
            Self::Twitch => "twitch",
        }
    }

    /// The least time from one resolve to the next: platforms take a quick series for a robot.
    pub const fn pace(self) -> Duration {
        match self {
            Self::YouTube | Self::Bilibili => Duration::from_millis(500),
            Self::Twitter | Self::Twitch => Duration::from_millis(250),
            // It asks for a login after a handful.
            Self::Instagram => Duration::from_secs(2),
        }
    }

    /// The address of the page with this id. The id is one that [`Self::knows`].
    pub(super) fn address(self, id: &str) -> String {
        match self {
            Self::YouTube if id.starts_with('@') => format!("https://www.youtube.com/{id}/live"),
            Self::YouTube if id.len() == CHANNEL => format!("https://www.youtube.com/channel/{id}/live"),
            Self::YouTube => format!("https://www.youtube.com/watch?v={id}"),
            Self::Bilibili => match id.split_once(':') {
                Some((_, room)) => format!("https://live.bilibili.com/{room}"),
                None if id.starts_with("ep") => format!("https://www.bilibili.com/bangumi/play/{id}"),
                None => format!("https://www.bilibili.com/video/{id}"),
            },
            Self::Twitter => format!("https://x.com/i/status/{id}"),
            Self::Instagram => format!("https://www.instagram.com/p/{id}/"),
            Self::Twitch => match id.split_once(':') {
                Some((_, clip)) => format!("https://clips.twitch.tv/{clip}"),
                None => match video(id) {
                    Some(number) => format!("https://www.twitch.tv/videos/{number}"),
                    None => format!("https://www.twitch.tv/{id}"),
                },
            },
        }
    }

    /// Whether an id has the form that ids have there.
    pub(super) fn knows(self, id: &str) -> bool {
        match self {
            Self::YouTube => match id.strip_prefix('@') {
                Some(handle) => is_word(handle, 3..=30, "-._"),
                None if id.len() == CHANNEL => id.starts_with("UC") && is_word(id, CHANNEL..=CHANNEL, "-_"),
                None => is_word(id, 11..=11, "-_"),
            },
            Self::Bilibili => {
                id.strip_prefix("BV").is_some_and(|rest| is_word(rest, 10..=10, ""))
                    || ["av", "ep", "live:"].iter().any(|kind| id.strip_prefix(kind).is_some_and(is_number))
            }
            Self::Twitter => is_number(id),
            Self::Instagram => is_word(id, 5..=40, "-_"),
            Self::Twitch => match id.strip_prefix("clip:") {
                Some(clip) => is_word(clip, 1..=100, "-_"),
                None => video(id).is_some() || is_word(id, 2..=25, "_"),
            },
        }
    }
}

/// Characters of the id of a channel on youtube.com.
const CHANNEL: usize = 24;

/// The number of a Twitch video, which is written with or without a `v`.
fn video(id: &str) -> Option<&str> {
    let number = id.strip_prefix('v').unwrap_or(id);
    is_number(number).then_some(number)
}

fn is_number(text: &str) -> bool {
    (1..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_word(text: &str, length: std::ops::RangeInclusive<usize>, besides: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || besides.as_bytes().contains(&byte);
    length.contains(&text.len()) && text.bytes().all(fits)
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
