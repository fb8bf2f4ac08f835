//! Any bytes as a file of subtitles: what is read of it is in order, and written as `WebVTT`.
#![no_main]

use std::time::Duration;

use forebay_core::subtitles::{parse, part, whole};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let cues = parse(data);
    assert!(cues.is_sorted_by_key(|cue| cue.begin), "cues are in the order in which they are shown");
    for cue in &cues {
        assert!(cue.begin < cue.end, "a cue is shown for a while");
        assert!(!cue.text.contains("-->") && !cue.text.contains("\n\n"), "a cue ends where it says");
        assert!(!cue.text.contains('\r') && !cue.settings.contains(['\n', '\r']), "{cue:?}");
    }
    assert_eq!(parse(whole(&cues, Duration::ZERO).as_bytes()).len(), cues.len(), "what was written is read again");
    let segment = part(&cues, Duration::from_secs(6), Duration::from_secs(12));
    let shown = cues.iter().filter(|cue| cue.begin.as_secs() < 12 && cue.end > Duration::from_secs(6));
    assert_eq!(parse(segment.as_bytes()).len(), shown.count(), "a segment has what is shown in it");
});
