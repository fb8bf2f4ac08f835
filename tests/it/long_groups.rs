//! Groups of pictures of ten seconds: whoever joins in the middle of one can decode all that comes.

use std::time::Duration;

use forebay_testkit::client::Viewer;
use forebay_testkit::clip::{Clip, Kind};
use forebay_testkit::origin::{Behaviour, Origin};
use forebay_testkit::player::ffmpeg_strict;
use futures_util::future::join_all;

use crate::relay::Relay;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread")]
async fn decoders_that_join_them_have_nothing_to_complain_of() {
    let origin = Origin::start().await;
    origin.serve("/a.ts", Behaviour::ts(Clip::get(Kind::Gop10)).live());
    let relay = Relay::with_sources(&[origin.url("/a.ts")], "");
    let url = &relay.url("/stream/one");
    let mut first = Viewer::get(relay.address(), "/stream/one").await;
    let (mut joined, mut faults) = (Vec::new(), 0);
    // At another place of the group each time, in the first and in the second one.
    for step in 0..6 {
        first.read_for(SECOND * 27 / 10).await;
        joined.push(tokio::spawn({
            let url = url.clone();
            async move { (step, ffmpeg_strict(&url, 4).await) }
        }));
    }
    for joined in join_all(joined).await {
        let (step, verdict) = joined.expect("ffmpeg does not panic");
        println!(
            "joined after {:.1} s: {} pictures, {:?}",
            2.7 * f64::from(step + 1),
            verdict.frames,
            verdict.errors
        );
        faults += verdict.errors.len();
    }
    assert_eq!(faults, 0);
}
