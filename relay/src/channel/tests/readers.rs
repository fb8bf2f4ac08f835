//! What each kind of reader counts into, what it keeps open, and what ends it.

use super::*;

/// A channel for one viewer, in a relay that may send 12 Mbit/s.
fn house() -> House {
    let text = "[[channels]]\nid = \"one\"\nsources = [\"http://h/a\"]\nmax_viewers = 1\n";
    House::new(&config(text), &[("/a", &[endless()])])
}

impl House {
    /// A reader of this kind, where each may send this much in all.
    fn admit(&self, kind: ReaderKind, max_bandwidth: Option<u64>) -> Result<Reader, Refusal> {
        self.channels.reader(&self.found(), kind, &Room { max_bandwidth, served: &Served::new() })
    }

    fn readers(&self) -> Readers {
        self.channels.report("one").map(|report| report.readers).unwrap_or_default()
    }
}

const ALL: [ReaderKind; 7] = ReaderKind::ALL;
use ReaderKind::{Hls, Job, Node, Push, Record, Timeshift, Viewer};

#[tokio::test(start_paused = true)]
async fn only_people_are_viewers() {
    for kind in ALL {
        let house = house();
        let reader = house.reader(kind).unwrap();
        let is_viewer = usize::from([Viewer, Hls].contains(&kind));
        assert_eq!((house.readers().of(kind), house.readers().viewers()), (1, is_viewer), "{kind:?}");
        let report = house.channels.report("one").unwrap();
        assert_eq!((house.channels.load().viewers, report.viewers_total), (is_viewer, is_viewer as u64));
        // The place for the one viewer is taken by a viewer only.
        let is_full = house.reader(Viewer).is_err_and(|why| why == Refusal::ChannelFull { limit: 1 });
        assert_eq!(is_full, is_viewer == 1, "{kind:?}");
        drop(reader);
        assert_eq!((house.readers().viewers(), house.channels.load().viewers), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn what_stays_in_the_house_takes_no_bandwidth() {
    // What is assumed of a channel is 8 Mbit/s.
    let limit = Some(12_000_000);
    for kind in ALL {
        let house = house();
        let reader = house.admit(kind, limit).unwrap();
        let is_full = house.admit(Push, limit).is_err_and(|why| matches!(why, Refusal::NoBandwidth { .. }));
        assert_eq!(is_full, [Viewer, Hls, Push, Node].contains(&kind), "{kind:?}");
        let second = house.admit(Record, limit);
        assert!(second.is_ok(), "a recording beside {kind:?}");
        drop(reader);
        assert!(house.admit(Push, limit).is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn all_but_the_time_shift_keep_the_channel_open() {
    for kind in ALL {
        let house = house();
        let viewer = house.reader(Viewer).unwrap();
        sleep(SECOND).await;
        let reader = house.reader(kind);
        // There is room for one viewer only.
        let Ok(reader) = reader else { continue };
        drop(viewer);
        sleep(60 * SECOND).await;
        assert_eq!(house.phase().is_some(), kind != Timeshift, "{kind:?}");
        drop(reader);
    }
}

#[tokio::test(start_paused = true)]
async fn a_channel_lingers_after_those_who_may_come_back() {
    for kind in ALL.into_iter().filter(|&kind| kind != Timeshift) {
        let house = house();
        let reader = house.reader(kind).unwrap();
        sleep(5 * SECOND).await;
        drop(reader);
        sleep(SECOND).await;
        let lingers = [Viewer, Hls, Node].contains(&kind);
        assert_eq!(house.phase().is_some(), lingers, "{kind:?}");
        sleep(30 * SECOND).await;
        assert_eq!(house.phase(), None, "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_linger_begins_when_the_last_viewer_leaves_not_the_recording() {
    let house = house();
    let (viewer, recording, job) = (house.reader(Viewer), house.reader(Record), house.reader(Job));
    sleep(5 * SECOND).await;
    drop(viewer);
    sleep(20 * SECOND).await;
    drop((recording, job));
    sleep(9 * SECOND).await;
    assert_eq!(house.phase(), Some(Phase::Stopping), "29 s after the viewer");
    sleep(2 * SECOND).await;
    assert_eq!(house.phase(), None);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_channel_ends_all() {
    let house = house();
    let readers: Vec<Subscription> =
        [Viewer, Record, Push, Job, Node].map(|kind| Subscription::new(house.reader(kind).unwrap())).into();
    sleep(5 * SECOND).await;
    house.channels.shutdown().await;
    for mut reader in readers {
        let ended = async { while reader.next().await.unwrap().is_some() {} };
        timeout(SECOND, ended).await.expect("it is told of the end");
    }
    assert!(house.reader(Record).is_err_and(|why| why == Refusal::Closing));
}
