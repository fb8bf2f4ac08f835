//! What is sent: a JSON document for each event that somebody may want to act on.

use forebay_relay::events::Event;
use jiff::Timestamp;
use serde_json::{Value, json};

/// What is sent when somebody asks for a test.
pub(super) const TEST: &str = "webhook.test";

/// The type and the data of an event; none where it is not told.
pub(super) fn of_event(event: &Event) -> Option<(&'static str, Value)> {
    Some(match event {
        Event::StreamOpened { channel } => ("channel.opened", json!({ "channel": channel.as_str() })),
        Event::StreamClosed { channel } => ("channel.closed", json!({ "channel": channel.as_str() })),
        Event::StreamStarted { channel, source } => {
            ("channel.source_started", json!({ "channel": channel.as_str(), "source": source.0 }))
        }
        Event::StreamSwitched { channel, from, to, reason } => (
            "channel.source_switched",
            json!({ "channel": channel.as_str(), "from": from.0, "to": to.0, "reason": reason.name() }),
        ),
        Event::OutageBegun { channel } => ("channel.outage_started", json!({ "channel": channel.as_str() })),
        Event::OutageEnded { channel, lasted } => {
            ("channel.outage_ended", json!({ "channel": channel.as_str(), "seconds": lasted.as_secs_f64() }))
        }
        Event::ConnectionRefused { channel, provider } => {
            ("provider.full", json!({ "channel": channel.as_str(), "provider": provider.as_str() }))
        }
        Event::ConfigurationReloaded { added, removed, changed } => {
            ("configuration.reloaded", json!({ "added": added, "removed": removed, "changed": changed }))
        }
        Event::ConfigurationRefused { faults } => ("configuration.refused", json!({ "faults": faults })),
        Event::PlaylistRefreshed { playlist, added, changed, absent } => (
            "playlist.refreshed",
            json!({ "playlist": playlist, "added": added, "changed": changed, "absent": absent }),
        ),
        Event::PlaylistHeld { playlist, reason } => {
            ("playlist.held", json!({ "playlist": playlist, "reason": reason }))
        }
        Event::PlaylistFailed { playlist } => ("playlist.failed", json!({ "playlist": playlist })),
        Event::JobEnded { job, kind, state } => {
            ("job.ended", json!({ "job": job, "kind": kind, "state": state }))
        }
        Event::PushPublished { push, channel } => {
            ("push.published", json!({ "push": &**push, "channel": channel.as_str() }))
        }
        Event::PushEnded { push, channel, reason } => {
            ("push.ended", json!({ "push": &**push, "channel": channel.as_str(), "reason": reason }))
        }
        Event::ServiceFailed { service, .. } => ("service.failed", json!({ "service": service })),
        _ => return None,
    })
}

/// The body of a message.
pub(super) fn body(kind: &str, data: &Value, at: Timestamp) -> String {
    let at = at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    json!({ "type": kind, "timestamp": at, "data": data }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::webhooks::TYPES;

    #[test]
    fn each_event_that_is_told_has_a_type_that_can_be_chosen() {
        let channel = || "one".parse().unwrap();
        for event in [
            Event::StreamOpened { channel: channel() },
            Event::OutageBegun { channel: channel() },
            Event::PlaylistFailed { playlist: 3 },
            Event::ConfigurationRefused { faults: 1 },
            Event::JobEnded { job: 1, kind: "ladder", state: "failed" },
        ] {
            let (kind, data) = of_event(&event).unwrap();
            assert!(TYPES.contains(&kind) && data.is_object(), "{kind}");
        }
        assert_eq!(of_event(&Event::ViewerJoined { channel: channel() }), None);
    }
}
