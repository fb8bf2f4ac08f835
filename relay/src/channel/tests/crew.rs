//! Viewers who are sent to by crews, over real sockets.

use std::io::Read as _;
use std::net::{TcpListener as StdListener, TcpStream as StdStream};

use forebay_core::cadence::GROUPS;
use forebay_core::ts::PACKET_SIZE;
use futures_util::future::select_all;
use socket2::SockRef;
use tokio::net::TcpStream;

use super::*;
use crate::channel::crew::MIN_VIEWERS;
use crate::model::Delivery;

/// A viewer in a crew, and the other end of its connection.
struct Viewer {
    membership: Membership,
    client: StdStream,
    got: Vec<u8>,
}

impl Viewer {
    /// Sends what there is, and joins a crew. `buffer` bytes may be on their way.
    async fn join(house: &House, buffer: usize) -> Self {
        let mut subscription = Box::new(house.join());
        assert!(matches!(subscription.started().await, Start::Started));
        let (socket, client) = connect(buffer);
        while subscription.send_to(&*socket, Delivery::Auto).unwrap() == Sent::Progress {}
        Self { membership: Membership::join(subscription, socket, Delivery::Auto), client, got: Vec::new() }
    }

    /// Reads all that has come.
    fn read(&mut self) -> usize {
        let before = self.got.len();
        // It ends with WouldBlock.
        let _ = self.client.read_to_end(&mut self.got);
        self.got.len() - before
    }
}

fn connect(buffer: usize) -> (Arc<TcpStream>, StdStream) {
    let listener = StdListener::bind("127.0.0.1:0").unwrap();
    SockRef::from(&listener).set_recv_buffer_size(buffer).unwrap();
    let client = StdStream::connect(listener.local_addr().unwrap()).unwrap();
    SockRef::from(&client).set_recv_buffer_size(buffer).unwrap();
    client.set_nonblocking(true).unwrap();
    let (server, _) = listener.accept().unwrap();
    SockRef::from(&server).set_send_buffer_size(buffer).unwrap();
    server.set_nonblocking(true).unwrap();
    (Arc::new(TcpStream::from_std(server).unwrap()), client)
}

fn house() -> House {
    House::new(&one(r#"["http://h/a"]"#), &[("/a", &[endless()])])
}

#[tokio::test(start_paused = true)]
async fn all_members_are_sent_the_same_and_whole_packets() {
    let house = house();
    let mut viewers = Vec::new();
    for _ in 0..3 * GROUPS {
        viewers.push(Viewer::join(&house, 1 << 20).await);
    }
    sleep(10 * SECOND).await;
    for viewer in &mut viewers {
        viewer.read();
    }
    let longest = viewers.iter().map(|viewer| viewer.got.len()).max().unwrap();
    for viewer in &viewers {
        let got = &viewer.got;
        assert!(got.len().is_multiple_of(PACKET_SIZE) && got[..4] == [0x47, 0x40, 0, 0x10], "PAT first");
        let end = &got[got.len() - 20 * PACKET_SIZE..];
        let is_there = |other: &Viewer| other.got.windows(end.len()).any(|window| window == end);
        assert!(longest - got.len() < longest / 10 && viewers.iter().all(is_there));
    }
    assert_eq!(house.channels.report("one").unwrap().moved_on, 0);
}

#[tokio::test(start_paused = true)]
async fn one_whose_socket_takes_no_more_goes_on_alone_and_the_others_notice_nothing() {
    let house = house();
    let mut viewers = Vec::new();
    for at in 0..3 * GROUPS {
        viewers.push(Viewer::join(&house, if at == 5 { 1 } else { 1 << 20 }).await);
    }
    // Nobody reads what is sent to it.
    let stuck = viewers.remove(5);
    timeout(60 * SECOND, stuck.membership.returned()).await.expect("its buffers are small");
    assert!(stuck.membership.leave().sent() > 0);
    for viewer in &mut viewers {
        viewer.read();
    }
    sleep(2 * SECOND).await;
    assert!(viewers.iter_mut().all(|viewer| viewer.read() > 10_000));
    let returned = select_all(viewers.iter().map(|viewer| Box::pin(viewer.membership.returned())));
    assert!(timeout(SECOND, returned).await.is_err(), "they stay in their crews");
}

#[tokio::test(start_paused = true)]
async fn who_leaves_is_gone_at_once_and_the_last_one_starts_the_linger() {
    let house = house();
    let Viewer { membership, mut client, .. } = Viewer::join(&house, 1 << 20).await;
    let other = Viewer::join(&house, 1 << 20).await;
    drop(membership);
    let mut rest = Vec::new();
    assert!(client.read_to_end(&mut rest).is_ok(), "the connection is closed");
    assert_eq!(house.channels.report("one").unwrap().readers.viewers(), 1);
    drop(other.membership.leave());
    sleep(31 * SECOND).await;
    assert_eq!((house.script.open_now(), house.phase()), (0, None));
}

#[tokio::test(start_paused = true)]
async fn all_are_returned_when_the_channel_is_over() {
    let house = house();
    let mut viewers = Vec::new();
    for _ in 0..2 * GROUPS {
        viewers.push(Viewer::join(&house, 1 << 20).await);
    }
    house.channels.shutdown().await;
    for viewer in viewers {
        timeout(SECOND, viewer.membership.returned()).await.expect("the end is told");
        let mut subscription = viewer.membership.leave();
        assert_eq!(subscription.send_to(&viewer.client, Delivery::Auto).unwrap(), Sent::Ended);
    }
}

#[tokio::test(start_paused = true)]
async fn what_comes_while_one_joins_is_not_missed() {
    let house = house();
    let mut first = Viewer::join(&house, 1 << 20).await;
    sleep(SECOND).await;
    first.read();
    let mut subscription = Box::new(house.join());
    let (socket, _client) = connect(1 << 20);
    while subscription.send_to(&*socket, Delivery::Auto).unwrap() == Sent::Progress {}
    // The crew is told of this before the viewer is its member.
    sleep(SECOND).await;
    let membership = Membership::join(subscription, socket, Delivery::Auto);
    timeout(Duration::ZERO, membership.returned()).await.expect("it looks again itself");
}

#[tokio::test(start_paused = true)]
async fn viewers_of_a_channel_that_has_few_go_alone() {
    let house = house();
    let mut viewers: Vec<_> = (1..MIN_VIEWERS).map(|_| house.join()).collect();
    assert!(viewers.iter().all(Subscription::sends_alone));
    viewers.push(house.join());
    assert!(!viewers.iter().any(Subscription::sends_alone), "each group has company now");
}
