//! Films, as files in whatever container.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::{make_once, media_folder};
use crate::player;

/// Bits of the number that each picture shows.
const BITS: u32 = 12;

/// A film that ffmpeg makes once, `seconds` long. Each picture shows its number: bit `i` is a white
/// square at 40 + 40 `i` pixels from the left and 20 from above, of 640 by 360. `arguments` say how
/// it is coded, and the end of `name` in which container.
///
/// # Panics
/// Without ffmpeg, or if it cannot make the film.
pub fn film(name: &str, seconds: u32, arguments: &str) -> PathBuf {
    let folder = media_folder().join("films");
    fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("cannot make {}: {error}", folder.display()));
    let path = folder.join(name);
    make_once(&path, || {
        player::require("ffmpeg");
        let squares: Vec<String> = (0..BITS).map(square).collect();
        let picture = format!("testsrc2=size=640x360:rate=25,{}", squares.join(","));
        let made = folder.join(format!("making-{name}"));
        let status = Command::new("ffmpeg")
            .args(["-nostdin", "-v", "error", "-y", "-f", "lavfi", "-i", &picture])
            .args(["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"])
            .args(["-t", &seconds.to_string(), "-threads", "1"])
            .args(arguments.split_ascii_whitespace())
            .arg(&made)
            .status();
        assert!(status.is_ok_and(|status| status.success()), "ffmpeg cannot make {name}");
        fs::rename(&made, &path).unwrap_or_else(|error| panic!("cannot keep {name}: {error}"));
    });
    path
}

/// Paints a bit: black, and white where it is set.
fn square(bit: u32) -> String {
    let at = format!("x={}:y=10:w=20:h=20:t=fill", 30 + 40 * bit);
    format!("drawbox={at}:c=black,drawbox={at}:c=white:enable='gte(mod(n,{}),{})'", 2 << bit, 1 << bit)
}
