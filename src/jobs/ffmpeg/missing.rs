//! Where a program is, and how it gets there.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Programs that install others, each with the command that brings ffmpeg.
const INSTALLERS: &[(&str, &str)] = &[
    ("apt-get", "sudo apt-get install ffmpeg"),
    ("dnf", "sudo dnf install ffmpeg-free"),
    ("apk", "apk add ffmpeg"),
    ("pacman", "sudo pacman -S ffmpeg"),
    ("zypper", "sudo zypper install ffmpeg"),
    ("brew", "brew install ffmpeg"),
];

/// The program of this name or path, if there is one.
pub(super) fn find(program: &OsStr) -> Option<PathBuf> {
    let path = Path::new(program);
    if path.components().count() > 1 {
        return path.is_file().then(|| path.to_owned());
    }
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders).map(|folder| folder.join(path)).find(|path| path.is_file())
}

/// The command that installs ffmpeg on this system.
pub(super) fn install_command() -> &'static str {
    let known = INSTALLERS.iter().find(|(installer, _)| find(OsStr::new(installer)).is_some());
    known.map_or("the package \"ffmpeg\" of your system", |(_, command)| command)
}
