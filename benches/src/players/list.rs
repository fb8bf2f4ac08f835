//! As much of a media playlist (RFC 8216) as a player here needs.

/// A media playlist.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Playlist {
    /// The target duration in seconds.
    pub(crate) target: f64,
    /// The number of the first segment.
    pub(crate) first: u64,
    /// The segments that it names.
    pub(crate) segments: Vec<Entry>,
}

/// A segment that a playlist names.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    /// Its media sequence number.
    pub(crate) number: u64,
    /// How long it plays, in seconds.
    pub(crate) seconds: f64,
    /// Its address as the playlist gives it.
    pub(crate) uri: String,
}

impl Playlist {
    /// `None` for what is no media playlist.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix("#EXTM3U")?;
        let mut list = Self { target: 0.0, first: 0, segments: Vec::new() };
        let mut seconds = None;
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            if let Some(target) = line.strip_prefix("#EXT-X-TARGETDURATION:") {
                list.target = target.parse().ok().filter(|&target| target > 0.0)?;
            } else if let Some(first) = line.strip_prefix("#EXT-X-MEDIA-SEQUENCE:") {
                list.first = first.parse().ok()?;
            } else if let Some(info) = line.strip_prefix("#EXTINF:") {
                seconds = Some(info.split(',').next()?.parse().ok()?);
            } else if !line.starts_with('#') {
                let number = list.first + list.segments.len() as u64;
                list.segments.push(Entry { number, seconds: seconds.take()?, uri: line.to_owned() });
            }
        }
        (list.target > 0.0).then_some(list)
    }
}

/// The path of what the playlist at the path `base` calls `uri`.
pub(crate) fn resolve(base: &str, uri: &str) -> String {
    if uri.starts_with('/') {
        return uri.to_owned();
    }
    let base = base.split('?').next().unwrap_or_default();
    let folder = base.rfind('/').map_or("/", |at| &base[..=at]);
    format!("{folder}{uri}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_playlist_is_understood() {
        let text = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:7\n\
                    #EXTINF:2.000,\nhls/segment_7.ts\n#EXT-X-DISCONTINUITY\n#EXTINF:1.5,title\nhls/segment_8.ts\n";
        let list = Playlist::parse(text).unwrap();
        let entry = |number, seconds, uri: &str| Entry { number, seconds, uri: uri.to_owned() };
        assert_eq!((list.target, list.first), (2.0, 7));
        assert_eq!(list.segments, [entry(7, 2.0, "hls/segment_7.ts"), entry(8, 1.5, "hls/segment_8.ts")]);
        for other in ["", "{}", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\none.m3u8\n"] {
            assert_eq!(Playlist::parse(other), None, "{other:?}");
        }
    }

    #[test]
    fn addresses_are_seen_from_the_playlist() {
        assert_eq!(resolve("/stream/one/index.m3u8?token=a/b", "hls/1.ts"), "/stream/one/hls/1.ts");
        assert_eq!(resolve("/one.m3u8", "/two/1.ts"), "/two/1.ts");
    }
}
