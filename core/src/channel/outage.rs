//! The time between two sources: what viewers are sent meanwhile, and for how long they had
//! nothing.

use std::time::Duration;

use crate::time::Moment;

/// Connections are kept alive after so long without output: players take a connection for dead
/// after some seconds.
pub const KEEP_ALIVE_AFTER: Duration = Duration::from_millis(500);

/// The time between two packets that keep connections alive.
pub const KEEP_ALIVE_EVERY: Duration = Duration::from_millis(250);

/// The time from the beginning of an outage to the slate. A shorter outage is bridged by what
/// players have buffered.
pub const SLATE_AFTER: Duration = Duration::from_secs(2);

/// What is wanted while a channel has no output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FillerNeeds {
    /// The slate: the channel has one, and is read.
    pub slate: bool,
    /// Packets that keep connections alive: the channel wants them, and somebody has a connection
    /// that could be taken for dead.
    pub keep_alive: bool,
}

/// What is sent instead of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filler {
    /// The slate, until a source is active again.
    Slate,
    /// One packet that keeps connections alive.
    KeepAlive,
}

/// Follows the output of a channel, and the outages in it.
#[derive(Debug, Default)]
pub struct Outage {
    state: State,
    /// When there was output last, packets that keep alive included. None before the first picture,
    /// and where such packets are impossible.
    last_output_at: Option<Moment>,
    /// Bytes of the output that is not stored yet which only keep connections alive.
    filler: usize,
    /// Whether viewers did not notice the last outage, since they had the slate or since there was
    /// none.
    was_covered: bool,
}

#[derive(Debug, Default, Clone, Copy)]
enum State {
    /// A source is active, or none has been yet.
    #[default]
    None,
    Lasting {
        since: Moment,
        /// When it began for viewers: none watched if absent.
        noticed_at: Option<Moment>,
        has_slate: bool,
    },
}

impl Outage {
    /// The active source was left, and no other took its place. Returns whether an outage begins
    /// for viewers; `is_read` is whether there are any.
    pub fn begin(&mut self, now: Moment, is_read: bool) -> bool {
        if let State::None = self.state {
            self.state = State::Lasting { since: now, noticed_at: None, has_slate: false };
        }
        match &mut self.state {
            State::Lasting { noticed_at: noticed_at @ None, .. } if is_read => {
                *noticed_at = Some(now);
                true
            }
            State::Lasting { .. } | State::None => false,
        }
    }

    /// The first viewer came back to a channel without viewers, and has waited for nothing yet.
    pub fn reset_start(&mut self, now: Moment) {
        if let State::Lasting { since, .. } = &mut self.state {
            *since = now;
        }
    }

    /// A source becomes active. Returns for how long viewers had none, if there was such a time.
    pub fn end(&mut self, now: Moment) -> Option<Duration> {
        let before = std::mem::take(&mut self.state);
        let is_covered = matches!(before, State::None | State::Lasting { has_slate: true, .. });
        self.was_covered = self.last_output_at.is_some() && is_covered;
        self.last_output_at = Some(now);
        match before {
            State::Lasting { noticed_at: Some(begun), .. } => Some(now.since(begun)),
            State::Lasting { noticed_at: None, .. } | State::None => None,
        }
    }

    /// Whether viewers did not notice the time before the active source.
    pub fn was_covered(&self) -> bool {
        self.was_covered
    }

    /// The slate is shown from now on, or no longer.
    pub fn set_slate(&mut self, is_shown: bool) {
        if let State::Lasting { has_slate, .. } = &mut self.state {
            *has_slate = is_shown;
        }
    }

    /// There are so many bytes of output. Returns how many of them do more than keep connections
    /// alive.
    pub fn record_output(&mut self, now: Moment, bytes: usize) -> usize {
        let content = bytes.saturating_sub(std::mem::take(&mut self.filler));
        if content > 0 {
            self.last_output_at = Some(now);
        }
        content
    }

    /// A packet that keeps connections alive has added so many bytes to the output. With none, no
    /// such packet is possible: there was no picture yet, or the outage lasts for hours.
    pub fn keep_alive(&mut self, now: Moment, bytes: usize) {
        self.filler += bytes;
        self.last_output_at = (bytes > 0).then(|| now + KEEP_ALIVE_EVERY - KEEP_ALIVE_AFTER);
    }

    /// When [`Outage::poll_filler`] is to be asked.
    pub fn poll_timeout(&self, wanted: FillerNeeds) -> Option<Moment> {
        let has_slate = matches!(self.state, State::Lasting { has_slate: true, .. });
        let packet = self.last_output_at.filter(|_| wanted.keep_alive && !has_slate);
        let packet_at = packet.map(|last_output_at| last_output_at + KEEP_ALIVE_AFTER);
        self.slate_at(wanted).into_iter().chain(packet_at).min()
    }

