//! How ffmpeg gets to where it is missing.

use std::ffi::OsStr;

use crate::programs::find;

/// Programs that install others, each with the command that brings ffmpeg.
const INSTALLERS: &[(&str, &str)] = &[
    ("apt-get", "sudo apt-get install ffmpeg"),
    ("dnf", "sudo dnf install ffmpeg-free"),
    ("apk", "apk add ffmpeg"),
    ("pacman", "sudo pacman -S ffmpeg"),
    ("zypper", "sudo zypper install ffmpeg"),
    ("brew", "brew install ffmpeg"),
];

/// The command that installs ffmpeg on this system.
pub(super) fn install_command() -> &'static str {
    let known = INSTALLERS.iter().find(|(installer, _)| find(OsStr::new(installer)).is_some());
    known.map_or("the package \"ffmpeg\" of your system", |(_, command)| command)
}
