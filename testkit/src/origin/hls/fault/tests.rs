use super::*;
use crate::client::{self, Answer};
use crate::clip::{Clip, Kind};
use crate::origin::Origin;
use crate::origin::hls::{Container, Hls};
use crate::ts::{Checker, Report, demux};

fn live() -> Hls {
    Hls::live(Clip::get(Kind::ShortGop)).segment(Duration::from_millis(800))
}

async fn get(origin: &Origin, path: &str) -> Answer {
    client::get(origin.address(), path).await
}

#[tokio::test]
async fn segments_are_spoilt_as_asked() {
    let origin = Origin::start().await;
    let faults = [
        Fault::Scrambled,
        Fault::NoVideo,
        Fault::NoAudio,
        Fault::LostPackets { every: 20 },
        Fault::Damaged { every: 20 },
        Fault::Jumps { by: Duration::from_secs(10) },
    ];
    let mut hls = live().frozen(true);
    for (number, fault) in (0..).zip(faults) {
        hls = hls.fault(number..=number, fault);
    }
    let broadcast = hls.mount(&origin, "/live");
    let good = Checker::check(&broadcast.segment_bytes(5));
    let mut reports = Vec::new();
    for number in 0..6 {
        reports.push(Checker::check(&get(&origin, &format!("/live/seg{number}.ts")).await.body));
    }
    let [scrambled, no_video, no_audio, lossy, damaged, jumped] = &reports[..] else { panic!("six") };
    let begun = |report: &Report| [0x100, 0x101].map(|pid| report.pes_packets.contains_key(&pid));
    assert!(scrambled.scrambled > 100 && scrambled.continuity_errors.is_empty(), "{scrambled:?}");
    assert_eq!((begun(no_video), begun(no_audio), begun(&good)), ([false, true], [true, false], [true; 2]));
    assert!(no_video.continuity_errors.is_empty() && no_audio.continuity_errors.is_empty());
    assert!(no_video.media_time > Duration::from_millis(600), "its clock goes on: {no_video:?}");
    assert!(lossy.continuity_errors_total() > 2 && damaged.damaged > 2, "{lossy:?} {damaged:?}");
    let pcr = |bytes: &[u8]| bytes.chunks_exact(PACKET_SIZE).find_map(|packet| Packet::new(packet)?.pcr());
    let late = pcr(&get(&origin, "/live/seg5.ts").await.body).zip(pcr(&broadcast.segment_bytes(5)));
    assert_eq!(late.map(|(late, plain)| late - plain), Some(270_000_000));
    assert!(jumped.continuity_errors.is_empty(), "{jumped:?}");
    broadcast.change(|hls| hls.playlist_redirect(Some("/slate.ts")));
    assert_eq!(get(&origin, "/live/index.m3u8").await.header("location"), Some("/slate.ts"));
}

#[tokio::test]
async fn the_speed_can_change_on_air() {
    let origin = Origin::start().await;
    let broadcast = live().mount(&origin, "/live");
    broadcast.change(|hls| hls.speed(0.001));
    let before = broadcast.segments();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(broadcast.segments(), before);
    broadcast.change(|hls| hls.speed(100.0));
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(broadcast.segments() > before + 5, "{}", broadcast.segments());
}

#[tokio::test]
async fn every_container_is_new_in_each_round() {
    let origin = Origin::start().await;
    for container in [Container::Ts, Container::Fmp4, Container::Fmp4Video, Container::PackedAudio] {
        let payload = |repeating: bool| {
            let clip = Clip::get(Kind::ShortGop);
            let hls = Hls::live(clip.clone()).segment(clip.duration()).window(2);
            let hls = if repeating { hls.repeating() } else { hls };
            let broadcast = hls.container(container).frozen(true).mount(&origin, "/live");
            // What stands in front of the payload tells the time.
            let of = |number| {
                let bytes = broadcast.segment_bytes(number);
                match container {
                    Container::Ts => {
                        demux(&bytes)[&0x100].iter().flat_map(|pes| pes.payload.clone()).collect()
                    }
                    Container::PackedAudio => bytes[73..].to_vec(),
                    _ => mdat(&bytes),
                }
            };
            [of(0), of(1)]
        };
        let ([fresh, next], [one, again]) = (payload(false), payload(true));
        assert!(fresh == one && fresh != next && one == again, "{container:?}");
    }
}

/// What the boxes `mdat` hold.
fn mdat(bytes: &[u8]) -> Vec<u8> {
    let (mut rest, mut found) = (bytes, Vec::new());
    while let Some((size, kind)) = rest.get(..8).map(|head| head.split_at(4)) {
        let size = u32::from_be_bytes(size.try_into().unwrap()) as usize;
        if kind == b"mdat" {
            found.extend_from_slice(&rest[8..size]);
        }
        rest = &rest[size..];
    }
    found
}
