use forebay_core::histogram::Histogram;
use std::time::Duration;

use super::family::{Family, render};

#[test]
fn figures_are_written_as_open_metrics() {
    const BOUNDS: &[Duration] = &[Duration::from_millis(100)];
    let waits = Histogram::new(BOUNDS);
    waits.note(Duration::from_millis(50));
    waits.note(Duration::from_secs(2));
    let label = |text: &str| vec![("channel", text.to_owned())];
    let text = render(vec![
        Family::counter("sent", "Bytes.", 7).in_bytes(),
        Family::gauges("viewers", "Viewers.", [(label("a\"b\\c\nd"), 1_usize), (label("e"), 2)]),
        Family::histograms("wait", "Waits.", [(label("a"), waits.read())]).in_seconds(),
        Family::gauges("nothing", "Left out.", [] as [(Vec<super::family::Label>, u64); 0]),
        Family::info("build", "The version.", vec![("version", "1".to_owned())]),
    ]);
    let expected = "\
# HELP forebay_sent_bytes Bytes.
# TYPE forebay_sent_bytes counter
# UNIT forebay_sent_bytes bytes
forebay_sent_bytes_total 7
# HELP forebay_viewers Viewers.
# TYPE forebay_viewers gauge
forebay_viewers{channel=\"a\\\"b\\\\c\\nd\"} 1.0
forebay_viewers{channel=\"e\"} 2.0
# HELP forebay_wait_seconds Waits.
# TYPE forebay_wait_seconds histogram
# UNIT forebay_wait_seconds seconds
forebay_wait_seconds_sum{channel=\"a\"} 2.05
forebay_wait_seconds_count{channel=\"a\"} 2
forebay_wait_seconds_bucket{le=\"0.1\",channel=\"a\"} 1
forebay_wait_seconds_bucket{le=\"+Inf\",channel=\"a\"} 2
# HELP forebay_build The version.
# TYPE forebay_build info
forebay_build_info{version=\"1\"} 1
# EOF
";
    assert_eq!(text, expected);
}
