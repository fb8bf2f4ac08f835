//! What holds of a channel.

use forebay_core::failover::SourceId;
use forebay_core::health::Worth;
use forebay_core::lifecycle::{Attempt, Event};
use forebay_core::provider::Purpose;
use forebay_core::time::Moment;

use crate::station::{Line, Outside, State, Station};

impl Station {
    /// News of an attempt that is no longer there does nothing.
    pub(crate) fn hear_late_news(&mut self, now: Moment) {
        let is_over = |attempt: &&Attempt| self.lines.iter().all(|line| line.attempt != **attempt);
        let Some(&late) = self.opened.iter().rev().find(is_over) else { return };
        let before = self.life.poll_timeout();
        for event in [
            Event::Granted(late),
            Event::Alive(late),
            Event::Locked(late),
            Event::Progress(late),
            Event::Picture(late),
            Event::Unhealthy { attempt: late, worth: Worth::Nothing },
            Event::NoSlot(late),
            Event::Ended(late),
            Event::Stalled(late),
            Event::Yield(late),
        ] {
            self.life.handle_event(now, event);
            assert_eq!(
                (self.life.poll_action(), self.life.poll_timeout()),
                (None, before),
                "{event:?} is late"
            );
        }
    }

    /// What holds whenever nothing is left to do.
    pub(crate) fn check(&self, outside: &Outside) {
        if !self.is_open {
            assert!(self.lines.is_empty() && self.viewers == 0);
            return;
        }
        assert!(self.lines.len() <= 2, "more than two are open");
        assert_eq!(self.life.is_live(), self.on_air.is_some());
        self.watch.check(outside.now);
        let waits = self.lines.iter().any(|line| matches!(line.state, State::Waiting(_)));
        assert!(waits || self.life.poll_timeout().is_some(), "nothing will ever wake it");
        self.check_slots(outside);
        let mut open: Vec<SourceId> = self.lines.iter().map(|line| line.source).collect();
        if let Some(beside) = self.life.beside() {
            assert_eq!(open.iter().filter(|&&source| source == beside).count(), 1);
            open.retain(|&source| source != beside);
        }
        assert!(open.iter().all(|&source| source == self.life.source()) && open.len() <= 1);
        // What viewers depend on is not given up as something beside.
        let first = self.lines.iter().find(|line| line.source == self.life.source());
        if let Some(Line { state: State::Open(Some(ticket), _), source, .. }) = first {
            let provider = outside.source(*source).provider.expect("it has a ticket");
            assert_eq!(outside.accounts[provider].purpose(*ticket), Purpose::Air);
        }
    }

    /// Who waits for nothing but a connection hears of one that is free.
    fn check_slots(&self, outside: &Outside) {
        if !self.lines.is_empty() || self.viewers == 0 {
            return;
        }
        let failover = self.life.failover();
        for &source in &self.lineup {
            let is_wanted = self.slotless.contains(&source) && failover.may_open(source);
            let provider = outside.source(source).provider;
            let is_free = provider.is_some_and(|provider| outside.accounts[provider].is_free(outside.now));
            assert!(!is_wanted || !is_free, "there is a connection for {source:?}, and it is not used");
        }
    }

    /// The source on air.
    pub(crate) fn shows(&self) -> Option<SourceId> {
        self.life.is_live().then(|| self.life.source())
    }
}
