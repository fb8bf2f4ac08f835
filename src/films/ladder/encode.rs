//! What ffmpeg is told: one process, which decodes once and encodes each rung.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use forebay_core::index::Film;
use forebay_core::rungs::{self, Rung};

/// A file to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Output {
    pub(super) rung: Rung,
    pub(super) path: PathBuf,
}

/// The quality that is aimed at: x264's constant rate factor, one better than its default. What is
/// simple takes less than the rate of the rung, and nothing takes more.
const QUALITY: &str = "22";

/// The arguments behind those that every job has. `cuts` is where key frames are to be, and nowhere
/// else; times stay those of the film.
pub(super) fn arguments(input: &Path, film: &Film, outputs: &[Output], cuts: &str) -> Vec<OsString> {
    let timescale = film.tracks()[0].timescale;
    let mut words: Vec<OsString> =
        // A film is whatever lies in the folder: one that is a playlist in
        // truth must not have the server read addresses of its network.
        ["-copyts", "-protocol_whitelist", "file", "-i"].map(OsString::from).into();
    words.push(file(input));
    words.extend(["-filter_complex".into(), filters(outputs).into()]);
    // Without a pyramid, B pictures have others decoded one picture early and no more.
    let b_pictures = if rungs::is_decoded_early(film) { "3" } else { "0" };
    for (at, Output { rung, path }) in outputs.iter().enumerate() {
        let Rung { rate, .. } = *rung;
        let map = format!("[v{at}]");
        // What is complex may take half as much again, but not for longer than a buffer of two
        // seconds lasts.
        let (most, buffer) = ((rate + rate / 2).to_string(), (2 * rate).to_string());
        // The unit of time of the encoder and of the file is that of the film, so that cuts are
        // equal to the tick.
        let (base, scale) = (format!("1:{timescale}"), timescale.to_string());
        let of_rung = [
            ["-map", &map],
            ["-c:v", "libx264"],
            ["-preset", "veryfast"],
            ["-profile:v", "high"],
            // Also of a film with ten bits: eight are what every player decodes.
            ["-pix_fmt", "yuv420p"],
            ["-crf", QUALITY],
            ["-maxrate", &most],
            ["-bufsize", &buffer],
            ["-bf", b_pictures],
            ["-x264-params", "b-pyramid=none"],
            // No key frames of its own: each would be a cut that the film does not have.
            ["-g", "1000000"],
            ["-sc_threshold", "0"],
            ["-forced-idr", "1"],
            ["-force_key_frames", cuts],
            // Each picture at its own time, none doubled or left
            // out, or cuts would be beside those of the film.
            ["-fps_mode", "passthrough"],
            ["-enc_time_base", &base],
            ["-video_track_timescale", &scale],
            // Nobody is told the title or the tags of the film by a copy of it.
            ["-map_metadata", "-1"],
            ["-map_chapters", "-1"],
            ["-f", "mp4"],
        ];
        words.extend(of_rung.iter().flatten().map(OsString::from));
        words.push(file(path));
    }
    words
}

/// The pictures once for each rung, the shorter side as long as it says.
fn filters(outputs: &[Output]) -> String {
    let mut text = format!("[0:V:0]split={}", outputs.len());
    for at in 0..outputs.len() {
        let _ = write!(text, "[s{at}]");
    }
    for (at, Output { rung, .. }) in outputs.iter().enumerate() {
        let side = rung.height;
        // Minus two keeps the shape and rounds to an even number, which this kind of pixels needs.
        let (width, height) = (format!("if(gt(iw,ih),-2,{side})"), format!("if(gt(iw,ih),{side},-2)"));
        let _ = write!(text, ";[s{at}]scale=w='{width}':h='{height}'[v{at}]");
    }
    text
}

/// A path that is taken for nothing else.
fn file(path: &Path) -> OsString {
    // Names of films begin with hyphens and have colons: they would be options, or protocols.
    let mut word = OsString::from("file:");
    word.push(path);
    word
}
