//! What has happened to each channel lately, whether any page was open or not.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Json;
use forebay_relay::events::{Bus, Event};
use jiff::Timestamp;
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use super::event::EventDocument;
use crate::http::State;
use crate::http::error::ApiError;
use crate::http::extract::{ById, Named};

/// Events that are kept of a channel.
const MAX_EVENTS: usize = 50;

/// Channels of which events are kept: 10 MB at most. Those of which something was heard last stay.
const MAX_CHANNELS: usize = 1_000;

/// What has happened to a channel.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct HistoryDocument {
    /// The newest last; the latest fifty.
    events: Vec<EventDocument>,
}

/// The latest events of each channel. Cloning is cheap.
#[derive(Debug, Clone, Default)]
pub(crate) struct History(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    /// Events that were kept since the start.
    total: u64,
    of: HashMap<String, VecDeque<EventDocument>>,
}

impl History {
    /// Takes in what happens, until `stop`.
    pub(crate) async fn run(&self, bus: &Bus, stop: CancellationToken) {
        let mut events = bus.subscribe();
        let hear = async {
            while let Some(event) = events.next().await {
                self.note(Timestamp::now(), event);
            }
        };
        stop.run_until_cancelled(hear).await;
    }

    fn note(&self, at: Timestamp, event: Event) {
        let mut kept = self.lock();
        let Some(event) = EventDocument::new(kept.total, at, event) else { return };
        let Some(channel) = event.channel().map(str::to_owned) else { return };
        kept.total += 1;
        if kept.of.len() == MAX_CHANNELS && !kept.of.contains_key(&channel) {
            let last = |events: &VecDeque<EventDocument>| events.back().map(EventDocument::id);
            let oldest = kept.of.iter().min_by_key(|(_, events)| last(events));
            if let Some(oldest) = oldest.map(|(channel, _)| channel.clone()) {
                kept.of.remove(&oldest);
            }
        }
        let events = kept.of.entry(channel).or_default();
        if events.len() == MAX_EVENTS {
            events.pop_front();
        }
        events.push_back(event);
    }

    fn of(&self, channel: &str) -> Vec<EventDocument> {
        self.lock().of.get(channel).into_iter().flatten().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `GET /api/streams/{id}/events`
pub(in crate::http) async fn of_channel(
    state: State,
    Named { found, .. }: Named<ById>,
) -> Result<Json<HistoryDocument>, ApiError> {
    Ok(Json(HistoryDocument { events: state.upkeep.history.of(found.channel.id.as_str()) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closed(id: usize) -> Event {
        Event::StreamClosed { channel: format!("c{id}").parse().unwrap() }
    }

    #[test]
    fn the_latest_of_each_are_kept_and_of_the_latest_channels() {
        let history = History::default();
        for _ in 0..MAX_EVENTS + 10 {
            history.note(Timestamp::now(), closed(0));
        }
        history.note(Timestamp::now(), Event::ViewerJoined { channel: "c0".parse().unwrap() });
        let events = history.of("c0");
        assert_eq!((events.len(), events[0].id()), (MAX_EVENTS, 10));
        for id in 1..=MAX_CHANNELS {
            history.note(Timestamp::now(), closed(id));
        }
        assert_eq!((history.of("c0").len(), history.of("c1").len()), (0, 1));
        assert_eq!(history.lock().of.len(), MAX_CHANNELS);
    }
}
