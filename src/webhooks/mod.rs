//! Webhooks: what happens, told to servers that the operator names.
//!
//! A task for each receiver sends one message after the other, in the order of the events. A message
//! that is not taken is sent again with growing pauses, under the same id; meanwhile the newest
//! [`MAX_KEPT`] wait. Nothing is on the disk: a restart forgets what waits.

mod message;
mod queue;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use forebay_relay::events::{Bus, Event};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use jiff::Timestamp;
use ring::rand::{SecureRandom as _, SystemRandom};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use self::message::{TEST, body, of_event};
pub use self::queue::{Counts, MAX_KEPT};
use self::queue::{Message, Outcome, Queue};
use crate::config::Webhook;
use crate::exchange::Client;

/// How a receiver is doing.
#[derive(Debug, Clone)]
pub struct Report {
    /// What was configured.
    pub webhook: Webhook,
    /// Messages that wait.
    pub waiting: usize,
    /// What has happened since the start.
    pub counts: Counts,
    /// When the last message was taken.
    pub delivered_at: Option<Timestamp>,
    /// Why the last attempt failed, and when, if it did.
    pub error: Option<(Timestamp, String)>,
}

/// All receivers. Cloning is cheap.
#[derive(Debug, Clone, Default)]
pub struct Webhooks(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    receivers: Mutex<BTreeMap<String, Arc<Receiver>>>,
    changed: Notify,
}

#[derive(Debug)]
struct Receiver {
    webhook: Webhook,
    state: Mutex<ReceiverState>,
    /// There is something to send.
    filled: Notify,
    /// It is another one now, or gone.
    stop: CancellationToken,
}

#[derive(Debug, Default)]
struct ReceiverState {
    queue: Queue,
    delivered_at: Option<Timestamp>,
    error: Option<(Timestamp, String)>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Webhooks {
    /// Has these receivers from now on. One that did not change keeps what waits for it.
    pub fn configure(&self, webhooks: &[Webhook]) {
        let mut receivers = lock(&self.0.receivers);
        receivers.retain(|_, receiver| {
            let stays = webhooks.contains(&receiver.webhook);
            if !stays {
                receiver.stop.cancel();
            }
            stays
        });
        for webhook in webhooks {
            receivers.entry(webhook.id.clone()).or_insert_with(|| {
                Arc::new(Receiver {
                    webhook: webhook.clone(),
                    state: Mutex::default(),
                    filled: Notify::new(),
                    stop: CancellationToken::new(),
                })
            });
        }
        drop(receivers);
        self.0.changed.notify_one();
    }

    /// How each receiver is doing, in the order of their ids.
    pub fn reports(&self) -> Vec<Report> {
        lock(&self.0.receivers).values().map(|receiver| receiver.report()).collect()
    }

    /// Sends a message for a try; how the receiver is doing, if there is one of this id.
    pub fn test(&self, id: &str) -> Option<Report> {
        let receiver = lock(&self.0.receivers).get(id).cloned()?;
        receiver.take(TEST, &json!({ "webhook": id }), Timestamp::now());
        Some(receiver.report())
    }

    /// Sends what happens until `stop`.
    pub async fn run(&self, bus: &Bus, stop: CancellationToken) {
        let (mut events, client) = (bus.subscribe(), Client::new(Vec::new()));
        let mut senders = JoinSet::new();
        let mut running: BTreeMap<String, Arc<Receiver>> = BTreeMap::new();
        // Those of now: whoever ran before may have taken the word of them.
        self.0.changed.notify_one();
        loop {
            // Asked for only when they are other ones: an event may be one of thousands a second.
            let is_changed = tokio::select! {
                () = stop.cancelled() => break,
                () = self.0.changed.notified() => true,
                event = events.next() => {
                    let Some(event) = event else { break };
                    told(&running, &event);
                    false
                }
                Some(ended) = senders.join_next() => {
                    if let Err(error) = ended {
                        warn!(%error, "a sender of webhooks has failed");
                    }
                    false
                }
            };
            if is_changed {
                let now = lock(&self.0.receivers).clone();
                for (id, receiver) in &now {
                    if !running.get(id).is_some_and(|old| Arc::ptr_eq(old, receiver)) {
                        let (receiver, client, stop) = (Arc::clone(receiver), client.clone(), stop.clone());
                        senders.spawn(async move { receiver.run(&client, stop).await });
                    }
                }
                running = now;
            }
        }
        senders.shutdown().await;
    }
}

fn told(receivers: &BTreeMap<String, Arc<Receiver>>, event: &Event) {
    // Most events are of viewers, and are nobody's here.
    let Some((kind, data)) = of_event(event).filter(|_| !receivers.is_empty()) else { return };
    let now = Timestamp::now();
    for receiver in receivers.values() {
        receiver.take(kind, &data, now);
    }
}

impl Receiver {
    fn report(&self) -> Report {
        let state = lock(&self.state);
        Report {
            webhook: self.webhook.clone(),
            waiting: state.queue.len(),
            counts: state.queue.counts(),
            delivered_at: state.delivered_at,
            error: state.error.clone(),
        }
    }

