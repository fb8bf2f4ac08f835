//! How far apart a source's key pictures are, and so whether it is likely that another one comes.

use std::time::Duration;

use crate::time::{Pts, duration_to_ticks};

/// Behind its first key picture, a source is given so long for the next one: twice and more what
/// encoders are set to without thinking, which is 250 pictures.
const LONGEST_USUAL: Duration = Duration::from_secs(24);

/// A longer way from one key picture to the next is taken for this long: it may have been an
/// outage.
const LONGEST: Duration = Duration::from_mins(1);

/// The groups of pictures of one source, each from a key picture to the next.
#[derive(Debug, Default)]
pub(super) struct Groups {
    /// When the last key picture is decoded, on the output timeline.
    last: Option<Pts>,
    /// The longest group so far, in ticks.
    longest: i64,
}

impl Groups {
    /// There is a key picture that is decoded at `time`.
    pub(super) fn handle_key(&mut self, time: Pts) {
        // At most the limit, or one outage would make every later wait as long.
        if let Some(last) = self.last.replace(time) {
            self.longest = self.longest.max(time.since(last)).min(duration_to_ticks(LONGEST));
        }
    }

    /// Whether another key picture is to be expected at `time`: there have been some, and the last
    /// one is not twice as far away as they were apart.
    pub(super) fn go_on(&self, time: Pts) -> bool {
        // Twice: an encoder puts key pictures at cuts of the scene, so their distance varies.
        let patience = duration_to_ticks(LONGEST_USUAL).max(2 * self.longest);
        self.last.is_some_and(|last| time.since(last) <= patience)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 90_000;

    #[test]
    fn key_pictures_are_expected_as_long_as_they_may_come() {
        let at = |second: i64| Pts::new(Pts::WRAP - 9_000).shifted(second * SECOND);
        let mut groups = Groups::default();
        assert!(!groups.go_on(at(0)), "there was none");
        groups.handle_key(at(0));
        assert!(groups.go_on(at(24)) && !groups.go_on(at(25)));
        groups.handle_key(at(20));
        assert!(groups.go_on(at(60)) && !groups.go_on(at(61)), "twice as long");
        groups.handle_key(at(1_000));
        assert!(groups.go_on(at(1_120)) && !groups.go_on(at(1_121)), "that was no group");
    }
}
