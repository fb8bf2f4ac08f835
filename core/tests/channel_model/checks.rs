//! What holds of a channel.

use forebay_core::failover::SourceId;
use forebay_core::health::Severity;
use forebay_core::lifecycle::{AttemptId, Event};
use forebay_core::provider::Purpose;
use forebay_core::time::Moment;

use crate::outside::{Ingest, Outside, State};
use crate::station::Station;

impl Station {
    /// News of an attempt that is no longer there does nothing.
    pub(crate) fn hear_late_news(&mut self, now: Moment) {
        let is_over = |attempt: &&AttemptId| self.ingests.iter().all(|ingest| ingest.attempt != **attempt);
        let Some(&late) = self.opened.iter().rev().find(is_over) else { return };
        let before = self.life.poll_timeout();
        for event in [
            Event::Granted(late),
            Event::Alive(late),
            Event::InSync(late),
            Event::Progress(late),
            Event::KeyframeReady(late),
            Event::Unhealthy { attempt: late, severity: Severity::Nothing },
            Event::NoConnection(late),
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
            assert!(self.ingests.is_empty() && self.viewers == 0);
            return;
        }
        assert!(self.ingests.len() <= 2, "more than two are open");
        assert_eq!(self.life.is_live(), self.active.is_some());
        self.watch.check(outside.now);
        let waits = self.ingests.iter().any(|ingest| matches!(ingest.state, State::Waiting(_)));
        assert!(waits || self.life.poll_timeout().is_some(), "nothing will ever wake it");
        self.check_slots(outside);
        let mut open: Vec<SourceId> = self.ingests.iter().map(|ingest| ingest.source).collect();
        if let Some(beside) = self.life.standby() {
            assert_eq!(open.iter().filter(|&&source| source == beside).count(), 1);
            open.retain(|&source| source != beside);
        }
        assert!(open.iter().all(|&source| source == self.life.source()) && open.len() <= 1);
        // What viewers depend on is not given up as something beside.
        let first = self.ingests.iter().find(|ingest| ingest.source == self.life.source());
        if let Some(Ingest { state: State::Open(Some(ticket), _), source, .. }) = first {
            let provider = outside.source(*source).provider.expect("it has a ticket");
            let purpose = outside.accounts[provider].purpose(*ticket);
            let is_retry = purpose == Purpose::Retry && self.active.is_none();
            assert!(purpose == Purpose::Active || is_retry, "viewers depend on a {purpose:?}");
        }
    }

    /// Who waits for nothing but a connection hears of one that is free.
    fn check_slots(&self, outside: &Outside) {
        if !self.ingests.is_empty() || self.viewers == 0 {
            return;
        }
        let failover = self.life.failover();
        for &source in &self.lineup {
            let is_wanted = self.without_connection.contains(&source) && failover.may_open(source);
            let provider = outside.source(source).provider;
            let is_free = provider.is_some_and(|provider| outside.accounts[provider].is_free(outside.now));
            assert!(!is_wanted || !is_free, "there is a connection for {source:?}, and it is not used");
        }
    }

    /// The active source.
    pub(crate) fn shows(&self) -> Option<SourceId> {
        self.life.is_live().then(|| self.life.source())
    }
}