    fn take(&self, kind: &str, data: &Value, at: Timestamp) {
        let is_wanted = |wanted: &Vec<String>| wanted.iter().any(|one| one == kind);
        if kind != TEST && !self.webhook.events.as_ref().is_none_or(is_wanted) {
            return;
        }
        lock(&self.state).queue.push(Message { id: new_id(), body: body(kind, data, at) });
        self.filled.notify_one();
    }

    async fn run(&self, client: &Client, stop: CancellationToken) {
        let ended = async {
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.stop.cancelled() => {}
            }
        };
        tokio::select! {
            () = ended => {}
            () = self.send_all(client) => {}
        }
    }

    async fn send_all(&self, client: &Client) {
        loop {
            let next = lock(&self.state).queue.next();
            let Some(message) = next else {
                self.filled.notified().await;
                continue;
            };
            let pause = self.send(client, &message).await;
            sleep(pause).await;
        }
    }

    /// One attempt; the pause before the next one.
    async fn send(&self, client: &Client, message: &Message) -> Duration {
        let now = Timestamp::now();
        let headers = self.headers(message, now.as_second());
        let body = Bytes::from(message.body.clone());
        let answer = client.send(Method::POST, self.webhook.url.expose(), headers, body).await;
        let (outcome, error) = match answer {
            Ok(answer) if answer.status().is_success() => (Outcome::Taken, None),
            Ok(answer) => {
                let status = answer.status();
                (refusal(status, answer.headers()), Some(format!("answered with {}", status.as_u16())))
            }
            Err(error) => (Outcome::Failed(None), Some(error.to_string())),
        };
        let mut state = lock(&self.state);
        let pause = state.queue.ended(&message.id, outcome);
        match error {
            None => {
                state.delivered_at = Some(Timestamp::now());
                state.error = None;
            }
            Some(error) => {
                // The first one of a row: the others are the same, and may be many.
                if state.error.is_none() {
                    warn!(webhook = %self.webhook.id, error, "a webhook is not taken, and sent again");
                } else {
                    debug!(webhook = %self.webhook.id, error, "a webhook is not taken");
                }
                state.error = Some((Timestamp::now(), error));
            }
        }
        pause
    }

    fn headers(&self, message: &Message, at: i64) -> HeaderMap {
        let value = |text: &str| HeaderValue::try_from(text).expect("it is ASCII");
        let signature = self.webhook.secret.sign(&message.id, at, &message.body);
        HeaderMap::from_iter([
            (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (header::CONTENT_LENGTH, message.body.len().into()),
            (http::HeaderName::from_static("webhook-id"), value(&message.id)),
            (http::HeaderName::from_static("webhook-timestamp"), at.into()),
            (http::HeaderName::from_static("webhook-signature"), value(&signature)),
        ])
    }
}

/// What an answer that is no success means: 4xx is about the message, but for those by which a
/// server asks to come later.
fn refusal(status: StatusCode, headers: &HeaderMap) -> Outcome {
    let pause = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    let pause = pause.and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs);
    let is_later =
        matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS);
    if status.is_client_error() && !is_later { Outcome::Refused } else { Outcome::Failed(pause) }
}

/// One that no other message has: 128 random bits.
fn new_id() -> String {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).expect("the system gives random bytes");
    format!("msg_{}", URL_SAFE_NO_PAD.encode(bytes))
}
