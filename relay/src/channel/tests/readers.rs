//! Each kind of reader: what it counts into, what it keeps open, and what ends it. The table is the
//! one of [`ReaderKind`]'s module.

use std::time::SystemTime;

use super::*;
use ReaderKind::{Hls, Job, Node, Push, Record, Timeshift, Ts};

/// A row of the table.
#[derive(Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "the columns of the table")]
struct Row {
    kind: ReaderKind,
    is_viewer: bool,
    takes_bandwidth: bool,
    keeps_open: bool,
    lingers: bool,
}

/// A channel for one viewer.
fn house() -> House {
    let text = "[[channels]]\nid = \"one\"\nsources = [\"http://h/a\"]\nmax_viewers = 1\n";
    House::new(&config(text), &[("/a", &[endless()])])
}

/// A channel for any number of viewers, with a time-shift in this folder.
fn house_with_past(folder: &tempfile::TempDir) -> House {
    let text = format!(
        "[hls]\ndir = {:?}\n[[channels]]\nid = \"one\"\nsources = [\"http://h/a\"]\ntimeshift = \"1m\"\n",
        folder.path()
    );
    House::new(&config(&text), &[("/a", &[endless()])])
}

impl House {
    /// A reader of this kind, in a relay that may send this much in all.
    fn admit(&self, kind: ReaderKind, max_bandwidth: Option<u64>) -> Result<Reader, Refusal> {
        self.channels.join(
            &self.found(),
            (kind, 0),
            &AdmissionLimits { max_bandwidth, served: &ViewersByChannel::new() },
        )
    }

    fn readers(&self) -> Readers {
        self.channels.report("one").map(|report| report.readers).unwrap_or_default()
    }
}

impl Row {
    async fn check(self) {
        self.check_counts();
        self.check_bandwidth();
        self.check_open().await;
        self.check_end().await;
    }

    /// Only people are viewers, and take the places of viewers.
    fn check_counts(self) {
        let house = house();
        let reader = house.reader(self.kind).unwrap();
        let viewers = usize::from(self.is_viewer);
        assert_eq!((house.readers().of(self.kind), house.readers().viewers()), (1, viewers));
        let report = house.channels.report("one").unwrap();
        assert_eq!((house.channels.load().viewers, report.viewers_total), (viewers, viewers as u64));
        let is_full = house.reader(Ts).is_err_and(|why| why == Refusal::ChannelFull { limit: 1 });
        assert_eq!(is_full, self.is_viewer, "the place for the one viewer is taken");
        drop(reader);
        assert_eq!((house.readers().viewers(), house.channels.load().viewers), (0, 0));
    }

    /// A reader that sends nothing over the network takes no bandwidth.
    fn check_bandwidth(self) {
        // A channel is assumed to have 8 Mbit/s, so there is room for one reader who takes some.
        let limit = Some(12_000_000);
        let house = house();
        let reader = house.admit(self.kind, limit).unwrap();
        let is_full = house.admit(Push, limit).is_err_and(|why| matches!(why, Refusal::NoBandwidth { .. }));
        assert_eq!(is_full, self.takes_bandwidth);
        assert!(house.admit(Record, limit).is_ok(), "a recording needs none");
        drop(reader);
        assert!(house.admit(Push, limit).is_ok());
    }

    /// The channel is open as long as the reader is there, and lingers for those who may come back.
    async fn check_open(self) {
        let house = house();
        let starter = house.reader(Record).unwrap();
        sleep(SECOND).await;
        let reader = house.reader(self.kind).unwrap();
        drop(starter);
        sleep(60 * SECOND).await;
        assert_eq!(house.phase().is_some(), self.keeps_open, "a minute with this reader alone");
        drop(reader);
        sleep(SECOND).await;
        assert_eq!(house.phase().is_some(), self.lingers, "a second after it left");
        sleep(30 * SECOND).await;
        assert_eq!(house.phase(), None);
    }

    /// The end of the channel ends the reader, and there is no other.
    async fn check_end(self) {
        let house = house();
        let starter = house.reader(Record).unwrap();
        let mut reader = Subscription::new(house.reader(self.kind).unwrap());
        sleep(5 * SECOND).await;
        house.channels.shutdown().await;
        let ended = async { while reader.next().await.unwrap().is_some() {} };
        timeout(SECOND, ended).await.expect("it is told of the end");
        assert!(house.reader(self.kind).is_err_and(|why| why == Refusal::Closing));
        drop(starter);
    }
}

