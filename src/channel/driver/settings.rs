//! What a driver does when its channel has new settings.

use std::sync::Arc;

use forebay_core::lifecycle::{Event, Times};
use forebay_core::ring::Limits;
use forebay_core::time::Moment;
use tracing::info;

use super::Driver;
use crate::config::Policy;

pub(super) fn times(policy: &Policy) -> Times {
    Times {
        idle: policy.idle_timeout,
        connect: policy.connect_timeout,
        stall: policy.stall_timeout,
        start: policy.start_timeout,
    }
}

pub(super) fn limits(policy: &Policy) -> Limits {
    Limits { span: policy.buffer, bytes: policy.buffer_bytes }
}

impl Driver {
    pub(super) fn handle_settings(&mut self, now: Moment) {
        let new = Arc::clone(&self.settings.borrow_and_update());
        let old = std::mem::replace(&mut self.channel, new);
        let current = self.channel.sources.iter().position(|new| Some(new) == old.sources.get(self.source));
        let current = current.filter(|_| old.program == self.channel.program);
        self.splice.set_program(self.channel.program);
        self.source = current.unwrap_or(0);
        self.errors = self
            .channel
            .sources
            .iter()
            .map(|new| {
                old.sources.iter().position(|old| old == new).and_then(|index| self.errors[index].take())
            })
            .collect();
        self.has_news = true;
        self.life.set_times(times(&self.channel.policy));
        self.ring.set_limits(limits(&self.channel.policy));
        self.set_packager();
        self.set_timeshift();
        info!(sources = self.channel.sources.len(), "channel has new settings");
        let sources = self.channel.sources.len();
        self.life.handle_event(now, Event::Reconfigured { sources, current });
    }
}
