use super::*;

#[test]
fn every_clip_is_a_clean_stream_of_the_stated_length() {
    for kind in Kind::ALL {
        let began = std::time::Instant::now();
        let clip = Clip::get(kind);
        let report = Checker::check(clip.bytes());
        println!("{kind:?}: {} bytes, {:?}, {:?}", clip.bytes().len(), began.elapsed(), report.streams);
        let faults = report.faults(&crate::ts::Limits { clean_start: false, ..crate::ts::Limits::default() });
        assert!(faults.is_empty(), "{kind:?}: {faults:?}\n{report:#?}");
        let missing = clip.duration().checked_sub(report.media_time).expect("no longer than the loop");
        assert!(missing < Duration::from_millis(100), "{kind:?} ends {missing:?} before its loop");
    }
}
