//! The messages, each made once for all who listen.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use forebay_relay::events::{Bus, Events};
use futures_util::FutureExt as _;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::event::EventDocument;
use crate::http::State;
use crate::http::jobs::RunningJob;
use crate::http::status::Status;

/// How old a message may be that a listener is sent: a little less than a second, so that one whose
/// timer fires a moment early is not sent the last one again.
const FRESH: Duration = Duration::from_millis(900);

/// Streams in one message, those with the most viewers: 250 kB.
const MAX_STREAMS: usize = 100;

/// What has happened lately, in each message: whoever has missed some messages finds it in the
/// next.
const MAX_EVENTS: usize = 50;

/// What each message says.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Now<'a> {
    /// What has happened since somebody began to listen, the newest last; the latest fifty.
    #[schema(value_type = Vec<EventDocument>)]
    events: &'a VecDeque<EventDocument>,
    /// Events that came faster than they could be kept, since the start.
    events_lost: u64,
    /// The jobs that run, and how far they are.
    jobs: Vec<RunningJob>,
    /// Who listens.
    listeners: Listeners,
    /// Of the streams, the hundred with the most viewers.
    status: Status,
}

/// Who is sent the messages.
#[derive(Debug, Clone, Copy, Default, Serialize, ToSchema)]
struct Listeners {
    now: usize,
    /// How many were refused since the start: there were as many as there may be.
    refused_total: u64,
}

/// The messages of the server.
#[derive(Debug, Clone, Default)]
pub(in crate::http) struct Messages(Arc<Mutex<Made>>);

#[derive(Debug, Default)]
struct Made {
    listeners: Listeners,
    /// Only while somebody listens.
    bus: Option<Events>,
    events: VecDeque<EventDocument>,
    events_total: u64,
    events_lost: u64,
    last: Option<(Instant, Bytes)>,
}

/// The right to listen.
#[derive(Debug)]
pub(super) struct Seat(Messages);

impl Messages {
    /// The message of now.
    pub(super) fn current(&self, state: &State) -> Bytes {
        let mut made = self.lock();
        match &made.last {
            Some((at, message)) if at.elapsed() < FRESH => message.clone(),
            _ => made.make(state),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Made> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Made {
    fn make(&mut self, state: &State) -> Bytes {
        self.collect();
        let now = Now {
            events: &self.events,
            events_lost: self.events_lost,
            jobs: state.jobs.progress().into_iter().map(RunningJob::from).collect(),
            listeners: self.listeners,
            status: Status::of_most_watched(state, MAX_STREAMS),
        };
        // JSON has no line breaks of its own, so it is one line of the message.
        let mut text = b"data: ".to_vec();
        serde_json::to_writer(&mut text, &now).expect("its keys are texts");
        text.extend_from_slice(b"\n\n");
        let message = Bytes::from(text);
        self.last = Some((Instant::now(), message.clone()));
        message
    }

    /// Takes in what has happened since the last time.
    fn collect(&mut self) {
        let Some(bus) = &mut self.bus else { return };
        let (now, lost_before) = (Timestamp::now(), bus.lost());
        // It is ready for as long as there is something.
        while let Some(Some(event)) = bus.next().now_or_never() {
            let Some(event) = EventDocument::new(self.events_total, now, event) else { continue };
            self.events_total += 1;
            if self.events.len() == MAX_EVENTS {
                self.events.pop_front();
            }
            self.events.push_back(event);
        }
        self.events_lost += bus.lost() - lost_before;
    }
}

impl Seat {
    /// A seat, if one of `limit` is free.
    pub(super) fn take(messages: &Messages, bus: &Bus, limit: usize) -> Option<Self> {
        let mut made = messages.lock();
        if made.listeners.now == limit {
            made.listeners.refused_total += 1;
            return None;
        }
        made.listeners.now += 1;
        made.bus.get_or_insert_with(|| bus.subscribe());
        Some(Self(messages.clone()))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut made = self.0.lock();
        made.listeners.now -= 1;
        if made.listeners.now == 0 {
            (made.bus, made.last) = (None, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use forebay_relay::events::Event;

    use super::*;

    fn closed(id: usize) -> Event {
        Event::StreamClosed { channel: format!("c{id}").parse().unwrap() }
    }

    #[test]
    fn there_are_so_many_seats_and_the_last_one_to_leave_closes_the_door() {
        let (messages, bus) = (Messages::default(), Bus::new());
        let [one, other] = [(); 2].map(|()| Seat::take(&messages, &bus, 2).unwrap());
        assert!(Seat::take(&messages, &bus, 2).is_none());
        let Listeners { now, refused_total } = messages.lock().listeners;
        assert_eq!((now, refused_total), (2, 1));
        drop(one);
        assert!(messages.lock().bus.is_some());
        drop(other);
        assert!(messages.lock().bus.is_none());
        assert!(Seat::take(&messages, &bus, 2).is_some());
    }

    #[test]
    fn the_latest_are_kept_and_viewers_who_come_and_go_are_not_among_them() {
        let (messages, bus) = (Messages::default(), Bus::new());
        let _seat = Seat::take(&messages, &bus, 1).unwrap();
        for id in 0..MAX_EVENTS + 10 {
            bus.publish(closed(id));
            bus.publish(Event::ViewerJoined { channel: "one".parse().unwrap() });
        }
        let mut made = messages.lock();
        made.collect();
        let of = |event: Option<&EventDocument>| serde_json::to_value(event.unwrap()).unwrap();
        let (oldest, newest) = (of(made.events.front()), of(made.events.back()));
        assert_eq!(made.events.len(), MAX_EVENTS);
        assert_eq!((&oldest["channel"], &oldest["id"]), (&"c10".into(), &10.into()));
        assert_eq!((&newest["channel"], &newest["kind"]), (&"c59".into(), &"stream_closed".into()));
    }
}
