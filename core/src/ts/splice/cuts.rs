//! Where a segment may begin inside a group of pictures: at a picture in front of which PAT and PMT
//! stand, though no decoder can start with it.

use std::time::Duration;

use crate::time::{MediaTime, duration_to_ticks};

/// How far apart such places are, and from random access points. The tables are sent more often
/// than that in any case, so a place costs nothing.
const CUT_EVERY: Duration = Duration::from_secs(1);

/// Finds those places.
#[derive(Debug, Default)]
pub(super) struct Cuts {
    /// When the picture at the last place, or random access point, is decoded.
    last: Option<MediaTime>,
    /// When the last of the pictures so far is shown.
    shown: MediaTime,
}

impl Cuts {
    /// A picture is a random access point.
    pub(super) fn handle_entry(&mut self, time: MediaTime, shown: MediaTime) {
        (self.last, self.shown) = (Some(time), shown);
    }

    /// Whether a segment may begin with this picture, which is no random access point. One that is
    /// shown before others that were sent would make a segment of the wrong length.
    // Reordered pictures around a cut would be counted in both segments.
    pub(super) fn is_at(&mut self, time: MediaTime, shown: MediaTime) -> bool {
        let is_foremost = shown > self.shown;
        self.shown = self.shown.max(shown);
        let is_due =
            self.last.is_some_and(|last| time.ticks() - last.ticks() >= duration_to_ticks(CUT_EVERY));
        // A picture that is due and not foremost is passed over; the next one is asked again.
        if is_due && is_foremost {
            self.last = Some(time);
        }
        is_due && is_foremost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_lies_between_two_places_and_no_picture_is_shown_across_one() {
        let at = |tenths: i64| MediaTime::new(tenths * 9_000);
        let mut cuts = Cuts::default();
        assert!(!cuts.is_at(at(0), at(0)), "there has been no random access point");
        cuts.handle_entry(at(5), at(6));
        let places = (6..40).filter(|&tenth| {
            // Every other picture is shown later than the one behind it.
            let shown = if tenth % 2 == 0 { tenth + 3 } else { tenth };
            cuts.is_at(at(tenth), at(shown))
        });
        assert_eq!(places.collect::<Vec<_>>(), [16, 26, 36]);
    }
}
