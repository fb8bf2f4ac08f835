//! A viewer in a crew: its subscription and its socket, lent to the crew's task.
//!
//! A viewer who has been sent everything joins a crew. When the socket takes no more, the viewer's
//! own task gets both back, and waits for room.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::crew::Member;
use super::subscription::{Sent, Subscription};
use crate::model::Delivery;

/// A viewer in a crew.
#[derive(Debug)]
struct LentViewer {
    /// None once the viewer's own task has taken both back.
    connection: Mutex<Option<ViewerConnection>>,
    /// Notified when the viewer's own task must take both back.
    returned: Notify,
}

#[derive(Debug)]
struct ViewerConnection {
    subscription: Box<Subscription>,
    socket: Arc<TcpStream>,
    delivery: Delivery,
}

/// A viewer's place in a crew, held by the viewer's own task.
#[derive(Debug)]
pub struct Membership(Arc<LentViewer>);

impl Membership {
    /// Hands a viewer who has been sent everything to a crew. To be called within a runtime.
    pub fn join(subscription: Box<Subscription>, socket: Arc<TcpStream>, delivery: Delivery) -> Self {
        let feed = Arc::clone(subscription.feed());
        let group = subscription.group();
        let connection = Mutex::new(Some(ViewerConnection { subscription, socket, delivery }));
        let lent = Arc::new(LentViewer { connection, returned: Notify::new() });
        let member: Arc<dyn Member> = Arc::clone(&lent) as _;
        feed.crews.add(group, &member, feed.windows[group].subscribe());
        // The crew may have been woken for the newest media before this member joined.
        if lent.connection().as_ref().is_some_and(|connection| connection.subscription.has_unseen()) {
            lent.returned.notify_one();
        }
        Self(lent)
    }

    /// Waits until the viewer's own task must go on by itself: the socket takes no more, or has
    /// failed, or the feed is over.
    pub async fn returned(&self) {
        self.0.returned.notified().await;
    }

    /// Leaves the crew, and returns the subscription.
    pub fn leave(self) -> Box<Subscription> {
        let connection = self.0.connection().take();
        connection.expect("nobody else takes it").subscription
    }
}

impl Drop for Membership {
    /// Closes the socket at once, rather than at the next round of the crew.
    fn drop(&mut self) {
        self.0.connection().take();
    }
}

impl Member for LentViewer {
    fn send(&self) -> bool {
        let mut connection = self.connection();
        let Some(ViewerConnection { subscription, socket, delivery }) = &mut *connection else {
            return false;
        };
        loop {
            match subscription.send_to(&**socket, *delivery) {
                Ok(Sent::Progress) => {}
                Ok(Sent::UpToDate) => return true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(Sent::Ended) | Err(_) => return false,
            }
        }
    }

    fn give_back(&self) {
        self.returned.notify_one();
    }
}

impl LentViewer {
    fn connection(&self) -> MutexGuard<'_, Option<ViewerConnection>> {
        // A panic inside leaves a subscription that can be dropped.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
