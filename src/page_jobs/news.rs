//! What becomes of the jobs of pages, told to whoever listens.
//!
//! A message is written once for all who hear it. Whoever is slow misses some, is told so, and asks
//! how everything stands: nobody is waited for, and no more than [`KEPT`] messages are kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use serde::Serialize;
use tokio::sync::broadcast::{self, Receiver, Sender};

/// Messages that are kept for those who are slow.
const KEPT: usize = 256;

/// Tells what happens. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct News {
    sender: Sender<Message>,
    count: Arc<AtomicU64>,
}

/// One message.
#[derive(Debug, Clone)]
pub struct Message {
    /// Whom it concerns; nobody else hears it.
    pub to: Audience,
    /// As Server-Sent Events have it.
    pub text: Bytes,
}

/// Whom a message concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Audience {
    /// The owner of what it is about: `user:7`.
    Owner(Arc<str>),
    /// Everybody.
    All,
    /// Those who look after the server.
    Staff,
}

impl Audience {
    /// Whether a listener hears what is for it.
    pub fn has(&self, owner: &str, is_staff: bool) -> bool {
        match self {
            Self::Owner(other) => **other == *owner,
            Self::All => true,
            Self::Staff => is_staff,
        }
    }
}

impl Default for News {
    fn default() -> Self {
        Self { sender: broadcast::channel(KEPT).0, count: Arc::default() }
    }
}

impl News {
    /// Tells something. Costs next to nothing where nobody listens.
    pub fn tell(&self, to: Audience, event: &str, document: &impl Serialize) {
        // The document is only written where somebody
        // reads it: a download tells four times a second.
        if self.sender.receiver_count() > 0 {
            let text = self.text(event, document);
            // Whoever listened may have gone.
            let _ = self.sender.send(Message { to, text });
        }
    }

    /// What happens from now on.
    pub fn listen(&self) -> Receiver<Message> {
        self.sender.subscribe()
    }

    /// A message to one listener alone.
    pub fn text(&self, event: &str, document: &impl Serialize) -> Bytes {
        let id = self.count.fetch_add(1, Ordering::Relaxed);
        // JSON has no line breaks of its own.
        let json = serde_json::to_string(document).expect("its keys are texts");
        format!("id: {id}\nevent: {event}\ndata: {json}\n\n").into()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::sync::broadcast::error::TryRecvError;

    use super::*;

    #[tokio::test]
    async fn messages_reach_those_whom_they_concern_and_the_slow_miss_some() {
        let news = News::default();
        news.tell(Audience::All, "queue", &json!({}));
        let mut listener = news.listen();
        news.tell(Audience::Owner("user:1".into()), "fetch", &json!({ "id": 7 }));
        let message = listener.recv().await.unwrap();
        assert_eq!(message.text, "id: 0\nevent: fetch\ndata: {\"id\":7}\n\n");
        assert!(message.to.has("user:1", false) && !message.to.has("user:2", true));
        assert!(Audience::All.has("user:2", false));
        assert!(Audience::Staff.has("user:2", true) && !Audience::Staff.has("user:2", false));
        for number in 0..KEPT + 3 {
            news.tell(Audience::All, "queue", &number);
        }
        assert!(matches!(listener.try_recv(), Err(TryRecvError::Lagged(3))));
    }
}