    /// What is due.
    pub fn poll_filler(&self, now: Moment, wanted: FillerNeeds) -> Option<Filler> {
        self.poll_timeout(wanted).filter(|&at| at <= now)?;
        let is_slate_due = self.slate_at(wanted).is_some_and(|at| at <= now);
        Some(if is_slate_due { Filler::Slate } else { Filler::KeepAlive })
    }

    /// When the slate is due, where it is wanted and not shown.
    fn slate_at(&self, wanted: FillerNeeds) -> Option<Moment> {
        match self.state {
            State::Lasting { since, has_slate: false, .. } if wanted.slate => Some(since + SLATE_AFTER),
            State::Lasting { .. } | State::None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: FillerNeeds = FillerNeeds { slate: true, keep_alive: true };
    const PACKETS: FillerNeeds = FillerNeeds { slate: false, keep_alive: true };

    fn at(millis: u64) -> Moment {
        Moment::from_millis(millis)
    }

    /// A source was active from 0 s, and had output at 10 s.
    fn played() -> Outage {
        let mut outage = Outage::default();
        assert_eq!(outage.end(at(0)), None);
        assert_eq!(outage.record_output(at(10_000), 188), 188);
        outage
    }

    #[test]
    fn nothing_is_sent_before_the_first_picture() {
        let mut outage = Outage::default();
        assert_eq!(outage.poll_timeout(ALL), None);
        outage.keep_alive(at(0), 0);
        assert_eq!(outage.poll_timeout(ALL), None);
    }

    #[test]
    fn packets_come_half_a_second_after_the_last_output_and_the_slate_after_two() {
        let mut outage = played();
        assert!(outage.begin(at(10_000), true));
        let mut sent = Vec::new();
        while let Some(due) = outage.poll_timeout(ALL) {
            match outage.poll_filler(due, ALL) {
                Some(Filler::KeepAlive) => {
                    sent.push(due);
                    outage.keep_alive(due, 188);
                    assert_eq!(outage.record_output(due, 188), 0, "it is no content");
                }
                Some(Filler::Slate) => {
                    assert_eq!(due, at(12_000));
                    outage.set_slate(true);
                }
                None => panic!("something is due"),
            }
        }
        assert_eq!(sent, [10_500, 10_750, 11_000, 11_250, 11_500, 11_750].map(at));
        assert_eq!(outage.end(at(15_000)), Some(Duration::from_secs(5)));
        assert!(outage.was_covered());
    }

    #[test]
    fn a_source_that_stands_still_is_bridged_by_packets_and_never_by_the_slate() {
        let outage = played();
        assert_eq!(outage.poll_timeout(ALL), Some(at(10_500)));
        assert_eq!(outage.poll_filler(at(13_000), ALL), Some(Filler::KeepAlive));
        assert_eq!(outage.poll_timeout(FillerNeeds::default()), None);
    }

    #[test]
    fn an_outage_is_told_once_and_only_where_somebody_watches() {
        let mut outage = played();
        assert!(!outage.begin(at(11_000), false));
        assert_eq!(outage.end(at(12_000)), None);
        assert!(!outage.was_covered());
        assert!(outage.begin(at(13_000), true));
        assert!(!outage.begin(at(14_000), true));
        assert_eq!(outage.end(at(15_000)), Some(Duration::from_secs(2)));
    }

    #[test]
    fn a_seamless_switch_is_covered_and_an_opening_is_not() {
        let mut outage = Outage::default();
        outage.end(at(0));
        assert!(!outage.was_covered());
        outage.end(at(5_000));
        assert!(outage.was_covered());
    }

    #[test]
    fn who_comes_back_waits_for_the_slate_from_then_on() {
        let mut outage = played();
        outage.begin(at(10_000), false);
        outage.reset_start(at(60_000));
        assert_eq!(outage.poll_timeout(FillerNeeds { slate: true, keep_alive: false }), Some(at(62_000)));
    }

    #[test]
    fn where_no_packet_is_possible_none_is_tried_until_there_is_output() {
        let mut outage = played();
        outage.begin(at(10_000), true);
        outage.keep_alive(at(10_500), 0);
        assert_eq!(outage.poll_timeout(PACKETS), None);
        outage.record_output(at(20_000), 188);
        assert_eq!(outage.poll_timeout(PACKETS), Some(at(20_500)));
    }
}
