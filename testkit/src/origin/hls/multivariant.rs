//! Several broadcasts behind one multivariant playlist.

use std::time::Duration;

use super::{Broadcast, Hls};
use crate::origin::{Behaviour, Origin};

/// A multivariant playlist, built up fluently.
#[derive(Debug, Clone, Default)]
pub struct Multivariant {
    variants: Vec<(Variant, Hls)>,
    audio: Vec<(String, String, Hls)>,
    lines: Vec<String>,
    delay: Duration,
}

/// The attributes of EXT-X-STREAM-INF.
#[derive(Debug, Clone)]
pub struct Variant {
    attributes: String,
}

/// A multivariant playlist on air.
#[derive(Debug, Clone)]
pub struct Multicast {
    /// The URL of the multivariant playlist.
    pub url: String,
    /// The variants, in their order.
    pub variants: Vec<Broadcast>,
    /// The audio renditions, in their order.
    pub audio: Vec<Broadcast>,
}

impl Variant {
    /// Peak bit rate in bit/s.
    pub fn new(bandwidth: u64) -> Self {
        Self { attributes: format!("BANDWIDTH={bandwidth}") }
    }

    /// As in RFC 6381: `avc1.64001e,mp4a.40.2`.
    #[must_use]
    pub fn codecs(self, codecs: &str) -> Self {
        self.attribute(&format!("CODECS=\"{codecs}\""))
    }

    /// Width and height of the picture.
    #[must_use]
    pub fn resolution(self, width: u32, height: u32) -> Self {
        self.attribute(&format!("RESOLUTION={width}x{height}"))
    }

    /// The group of its audio renditions.
    #[must_use]
    pub fn audio(self, group: &str) -> Self {
        self.attribute(&format!("AUDIO=\"{group}\""))
    }

    fn attribute(self, attribute: &str) -> Self {
        Self { attributes: format!("{},{attribute}", self.attributes) }
    }
}

impl Multivariant {
    /// A variant; they are listed in the order in which they are given, in folders `v0`, `v1` …
    #[must_use]
    pub fn variant(mut self, variant: Variant, hls: Hls) -> Self {
        self.variants.push((variant, hls));
        self
    }

    /// An audio rendition of a group, in folders `a0`, `a1` … The first one of all is the default.
    #[must_use]
    pub fn audio(mut self, group: &str, language: &str, hls: Hls) -> Self {
        self.audio.push((group.into(), language.into(), hls));
        self
    }

    /// Any further line, before the variants.
    #[must_use]
    pub fn line(mut self, line: &str) -> Self {
        self.lines.push(line.into());
        self
    }

    /// Answers requests for the multivariant playlist only after so long.
    #[must_use]
    pub fn delay(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    /// Puts all of it on air below this folder.
    pub fn mount(self, origin: &Origin, folder: &str) -> Multicast {
        let mut lines = vec!["#EXTM3U".to_owned(), "#EXT-X-VERSION:7".to_owned()];
        let mut audio = Vec::new();
        for (number, (group, language, hls)) in self.audio.into_iter().enumerate() {
            let default = if number == 0 { "YES" } else { "NO" };
            lines.push(format!(
                "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"{group}\",NAME=\"{language}\",LANGUAGE=\"{language}\",DEFAULT={default},AUTOSELECT=YES,URI=\"a{number}/index.m3u8\""
            ));
            audio.push(hls.mount(origin, &format!("{folder}/a{number}")));
        }
        lines.extend(self.lines);
        let mut variants = Vec::new();
        for (number, (variant, hls)) in self.variants.into_iter().enumerate() {
            lines.push(format!("#EXT-X-STREAM-INF:{}", variant.attributes));
            lines.push(format!("v{number}/index.m3u8"));
            variants.push(hls.mount(origin, &format!("{folder}/v{number}")));
        }
        let text = lines.join("\n") + "\n";
        let path = format!("{folder}/index.m3u8");
        let behaviour = Behaviour::body("application/vnd.apple.mpegurl", text);
        let behaviour = behaviour.answer_after(self.delay);
        origin.serve(&path, behaviour.header("Access-Control-Allow-Origin", "*"));
        Multicast { url: origin.url(&path), variants, audio }
    }
}