#[tokio::test(start_paused = true)]
async fn a_viewer_is_counted_takes_bandwidth_and_is_waited_for() {
    let row = Row { kind: Ts, is_viewer: true, takes_bandwidth: true, keeps_open: true, lingers: true };
    row.check().await;
}

#[tokio::test(start_paused = true)]
async fn a_viewer_by_hls_is_counted_takes_bandwidth_and_is_waited_for() {
    let row = Row { kind: Hls, is_viewer: true, takes_bandwidth: true, keeps_open: true, lingers: true };
    row.check().await;
}

#[tokio::test(start_paused = true)]
async fn the_time_shift_keeps_nothing_open() {
    let row =
        Row { kind: Timeshift, is_viewer: false, takes_bandwidth: false, keeps_open: false, lingers: false };
    row.check().await;
}

#[tokio::test(start_paused = true)]
async fn a_recording_keeps_the_channel_open_and_nothing_else() {
    let row =
        Row { kind: Record, is_viewer: false, takes_bandwidth: false, keeps_open: true, lingers: false };
    row.check().await;
}

#[tokio::test(start_paused = true)]
async fn a_push_takes_bandwidth_and_is_not_waited_for() {
    let row = Row { kind: Push, is_viewer: false, takes_bandwidth: true, keeps_open: true, lingers: false };
    row.check().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_keeps_the_channel_open_and_nothing_else() {
    let row = Row { kind: Job, is_viewer: false, takes_bandwidth: false, keeps_open: true, lingers: true };
    row.check().await;
}

#[tokio::test(start_paused = true)]
async fn a_node_takes_bandwidth_and_is_waited_for() {
    let row = Row { kind: Node, is_viewer: false, takes_bandwidth: true, keeps_open: true, lingers: true };
    row.check().await;
}

#[tokio::test(start_paused = true)]
async fn a_session_is_a_reader_by_hls_until_it_is_dropped_or_the_channel_ends() {
    let house = house();
    let session = house.session(Player::Strict);
    assert_eq!((house.readers().of(Hls), house.readers().viewers()), (1, 1));
    drop(session);
    assert_eq!(house.readers().of(Hls), 0);
    let session = house.session(Player::Strict);
    sleep(5 * SECOND).await;
    assert!(session.playlist().await.is_ok());
    house.channels.shutdown().await;
    // What there is may still be played: no request waits for more.
    assert!(session.is_over(), "the next request begins another session, and finds the channel closed");
    timeout(SECOND, session.playlist()).await.expect("it is answered at once").unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_keeps_its_past_has_one_reader_for_that_while_it_is_open() {
    let folder = tempfile::tempdir().unwrap();
    let house = house_with_past(&folder);
    let viewer = house.join();
    sleep(5 * SECOND).await;
    assert_eq!((house.readers().of(Timeshift), house.readers().viewers()), (1, 1));
    drop(viewer);
    sleep(31 * SECOND).await;
    assert_eq!((house.phase(), house.readers()), (None, Readers::default()), "it kept nothing open");
}

#[tokio::test(start_paused = true)]
async fn the_linger_begins_when_the_last_viewer_leaves_not_the_recording() {
    let house = house();
    let (viewer, recording, push) = (house.reader(Ts), house.reader(Record), house.reader(Push));
    sleep(5 * SECOND).await;
    drop(viewer);
    sleep(20 * SECOND).await;
    drop((recording, push));
    sleep(9 * SECOND).await;
    assert_eq!(house.phase(), Some(Phase::Stopping), "29 s after the viewer");
    sleep(2 * SECOND).await;
    assert_eq!(house.phase(), None);
}

#[tokio::test(start_paused = true)]
async fn a_download_of_the_past_does_not_keep_the_channel_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let house = house_with_past(&folder);
    let viewer = house.reader(Ts).unwrap();
    sleep(30 * SECOND).await;
    let id = house.found().channel.id.clone();
    let (from, until) = (SystemTime::UNIX_EPOCH, SystemTime::now() + 3600 * SECOND);
    let excerpt = house.channels.excerpt(&id, from, until).unwrap();
    let size = excerpt.size();
    let reader = excerpt.into_reader();
    assert!(!reader.read(0, size).await.unwrap().is_empty(), "from memory");
    drop(viewer);
    sleep(120 * SECOND).await;
    assert_eq!(house.channels.load().channels, 0);
    let mut at = 0;
    while at < size {
        at += reader.read(at, size).await.unwrap().len() as u64;
    }
    assert_eq!(at, size, "from the disk");
}
