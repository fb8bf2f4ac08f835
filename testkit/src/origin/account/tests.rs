use super::*;
use crate::client::{self, Ended, Request, Viewer};
use crate::clip::{Clip, Kind};
use crate::origin::{Hls, Origin};

const SOON: Duration = Duration::from_secs(2);

fn stream(account: &Account) -> Behaviour {
    Behaviour::ts(Clip::get(Kind::Brief)).account(account)
}

async fn status(origin: &Origin, path: &str) -> u16 {
    Request::get(origin.address(), path).open().await.expect("it answers").status()
}

#[tokio::test]
async fn so_many_and_no_more_over_all_paths() {
    let (origin, account) = (Origin::start().await, Account::new(2));
    origin.serve("/a", stream(&account)).serve("/b", stream(&account));
    let first = Viewer::get(origin.address(), "/a").await;
    assert_eq!((account.open(), account.violations(), account.most()), (1, 0, 1));
    let second = Viewer::get(origin.address(), "/b").await;
    assert_eq!((first.status(), second.status(), status(&origin, "/a").await), (200, 200, 403));
    assert_eq!((account.open(), account.most(), account.violations(), account.refused()), (2, 3, 1, 1));
    drop(first);
    account.wait_open(1, SOON).await;
    assert_eq!(status(&origin, "/a").await, 200);
    drop(second);
    account.wait_open(0, SOON).await;
    assert_eq!((account.opened(), account.violations()), (3, 1));
}

/// The client closes and asks again at once: however late the origin looks, the second comes after the first.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_client_has_closed_does_not_count() {
    let (origin, account) = (Origin::start().await, Account::new(1));
    origin.serve("/a", stream(&account)).serve("/b", stream(&account));
    for round in 0..200 {
        let path = if round % 2 == 0 { "/a" } else { "/b" };
        let viewer = Viewer::get(origin.address(), path).await;
        assert_eq!(viewer.status(), 200, "round {round}");
    }
    assert_eq!((account.most(), account.violations(), account.opened()), (1, 0, 200));
}

#[tokio::test]
async fn a_panel_can_free_late() {
    let late = Duration::from_millis(300);
    let (origin, account) = (Origin::start().await, Account::new(1).frees_after(late));
    origin.serve("/a", stream(&account));
    drop(Viewer::get(origin.address(), "/a").await);
    account.wait_open(0, SOON).await;
    assert_eq!(status(&origin, "/a").await, 403);
    sleep(late).await;
    assert_eq!(status(&origin, "/a").await, 200);
    assert_eq!((account.refused(), account.violations()), (1, 0), "nobody has broken a rule");
}

#[tokio::test]
async fn beyond_the_limit_the_oldest_is_kicked_or_another_answer_given() {
    let (origin, account) = (Origin::start().await, Account::new(1).kicks_oldest());
    origin.serve("/a", stream(&account));
    let mut first = Viewer::get(origin.address(), "/a").await;
    let second = Viewer::get(origin.address(), "/a").await;
    first.read_to_end().await;
    assert!(matches!(first.ended(), Some(Ended::Early(_))));
    assert_eq!((second.ended(), account.open(), account.kicked(), account.violations()), (None, 1, 1, 1));
    drop(second);
    account.wait_open(0, SOON).await;

    let notice = Account::new(0).answers_beyond(Behaviour::redirect("/slate.ts", None));
    origin.serve("/b", stream(&notice));
    assert_eq!(client::get(origin.address(), "/b").await.header("location"), Some("/slate.ts"));
    let clip = Behaviour::ts(Clip::get(Kind::Brief)).repeating();
    origin.serve("/c", stream(&Account::new(0).answers_beyond(clip)));
    let mut shown = Viewer::get(origin.address(), "/c").await;
    assert!(shown.status() == 200 && shown.read_until(5000).await.starts_with(b"G"));
}

#[tokio::test]
async fn a_broadcast_is_one_connection_whatever_its_sockets() {
    let idle = Duration::from_millis(400);
    let (origin, account) = (Origin::start().await, Account::new(1).hls_idle(idle));
    let hls = || Hls::live(Clip::get(Kind::Brief)).segment(Duration::from_millis(800)).account(&account);
    let (one, _other) = (hls().mount(&origin, "/one"), hls().mount(&origin, "/other"));
    let _segment = Viewer::get(origin.address(), "/one/seg0.ts").await;
    for path in ["/one/index.m3u8", "/one/seg1.ts"] {
        assert_eq!(status(&origin, path).await, 200, "{path}");
    }
    assert_eq!((account.open(), status(&origin, "/other/index.m3u8").await), (1, 403));
    assert_eq!((one.stats().polls(), account.violations(), account.most()), (1, 1, 2));
    account.wait_open(0, SOON).await;
    assert_eq!(status(&origin, "/other/index.m3u8").await, 200);
    origin.serve("/a", stream(&account));
    assert_eq!(Request::get(origin.address(), "/a").send().await.unwrap().status, 403, "both count alike");
}
