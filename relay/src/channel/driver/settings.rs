//! What a driver does when its channel has new settings.

use std::sync::Arc;

use forebay_core::lifecycle::{Steer, Times};
use forebay_core::ring::Limits;
use forebay_core::time::Moment;
use tracing::info;

use super::Driver;
use crate::channel::command::Command;
use crate::channel::steering::places;
use crate::input::hls::Memory;
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
        let old = std::mem::replace(&mut self.channel, new);
        let places = if old.program == self.channel.program {
            places(&old, &self.channel)
        } else {
            vec![None; self.channel.sources.len()] // another programme is another source
        };
        if self.gap.slate.is_none() {
            self.splice.set_program(self.channel.program);
        } else if !self.channel.policy.slate {
            self.drop_slate();
        }
        for lease in self.lines.iter().filter_map(|line| line.lease.as_ref()) {
            lease.set_priority(self.channel.priority);
        }
        // What is gone is closed below, and is about no source meanwhile.
        let find = |old: usize| places.iter().position(|&place| place == Some(old));
        self.lines.iter_mut().for_each(|line| line.source = find(line.source).unwrap_or(usize::MAX));
        self.errors = places.iter().map(|place| self.errors[(*place)?].take()).collect();
        let memory =
            |place: &Option<usize>| place.map_or_else(Memory::default, |at| self.memories[at].clone());
        self.memories = places.iter().map(memory).collect();
        if let Some((source, _)) = &mut self.left {
            *source = source.and_then(find);
        }
        self.has_news = true;
        self.life.set_times(times(&self.channel.policy));
        self.ring.set_limits(limits(&self.channel.policy));
        self.set_packager();
        self.set_timeshift();
        info!(sources = self.channel.sources.len(), "channel has new settings");
        self.life.arrange(now, &places);
    }

    /// An admin wants another source, or the usual one again.
    pub(super) fn handle_command(&mut self, now: Moment, Command { steer, answer }: Command) {
        let current = self.life.source();
        let result = self.life.steer(now, steer);
        info!(?steer, ?result, "steered");
        self.steered = match steer {
            _ if result.is_err() => self.steered,
            Steer::Pin(source) if source != current => Some("pinned"),
            Steer::Skip => Some("skipped"),
            Steer::Disable(source) if source == current => Some("disabled"),
            Steer::Pin(_) | Steer::Disable(_) | Steer::Unpin | Steer::Enable(_) => None,
        };
        self.has_news = true;
        // Who asked looks at it then.
        self.report_state();
        // Who asked may have gone.
        let _ = answer.send(result);
    }
}
