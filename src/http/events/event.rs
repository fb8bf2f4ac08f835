//! What has happened, in words for pages.

use forebay_relay::events::Event;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// Something that has happened.
// The fields are in alphabetical order.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(in crate::http) struct EventDocument {
    /// When it became known, in UTC (RFC 3339).
    at: String,
    /// The channel, where it is about one.
    #[schema(required)]
    channel: Option<String>,
    /// Counts from the start of the server.
    id: u64,
    /// The number of the job, where it is about one.
    #[schema(required)]
    job: Option<i64>,
    /// What kind of thing it is.
    kind: EventKind,
    /// The provider, where it is about one.
    #[schema(required)]
    provider: Option<String>,
    /// The code of the reason, the kind or the state of a job, the id of a push, or the name of the
    /// service that failed.
    #[schema(required)]
    reason: Option<String>,
}

/// What kind of thing has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum EventKind {
    StreamOpened,
    StreamSwitched,
    StreamClosed,
    /// Viewers have no source.
    OutageBegan,
    OutageEnded,
    /// A channel got no connection to a provider.
    ConnectionRefused,
    /// A channel gave one up for another.
    ConnectionPreempted,
    ConfigurationReloaded,
    /// The configuration has faults, and the one in force stays.
    ConfigurationRefused,
    JobStarted,
    /// An attempt has ended; the reason is the state of the job now.
    JobEnded,
    /// A push was published; the reason is its id.
    PushPublished,
    /// A push that was published is so no more; the reason is its id.
    PushEnded,
    ServiceFailed,
}

impl EventDocument {
    /// The channel, where it is about one.
    pub(super) fn channel(&self) -> Option<&str> {
        self.channel.as_deref()
    }

    /// Its number.
    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// Nothing for what the figures tell: viewers come and go a thousand times a second.
    pub(super) fn new(id: u64, at: Timestamp, event: Event) -> Option<Self> {
        let (mut provider_of, mut reason_of, mut job_of) = (None, None, None);
        let (kind, channel) = match event {
            Event::StreamOpened { channel } => (EventKind::StreamOpened, Some(channel)),
            Event::StreamSwitched { channel, reason, .. } => {
                reason_of = Some(reason.name().to_owned());
                (EventKind::StreamSwitched, Some(channel))
            }
            Event::StreamClosed { channel } => (EventKind::StreamClosed, Some(channel)),
            Event::OutageBegun { channel } => (EventKind::OutageBegan, Some(channel)),
            Event::OutageEnded { channel, .. } => (EventKind::OutageEnded, Some(channel)),
            Event::ConnectionRefused { channel, provider } => {
                provider_of = Some(provider.as_str().to_owned());
                (EventKind::ConnectionRefused, Some(channel))
            }
            Event::ConnectionPreempted { channel, provider } => {
                provider_of = Some(provider.as_str().to_owned());
                (EventKind::ConnectionPreempted, Some(channel))
            }
            Event::ConfigurationReloaded { .. } => (EventKind::ConfigurationReloaded, None),
            Event::ConfigurationRefused { .. } => (EventKind::ConfigurationRefused, None),
            Event::JobStarted { job, kind } => {
                (job_of, reason_of) = (Some(job), Some(kind.to_owned()));
                (EventKind::JobStarted, None)
            }
            Event::JobEnded { job, state, .. } => {
                (job_of, reason_of) = (Some(job), Some(state.to_owned()));
                (EventKind::JobEnded, None)
            }
            Event::PushPublished { push, channel } => {
                reason_of = Some((*push).to_owned());
                (EventKind::PushPublished, Some(channel))
            }
            Event::PushEnded { push, channel, .. } => {
                reason_of = Some((*push).to_owned());
                (EventKind::PushEnded, Some(channel))
            }
            Event::ServiceFailed { service, .. } => {
                reason_of = Some(service.to_owned());
                (EventKind::ServiceFailed, None)
            }
            _ => return None,
        };
        Some(Self {
            at: at.round(jiff::Unit::Second).unwrap_or(at).to_string(),
            channel: channel.map(|channel| channel.as_str().to_owned()),
            id,
            job: job_of,
            kind,
            provider: provider_of,
            reason: reason_of,
        })
    }
}
