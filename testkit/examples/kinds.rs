//! Ten kinds of sources to try players with by hand: prints a `channels.toml` of them, and serves
//! them until it is ended.
//!
//! `cargo run -p forebay-testkit --example kinds > /tmp/kinds.toml`, and then
//! `forebay --config /tmp/kinds.toml` beside it.

#![allow(clippy::print_stdout, reason = "the configuration is what it is run for")]

use std::time::Duration;

use forebay_testkit::clip::{Clip, Kind};
use forebay_testkit::origin::{Behaviour, Container, Hls, Origin};

#[tokio::main]
async fn main() {
    let origin = Origin::start().await;
    let ts = |name: &str, kind, burst| {
        let path = format!("/{name}.ts");
        origin.serve(&path, Behaviour::ts(Clip::get(kind)).burst(Duration::from_secs(burst)));
        (name.to_owned(), origin.url(&path))
    };
    let hls = |name: &str, kind, group, container| {
        let hls = Hls::live(Clip::get(kind)).segment(Duration::from_secs(group)).container(container);
        (name.to_owned(), hls.mount(&origin, &format!("/{name}")).url().to_owned())
    };
    let sources = [
        ts("groups-of-1-s", Kind::H264AacB, 0),
        ts("groups-of-2-s", Kind::H264Aac, 0),
        ts("groups-of-4-s", Kind::Gop4, 0),
        ts("groups-of-10-s", Kind::Gop10, 0),
        ts("burst", Kind::Gop4, 15),
        ts("hevc-ac3", Kind::HevcAc3, 0),
        ts("sound", Kind::AudioOnly, 0),
        hls("hls-ts", Kind::Gop4, 4, Container::Ts),
        hls("hls-fmp4", Kind::H264Aac, 2, Container::Fmp4),
        ("test-card".to_owned(), "testcard://".to_owned()),
    ];
    for (name, url) in sources {
        println!("[[channels]]\nid = \"{name}\"\nsources = [\"{url}\"]\n");
    }
    std::future::pending::<()>().await;
}
