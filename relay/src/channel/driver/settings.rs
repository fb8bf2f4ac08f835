//! New settings of a channel, and orders of an admin.

use forebay_core::lifecycle::Times;
use forebay_core::store_index::Limits;
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
        self.channel = self.inbox.take_settings();
        let policy = &self.channel.policy;
        self.output.index.set_limits(limits(policy));
        self.hls.set_settings(&policy.hls);
        self.life.set_times(times(policy));
        self.ingests.configure(&self.channel, self.priority());
        if let Some(timeshift) = &self.timeshift {
            timeshift.configure(&self.channel);
        }
        if !self.fillers.has_slate() {
            self.output.splice.set_program(self.channel.program);
        } else if !self.channel.policy.slate {
            self.drop_slate();
        }
        self.status.set_stale();
        info!(sources = self.channel.sources.len(), "channel has new settings");
        // Last, since it may ask for sources to be opened or closed, by all the settings above.
        self.life.set_sources(now, &self.channel.source_ids());
    }

    /// Carries out an order of an admin.
    pub(super) fn handle_command(&mut self, now: Moment, Command { order, answer }: Command) {
        let current = self.life.source();
        let result = self.life.override_source(now, order);
        let position = order.source().and_then(|source| self.channel.position(source));
        info!(action = order.name(), source = position, ?result, "source override");
        if result.is_ok() {
            self.switches.handle_order(order, current);
        }
        self.status.set_stale();
        // Before the answer, since the caller reads the status next.
        self.report_state();
        // The caller may no longer wait.
        let _ = answer.send(result);
    }
}
