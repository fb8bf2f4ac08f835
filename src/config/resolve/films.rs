//! `[films]`.

use std::path::Path;
use std::time::Duration;

use forebay_core::rungs::Rung;
use forebay_relay::model::{Checker, Limits, limits_ms};

use super::super::Films;
use super::super::file::FilmsFile;

/// From a key frame each second to what players still begin with soon.
const SEGMENT: Limits<Duration> = limits_ms(1_000, 30_000);

/// From what a folder on a disk bears to once a day.
const RESCAN: Limits<Duration> = limits_ms(1_000, 86_400_000);

/// From one film to all that anybody has.
const INDEX_MEMORY: Limits<u64> = Limits { min: 1 << 20, max: 1 << 36 };

/// From the segments of one viewer to the memory of a large server.
const CACHE: Limits<u64> = Limits { min: 16 << 20, max: 1 << 40 };

pub(super) fn films(checker: &mut Checker, typed: Option<&FilmsFile>, folder: &Path) -> Films {
    let (default, typed) = (Films::default(), typed.cloned().unwrap_or_default());
    let path = |text: &str| {
        if text.trim().is_empty() {
            return Err("an empty name is no folder");
        }
        Ok(folder.join(text))
    };
    let rung = |text: &str| {
        let known = "expected 1080p, 720p, 480p or 360p";
        Rung::parse(text).map(Rung::name).ok_or(known)
    };
    let ladder = typed.ladder.as_deref().map(|names| checker.list("ladder", names, rung));
    Films {
        folders: checker.list("folders", typed.folders.as_deref().unwrap_or_default(), path),
        segment: checker.duration("segment", typed.segment.as_ref(), &SEGMENT).unwrap_or(default.segment),
        rescan: checker.duration("rescan", typed.rescan.as_ref(), &RESCAN).unwrap_or(default.rescan),
        index_memory: checker
            .size("index_memory", typed.index_memory.as_ref(), &INDEX_MEMORY)
            .unwrap_or(default.index_memory),
        cache: checker.size("cache", typed.cache.as_ref(), &CACHE).unwrap_or(default.cache),
        ladder: ladder.unwrap_or(default.ladder),
    }
}
