//! How much of a source is lost, in stretches of some seconds.
//!
//! This is no fault: a source that loses one packet in four hundred is watched for hours. But where
//! there is a source that loses none, it is the better one.

use std::time::Duration;

use crate::time::Moment;

/// How long a stretch is: a burst of errors spoils one of them, however long it is.
pub(super) const STRETCH: Duration = Duration::from_secs(10);

/// With fewer packets of pictures and sound, nothing is said of a stretch: sound at 64 kbit/s has
/// 400.
const MIN_PACKETS: u64 = 200;

/// A source is lossy where at least one packet in so many is lost or damaged: at 4 Mbit/s that is
/// two or three blemishes a second.
const LOSSY: u64 = 1_000;

/// How a stretch was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grade {
    /// Little or nothing was lost.
    Clean,
    /// So much was lost that another source is better.
    Lossy,
}

/// Counts what is lost.
#[derive(Debug, Default)]
pub(super) struct Loss {
    began: Option<Moment>,
    packets: u64,
    lost: u64,
    grade: Option<Grade>,
}

impl Loss {
    /// A packet of pictures or sound came.
    #[inline]
    pub(super) fn handle_packet(&mut self) {
        self.packets += 1;
    }

    /// So many packets were damaged, or something was missing in front of them.
    pub(super) fn handle_errors(&mut self, count: u32) {
        self.lost += u64::from(count);
    }

    pub(super) fn advance(&mut self, now: Moment) {
        let began = *self.began.get_or_insert(now);
        if now.since(began) < STRETCH {
            return;
        }
        if self.packets >= MIN_PACKETS {
            let is_lossy = self.lost * LOSSY >= self.packets;
            self.grade = Some(if is_lossy { Grade::Lossy } else { Grade::Clean });
        }
        self.began = Some(now);
        self.packets = 0;
        self.lost = 0;
    }

    /// The grade of a stretch that has ended. It is told once.
    pub(super) fn poll(&mut self) -> Option<Grade> {
        self.grade.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stretch with so many packets, of which so many are lost.
    fn grade(packets: u64, lost: u32) -> Option<Grade> {
        let mut meter = Loss::default();
        meter.advance(Moment::ZERO);
        (0..packets).for_each(|_| meter.handle_packet());
        meter.handle_errors(lost);
        meter.advance(Moment::from_millis(9_999));
        assert_eq!(meter.poll(), None);
        meter.advance(Moment::from_millis(10_000));
        let grade = meter.poll();
        assert_eq!(meter.poll(), None);
        grade
    }

    #[test]
    fn a_stretch_is_lossy_from_one_packet_in_a_thousand() {
        assert_eq!(grade(26_000, 0), Some(Grade::Clean));
        assert_eq!(grade(26_000, 25), Some(Grade::Clean));
        assert_eq!(grade(26_000, 26), Some(Grade::Lossy));
        assert_eq!(grade(26_000, 65), Some(Grade::Lossy));
    }

    #[test]
    fn nothing_is_said_of_a_stretch_with_hardly_a_packet() {
        assert_eq!(grade(199, 50), None);
    }
}
