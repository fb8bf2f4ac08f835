//! The messages that wait for one receiver, and when the next attempt is due.

use std::collections::VecDeque;
use std::time::Duration;

/// Messages that are kept while a receiver does not take them; the oldest goes first.
pub const MAX_KEPT: usize = 1000;

/// The pause behind a first failure. Each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause: a receiver that was repaired hears of us that soon.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// Attempts of a message that the receiver refuses by itself (4xx): it would refuse it for ever.
const MAX_REFUSALS: u32 = 5;

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    /// Different for each message, and the same in each attempt.
    pub(super) id: String,
    pub(super) body: String,
}

/// How an attempt has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The receiver has the message.
    Taken,
    /// The receiver does not want this message.
    Refused,
    /// It cannot be reached, or fails; what it says of a pause.
    Failed(Option<Duration>),
}

/// How often each thing has happened since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages that the receiver has.
    pub delivered: u64,
    /// Attempts that have failed.
    pub failed: u64,
    /// Messages that were given up: pushed out by newer ones, or refused again and again.
    pub dropped: u64,
}

/// The queue. It has no clock: pauses are told to whoever sends.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: VecDeque<Message>,
    /// Failures in a row.
    failures: u32,
    /// Refusals of the first message.
    refusals: u32,
    counts: Counts,
}

impl Queue {
    /// Takes a message, for which the oldest may have to go.
    pub(super) fn push(&mut self, message: Message) {
        if self.waiting.len() == MAX_KEPT {
            self.waiting.pop_front();
            self.refusals = 0;
            self.counts.dropped += 1;
        }
        self.waiting.push_back(message);
    }

    /// What is sent next.
    pub(super) fn next(&self) -> Option<Message> {
        self.waiting.front().cloned()
    }

    /// How an attempt to send the message of this id has ended; the pause before the next one.
    pub(super) fn ended(&mut self, id: &str, outcome: Outcome) -> Duration {
        // It may have had to go meanwhile.
        let is_first = self.waiting.front().is_some_and(|message| message.id == id);
        match outcome {
            Outcome::Taken => {
                if is_first {
                    self.remove_first();
                }
                self.counts.delivered += 1;
                self.failures = 0;
                return Duration::ZERO;
            }
            Outcome::Refused if is_first => {
                self.refusals += 1;
                if self.refusals >= MAX_REFUSALS {
                    self.remove_first();
                    self.counts.dropped += 1;
                }
            }
            Outcome::Refused | Outcome::Failed(_) => {}
        }
        self.counts.failed += 1;
        self.failures += 1;
        let doubled = FIRST_PAUSE.saturating_mul(1 << (self.failures - 1).min(16));
        let asked = match outcome {
            Outcome::Failed(asked) => asked.unwrap_or_default(),
            _ => Duration::ZERO,
        };
        doubled.max(asked).min(LONGEST_PAUSE)
    }

    fn remove_first(&mut self) {
        self.waiting.pop_front();
        self.refusals = 0;
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(number: usize) -> Message {
        Message { id: format!("msg_{number}"), body: String::new() }
    }

    #[test]
    fn the_newest_thousand_outlive_an_hour_without_a_receiver() {
        let mut queue = Queue::default();
        let (mut passed, mut attempts) = (Duration::ZERO, 0);
        for number in 0..3000 {
            queue.push(message(number));
        }
        while passed < Duration::from_hours(1) {
            let first = queue.next().unwrap();
            passed += queue.ended(&first.id, Outcome::Failed(None));
            attempts += 1;
        }
        // 1 + 2 + … + 256 s, then every five minutes.
        assert!((18..=22).contains(&attempts), "{attempts}");
        assert_eq!((queue.len(), queue.counts().dropped), (MAX_KEPT, 2000));
        let mut taken = Vec::new();
        while let Some(first) = queue.next() {
            assert_eq!(queue.ended(&first.id, Outcome::Taken), Duration::ZERO);
            taken.push(first.id);
        }
        let expected: Vec<String> = (2000..3000).map(|number| format!("msg_{number}")).collect();
        assert_eq!(taken, expected);
    }

    #[test]
    fn a_message_that_is_refused_again_and_again_holds_up_no_other() {
        let mut queue = Queue::default();
        queue.push(message(1));
        queue.push(message(2));
        for _ in 0..MAX_REFUSALS {
            assert_eq!(queue.next(), Some(message(1)));
            queue.ended("msg_1", Outcome::Refused);
        }
        assert_eq!((queue.next(), queue.counts().dropped), (Some(message(2)), 1));
    }

    #[test]
    fn a_message_that_had_to_go_while_it_was_sent_takes_no_other_with_it() {
        let mut queue = Queue::default();
        for number in 0..MAX_KEPT {
            queue.push(message(number));
        }
        let sent = queue.next().unwrap();
        queue.push(message(MAX_KEPT));
        queue.ended(&sent.id, Outcome::Taken);
        assert_eq!(queue.next(), Some(message(1)));
    }

    #[test]
    fn a_receiver_may_ask_for_a_longer_pause() {
        let mut queue = Queue::default();
        queue.push(message(1));
        let asked = Outcome::Failed(Some(Duration::from_secs(90)));
        assert_eq!(queue.ended("msg_1", asked), Duration::from_secs(90));
        assert_eq!(queue.ended("msg_1", Outcome::Failed(Some(Duration::from_hours(9)))), LONGEST_PAUSE);
    }
}
