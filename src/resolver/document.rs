//! What the worker tells of a page.

use std::collections::BTreeMap;
use std::time::Duration;

use forebay_core::resolve::{Format as Form, lifetime};
use serde::Deserialize;

/// A page, as it was resolved.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Document {
    /// Its id at the platform.
    pub id: Option<String>,
    /// What it is called.
    pub title: Option<String>,
    /// What it says of itself.
    pub description: Option<String>,
    /// The address of a picture.
    pub thumbnail: Option<String>,
    /// Who has put it there.
    pub uploader: Option<String>,
    /// `20261129`.
    pub upload_date: Option<String>,
    /// `is_live`, `was_live`, `is_upcoming` …
    pub live_status: Option<String>,
    /// Seconds.
    pub duration: Option<f64>,
    /// How often it was watched.
    pub view_count: Option<u64>,
    /// How many like it.
    pub like_count: Option<u64>,
    /// The forms in which the platform has its media, the best last.
    #[serde(default)]
    pub formats: Vec<Format>,
    /// The pages of a list.
    pub entries: Option<Vec<Entry>>,
}

/// A form in which the platform has the media: each field is one of the document that yt-dlp
/// writes.
#[derive(Clone, PartialEq, Deserialize)]
pub struct Format {
    /// What the platform calls it.
    #[serde(rename = "format_id")]
    pub id: Option<String>,
    /// It may hold a token: never in a log.
    pub url: Option<String>,
    /// Of HLS, the playlist that names this form among others. It may hold a token, too.
    pub manifest_url: Option<String>,
    /// `mp4`, `webm` …
    pub ext: Option<String>,
    /// `https`, `m3u8_native`, `http_dash_segments` …
    pub protocol: Option<String>,
    /// What the platform says of it: `1080p60`.
    #[serde(rename = "format_note")]
    pub note: Option<String>,
    /// None of sound alone.
    #[serde(rename = "vcodec")]
    pub video_codec: Option<String>,
    /// None of a picture without sound.
    #[serde(rename = "acodec")]
    pub audio_codec: Option<String>,
    /// Pixels.
    pub width: Option<u32>,
    /// Lines.
    pub height: Option<u32>,
    /// Pictures a second.
    #[serde(rename = "fps")]
    pub frame_rate: Option<f64>,
    /// Bits a second, 0 where that is not known.
    #[serde(default)]
    pub bitrate: u64,
    /// Bytes, where they are known or guessed.
    pub filesize: Option<u64>,
    /// Cookies that the platform wants to see with the address.
    pub cookies: Option<String>,
    /// Whether only players of the platform can decrypt it.
    #[serde(default)]
    pub has_drm: bool,
    /// What the platform wants to see with the address.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Entry {
    /// Its id at the platform.
    pub id: Option<String>,
    /// What it is called.
    pub title: Option<String>,
}

impl Document {
    /// How long all of its addresses are good, by what they say themselves; `now` is the time since
    /// 1970.
    pub(super) fn lifetime(&self, now: Duration) -> Option<Duration> {
        let addresses = self.formats.iter().flat_map(|format| [&format.url, &format.manifest_url]);
        // The first to end counts: which of them a viewer needs is not known here.
        addresses.filter_map(|address| lifetime(address.as_deref()?, now)).min()
    }

    /// The formats, as the choice among them sees them.
    pub fn forms(&self) -> Vec<Form> {
        self.formats.iter().map(Format::form).collect()
    }
}

impl Format {
    /// The form, as the choice among several sees it.
    pub fn form(&self) -> Form {
        Form {
            video_codec: self.video_codec.clone(),
            audio_codec: self.audio_codec.clone(),
            height: self.height.unwrap_or(0),
            bitrate: self.bitrate,
            has_drm: self.has_drm,
        }
    }

    /// Whether it is one file, which can be had in ranges.
    pub fn is_file(&self) -> bool {
        let is_http = self.protocol.as_deref().is_some_and(|name| matches!(name, "http" | "https"));
        is_http && self.url.is_some() && !self.has_drm
    }

    /// `1080p`, `audio`.
    pub fn quality(&self) -> String {
        match self.height.filter(|_| self.video_codec.is_some()) {
            Some(height) => format!("{height}p"),
            None if self.video_codec.is_none() => "audio".to_owned(),
            None => self.note.clone().unwrap_or_else(|| "unknown".to_owned()),
        }
    }

    /// Whether a player that knows the address alone can open it.
    pub fn opens_by_itself(&self) -> bool {
        // Any player sends some User-Agent and takes whatever comes.
        const OF_ANY_PLAYER: &[&str] = &["user-agent", "accept", "accept-language", "sec-fetch-mode"];
        // A redirect cannot carry headers or cookies, so the player has to do without.
        let wants = |name: &String| !OF_ANY_PLAYER.contains(&name.to_lowercase().as_str());
        self.cookies.is_none() && !self.headers.keys().any(wants)
    }
}

impl std::fmt::Debug for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Addresses, headers and cookies may hold tokens.
        f.debug_struct("Format").field("id", &self.id).field("height", &self.height).finish_non_exhaustive()
    }
}
