//! `[backups]`.

use std::path::Path;
use std::time::Duration;

use forebay_relay::model::{Checker, DurationText, Limits, limits_ms};

use super::super::Backups;
use super::super::file::BackupsFile;

/// From what a small database bears to half a year.
const EVERY: Limits<Duration> = limits_ms(60_000, 180 * 86_400_000);

/// As many as there are days in ten years.
const MOST: i64 = 3650;

pub(super) fn backups(checker: &mut Checker, typed: &BackupsFile, folder: &Path, data: &Path) -> Backups {
    let default = Backups::default();
    let is_off = matches!(&typed.every, Some(DurationText(text)) if text == "off");
    let every = checker.duration("every", typed.every.as_ref().filter(|_| !is_off), &EVERY);
    let dir = checker.words("dir", typed.dir.as_ref());
    Backups {
        every: (!is_off).then(|| every.or(default.every)).flatten(),
        keep: checker
            .number("keep", typed.keep.as_ref(), MOST)
            .and_then(|keep: u32| usize::try_from(keep).ok())
            .unwrap_or(default.keep),
        folder: dir.map_or_else(|| data.join("backups"), |dir| folder.join(dir)),
    }
}
