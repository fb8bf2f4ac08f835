//! What a driver does when its channel has new settings.

use std::sync::Arc;

use forebay_core::channel::SwitchReason;
use forebay_core::lifecycle::{Steer, Times};
use forebay_core::ring::Limits;
use forebay_core::time::Moment;
use tracing::info;

use super::Driver;
use crate::channel::command::Command;
use crate::model::Policy;

pub(super) fn times(policy: &Policy) -> Times {
    Times {
        idle: policy.idle_timeout,
        connect: policy.connect_timeout,
        stall: policy.stall_timeout,
        start: policy.start_timeout,
        hedge: policy.hedge,
        return_after: policy.return_after,
    }
}

pub(super) fn limits(policy: &Policy) -> Limits {
    Limits { span: policy.buffer, bytes: policy.buffer_bytes }
}

impl Driver {
    pub(super) fn handle_settings(&mut self, now: Moment) {
        let new = Arc::clone(&self.settings.borrow_and_update());
        self.channel = new;
        if self.gap.slate.is_none() {
            self.splice.set_program(self.channel.program);
        } else if !self.channel.policy.slate {
            self.drop_slate();
        }
        for lease in self.lines.iter().filter_map(|line| line.lease.as_ref()) {
            lease.set_priority(self.channel.priority);
        }
        for line in self.lines.iter_mut() {
            // One that is gone is closed below, and has the place that it had.
            line.label.place = self.channel.place(line.source).unwrap_or(line.label.place);
        }
        self.sources.retain(&self.channel);
        self.has_news = true;
        self.life.set_times(times(&self.channel.policy));
        self.ring.set_limits(limits(&self.channel.policy));
        self.set_packager();
        self.set_timeshift();
        info!(sources = self.channel.sources.len(), "channel has new settings");
        self.life.set_sources(now, &self.channel.source_ids());
    }

    /// An admin wants another source, or the usual one again.
    pub(super) fn handle_command(&mut self, now: Moment, Command { steer, answer }: Command) {
        let current = self.life.source();
        let result = self.life.steer(now, steer);
        let place = steer.source().and_then(|source| self.channel.place(source));
        info!(action = steer.name(), source = place, ?result, "steered");
        self.steered = match steer {
            _ if result.is_err() => self.steered,
            Steer::Pin(source) if source != current => Some(SwitchReason::Pinned),
            Steer::Skip => Some(SwitchReason::Skipped),
            Steer::Disable(source) if source == current => Some(SwitchReason::Disabled),
            Steer::Pin(_) | Steer::Disable(_) | Steer::Unpin | Steer::Enable(_) => None,
        };
        self.has_news = true;
        // Who asked looks at it then.
        self.report_state();
        // Who asked may have gone.
        let _ = answer.send(result);
    }
}
