//! A clip as fragmented MP4.

use std::fs;
use std::process::{self, Command};

use super::{Clip, make_once};
use crate::player;

/// Which tracks of a clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tracks {
    /// Picture and sound.
    All,
    /// The picture alone.
    Video,
    /// The sound alone.
    Audio,
}

impl Clip {
    /// The same pictures and sound as fragmented MP4: a fragment for each group of pictures, or for each half second
    /// of sound alone. Each track begins at zero, and edit lists say where they belong. Made by ffmpeg when it is first asked for, and kept beside the clip.
    ///
    /// # Panics
    /// For a clip made with [`Clip::from_bytes`], and if ffmpeg cannot make it.
    pub fn fragmented(&self, tracks: Tracks) -> Vec<u8> {
        let path = self.path().with_extension(format!("{tracks:?}.fragmented.mp4"));
        make_once(&path, || {
            player::require("ffmpeg");
            let temporary = path.with_extension(format!("{}.tmp", process::id()));
            let (map, cut) = match tracks {
                Tracks::All => ("-map 0:v -map 0:a:0", "-movflags +frag_keyframe"),
                Tracks::Video => ("-map 0:v", "-movflags +frag_keyframe"),
                Tracks::Audio => ("-map 0:a:0", "-frag_duration 500000"),
            };
            let is_adts = self.streams().iter().any(|stream| stream.stream_type == 0x0f);
            let filter = if is_adts && tracks != Tracks::Video { "-bsf:a aac_adtstoasc" } else { "" };
            let words =
                format!("{map} -c copy {filter} {cut} -movflags +delay_moov+default_base_moof -f mp4");
            let output = Command::new("ffmpeg")
                .args(["-nostdin", "-v", "error", "-y", "-i"])
                .arg(self.path())
                .args(words.split_whitespace())
                .arg(&temporary)
                .output()
                .unwrap_or_else(|error| panic!("cannot run ffmpeg: {error}"));
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(
                output.status.success(),
                "ffmpeg could not make {} ({}): {said}",
                path.display(),
                output.status
            );
            fs::rename(&temporary, &path)
                .unwrap_or_else(|error| panic!("cannot make {}: {error}", path.display()));
        });
        fs::read(&path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
    }
}
