//! A viewer of a channel that nobody attacks, who must notice nothing of what goes on beside.

use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use forebay_testkit::client::Viewer;
use forebay_testkit::clip::{Clip, Kind};
use forebay_testkit::origin::{Behaviour, Origin};
use forebay_testkit::ts::PACKET_SIZE;

use crate::relay::channel;

/// The longest that a viewer may be without a byte beside any attack.
const LONGEST_GAP: Duration = Duration::from_millis(250);

/// How much longer than the machine's own pause it may be, where that is long already.
const ALLOWANCE: Duration = Duration::from_millis(200);

/// From look to look whether the attack is over.
const STEP: Duration = Duration::from_millis(100);

/// The channel `victim` and its source.
pub(crate) struct Victim {
    origin: Origin,
}

/// Who watches it.
pub(crate) struct Watching {
    viewer: Viewer,
    /// The same stream past the relay, to tell the machine's pauses from the relay's.
    direct: Viewer,
}

impl Victim {
    pub(crate) async fn new() -> Self {
        let origin = Origin::start().await;
        origin.serve("/victim.ts", Behaviour::ts(Clip::get(Kind::H264Aac)));
        Self { origin }
    }

    /// The channel, in the words of the configuration file.
    pub(crate) fn channel(&self) -> String {
        channel("victim", &[self.origin.url("/victim.ts")], "")
    }

    /// Watches it on the relay at this address; the first packet has come.
    pub(crate) async fn watch(&self, relay: SocketAddr) -> Watching {
        let mut viewer = Viewer::get(relay, "/stream/victim").await;
        assert_eq!(viewer.status(), 200, "the victim is served");
        viewer.read_until(PACKET_SIZE).await;
        Watching { viewer, direct: Viewer::get(self.origin.address(), "/victim.ts").await }
    }
}

impl Watching {
    /// Watches on while `attack` goes on, and for a moment after it.
    ///
    /// # Panics
    /// If the victim noticed it.
    pub(crate) async fn beside<T>(&mut self, attack: impl Future<Output = T>) -> T {
        let mut attack = pin!(attack);
        let done = loop {
            tokio::select! {
                biased;
                done = &mut attack => break done,
                () = self.read() => {}
            }
        };
        for _ in 0..5 {
            self.read().await;
        }
        let (gap, pause) = (self.viewer.largest_gap(), self.direct.largest_gap());
        println!("longest gap of the victim {gap:.0?}, past the relay {pause:.0?}");
        assert_eq!(self.viewer.ended(), None, "the victim is still there");
        assert!(gap < LONGEST_GAP.max(pause + ALLOWANCE), "{gap:?} without a byte beside an attack");
        done
    }

    async fn read(&mut self) {
        tokio::join!(self.viewer.read_for(STEP), self.direct.read_for(STEP));
    }
}
