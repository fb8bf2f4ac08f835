//! When segments were made, as their playlist says (`EXT-X-PROGRAM-DATE-TIME`, RFC 8216, 4.3.2.6).
//!
//! Dates tell which segments of two lists belong together where nothing else does: numbers and
//! names may differ, and lists need not end at the same time. Servers get them wrong, too. So they
//! count only as long as they agree with the durations of their list, and nothing depends on them
//! alone: no date leads further than a list without any could have led.

use std::time::Duration;

use super::date::Date;
use super::model::Segment;

/// How far a date may be from what those before it come to: encoders that state the time at which
/// they write have no even pace.
const TOLERANCE: Duration = Duration::from_secs(1);

/// Gives each segment its date that follows from those that are stated, up to the discontinuities
/// around it. Where those contradict one another, none of them has any: how often that is.
pub(super) fn spread(segments: &mut [Segment]) -> u64 {
    let parts = segments.chunk_by_mut(|_, next| !next.is_discontinuity);
    parts.map(spread_part).map(u64::from).sum()
}

/// The same of one part; true if its dates are void.
fn spread_part(part: &mut [Segment]) -> bool {
    let mut next: Option<Date> = None;
    let mut is_void = false;
    for segment in &mut *part {
        if let (Some(stated), Some(expected)) = (segment.date, next) {
            is_void |= stated.abs_diff(expected) > TOLERANCE.max(segment.duration / 2);
        }
        segment.date = segment.date.or(next);
        next = segment.date.map(|date| date.after(segment.duration));
    }
    for segment in part.iter_mut().rev() {
        if segment.date.is_none() {
            segment.date = next.map(|date| date.before(segment.duration));
        }
        next = segment.date;
    }
    if is_void {
        for segment in part {
            segment.date = None;
        }
    }
    is_void
}

/// The index of the segment that goes on at `date`: one that begins up to `slack` later counts. The
/// length of the list, if that ends then.
pub(super) fn find<'a>(
    segments: impl IntoIterator<Item = &'a Segment>,
    date: Date,
    slack: impl Fn(&Segment) -> Duration,
) -> Option<usize> {
    let mut end = None;
    for (index, segment) in segments.into_iter().enumerate() {
        let slack = slack(segment);
        let Some(begin) = segment.date else {
            end = None;
            continue;
        };
        let ends = begin.after(segment.duration);
        if (begin..ends).contains(&date.after(slack)) {
            return Some(index);
        }
        end = (ends.abs_diff(date) <= slack).then_some(index + 1);
    }
    end
}

#[cfg(test)]
mod tests;
