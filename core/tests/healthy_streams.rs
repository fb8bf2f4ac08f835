//! Real streams that are well break no rule of health.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use forebay_core::health::{Inspector, Rules};
use forebay_core::time::{Moment, Pcr};
use forebay_core::ts::sync::{Item, Sync};
use forebay_core::ts::{Packet, Pid};

/// Ticks of a clock reference in a second.
const SECOND: u64 = 27_000_000;

/// A step of a clock that is more, or backwards, is none of time.
const MAX_STEP: u64 = 5 * SECOND;

/// The faults of a stream that comes as fast as its clock goes.
fn faults(bytes: &[u8]) -> Vec<String> {
    // A picture that stands still is asked for too.
    let rules = Rules { frozen_picture: Some(Duration::from_secs(5)), ..Rules::default() };
    let mut inspector = Inspector::new(rules, None);
    let (mut sync, mut ticks, mut last) = (Sync::new(), 0, None::<(Pid, Pcr)>);
    let mut faults = Vec::new();
    for piece in bytes.chunks(1316) {
        let mut items = sync.push(piece);
        while let Some(item) = items.next() {
            let Item::Packets(run) = item else { continue };
            for packet in run.iter().map(Packet::new) {
                let Some(clock) = packet.pcr() else { continue };
                let (pid, before) = *last.get_or_insert_with(|| (packet.pid(), clock));
                if packet.pid() == pid {
                    let step = u64::try_from(clock.since(before)).unwrap_or(0);
                    ticks += if step < MAX_STEP { step } else { 0 };
                    last = Some((pid, clock));
                }
            }
            let now = Moment::from_millis(ticks / (SECOND / 1000));
            inspector.push(now, run);
            while let Some(fault) = inspector.poll_fault() {
                faults.push(format!("{}: {fault}, at {:.1?}", fault.rule.name(), now.elapsed()));
            }
        }
    }
    faults
}

/// The transport streams in a folder and those below it.
fn streams(folder: &Path) -> Vec<PathBuf> {
    let (mut folders, mut streams) = (vec![folder.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(folder).expect("a folder that can be read").flatten();
        for path in entries.map(|entry| entry.path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "ts") {
                streams.push(path);
            }
        }
    }
    streams
}

fn assert_healthy(folder: &Path) {
    let streams = streams(folder);
    assert!(!streams.is_empty(), "there is no stream in {}", folder.display());
    for path in streams {
        let faults = faults(&fs::read(&path).expect("a stream that can be read"));
        assert!(faults.is_empty(), "{}: {faults:?}", path.display());
    }
}

#[test]
fn real_streams_break_no_rule() {
    assert_healthy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data"));
}

/// Run by hand on a folder of streams, `FOREBAY_STREAMS=…`.
#[test]
#[ignore = "it is for folders of one's own"]
fn streams_of_a_folder_break_no_rule() {
    let folder = std::env::var("FOREBAY_STREAMS").expect("FOREBAY_STREAMS names a folder");
    assert_healthy(Path::new(&folder));
}
