use super::*;
use crate::clip::{Clip, Kind};
use crate::origin::{Behaviour, Origin, Reply};

#[tokio::test]
async fn a_slow_viewer_reads_at_its_rate() {
    let origin = Origin::start().await;
    origin.serve("/a", Behaviour::ts(Clip::get(Kind::H264Aac)).burst(Duration::from_secs(10)));
    let mut viewer = Request::get(origin.address(), "/a").receive_buffer(4096).open().await.unwrap();
    let got = viewer.read_at_rate(20_000, Duration::from_secs(1)).await;
    assert!((15_000..=24_000).contains(&got.len()), "{}", got.len());
    assert_eq!(viewer.total(), got.len() as u64);
    viewer.reset();
    origin.wait_connections("/a", 0, Duration::from_secs(2)).await;
}

#[tokio::test]
async fn bytes_that_came_with_the_head_are_not_lost() {
    let origin = Origin::start().await;
    let body: Vec<u8> = (0..200_000u32).map(|number| number.to_le_bytes()[0]).collect();
    origin.serve("/length", Behaviour::body("x/y", body.clone()));
    origin.serve("/chunked", Behaviour::body("x/y", body.clone()).chunked());
    for path in ["/length", "/chunked"] {
        let mut viewer = Viewer::get(origin.address(), path).await;
        let mut got = viewer.read_until(1000).await;
        assert!(got.len() >= 1000);
        got.extend(viewer.read_to_end().await);
        assert!(got == body, "{path}");
        assert_eq!(viewer.ended(), Some(&Ended::Cleanly));
    }
}

#[tokio::test]
async fn json_is_sent_and_received() {
    let origin = Origin::start().await;
    let echo = |request: &crate::origin::Request| {
        let kind = request.header("content-type").unwrap_or("nothing");
        Reply::new(201, "application/json", format!(r#"{{"method":"{}","kind":"{kind}"}}"#, request.method))
    };
    origin.serve("/api", Behaviour::handler(echo));
    let (status, value) = get_json(origin.address(), "/api").await;
    assert_eq!((status, &value["method"]), (201, &"GET".into()));
    let post = Request::new("POST", origin.address(), "/api").json(&serde_json::json!({"a": 1}));
    assert_eq!(post.send().await.unwrap().json()["kind"], "application/json");
}

#[tokio::test]
async fn silence_is_measured() {
    let origin = Origin::start().await;
    let stream = Behaviour::ts(Clip::get(Kind::H264Aac)).burst(Duration::from_secs(1));
    origin.serve("/a", stream.stall_after(Duration::from_millis(200)));
    let mut viewer = Viewer::get(origin.address(), "/a").await;
    viewer.read_for(Duration::from_millis(500)).await;
    origin.kill("/a");
    viewer.read_to_end().await;
    assert!(
        viewer.largest_gap() < Duration::from_millis(150),
        "only between arrivals: {:?}",
        viewer.largest_gap()
    );
    assert!(viewer.arrivals().len() > 3 && viewer.first_byte_after().is_some());
}
