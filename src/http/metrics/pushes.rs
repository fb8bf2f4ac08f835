//! What pushes do.

use forebay_relay::push::{Report, State};

use super::family::{Family, Label};

/// Pushes with series of their own, the first by id.
const MAX_PUSHES: usize = 200;

/// What each push does.
pub(super) fn families(reports: &[Report]) -> Vec<Family> {
    let named = &reports[..reports.len().min(MAX_PUSHES)];
    let push = |report: &Report| -> Vec<Label> { vec![("push", report.id.as_str().to_owned())] };
    let counters = |name, help, of: fn(&Report) -> u64| {
        Family::counters(name, help, named.iter().map(|report| (push(report), of(report))))
    };
    let up = named.iter().map(|report| (push(report), u64::from(report.state == State::Publishing)));
    let queue = named.iter().map(|report| (push(report), report.queue.as_secs_f64()));
    vec![
        Family::gauges("push_up", "1 while the server takes the stream.", up),
        Family::gauges("push_queue", "How long the oldest picture or sound has been waiting.", queue)
            .in_seconds(),
        counters("push_connects", "Connections on which the server took the stream.", |it| it.connects),
        counters("push_sent", "Bytes to the server.", |it| it.bytes_sent).in_bytes(),
        counters("push_dropped_frames", "Pictures left out since the server was too slow.", |it| {
            it.frames_dropped
        }),
    ]
}
