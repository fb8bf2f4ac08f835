use std::sync::Arc;

use super::*;
use crate::clip::{Clip, Kind};
use crate::origin::Behaviour;
use crate::origin::behaviour::Answer;
use crate::ts::{Checker, Limits, contains_in_order, demux};

/// What comes in the first so many seconds.
fn play(behaviour: &Behaviour, seconds: u64) -> Vec<u8> {
    let Answer::Ts(playout) = &behaviour.answer else { panic!("not a stream") };
    let mut player = Player::new(playout);
    // Ten steps a second, as an origin would.
    (0..=seconds * 10).flat_map(|step| player.take(Duration::from_millis(step * 100))).collect()
}

fn clip() -> Arc<Clip> {
    Clip::get(Kind::H264Aac)
}

/// A clip of ffmpeg begins with the table of services, and joining in the middle with anything.
const ANY_START: Limits = Limits {
    tables: Duration::from_millis(500),
    pcr: Duration::from_millis(100),
    dts_gap: Duration::from_millis(500),
    clean_start: false,
    cut_end: false,
};

#[test]
fn the_seam_shows_in_no_field() {
    for kind in Kind::ALL {
        let clip = Clip::get(kind);
        let behaviour =
            Behaviour::ts(clip.clone()).start_at(Duration::from_secs(7)).wrap_after(Duration::from_secs(3));
        let stream = play(&behaviour, 45);
        let report = Checker::check(&stream);
        report.assert_within(&ANY_START);
        assert!(report.media_time.abs_diff(Duration::from_secs(45)) < Duration::from_millis(200), "{kind:?}");
        let single = Checker::check(clip.bytes());
        for (pid, gap) in &report.dts_gap {
            let known = single.dts_gap[pid];
            assert!(
                *gap < known + Duration::from_millis(1),
                "{kind:?} {pid:#x}: {gap:?} at the seam, {known:?} within"
            );
        }
        let (sent, got) = (clip.pes(), demux(&stream));
        for stream in clip.streams() {
            let run = contains_in_order(&sent[&stream.pid], &got[&stream.pid]);
            assert!(run.is_ok(), "{kind:?} {:#x}: {run:?}", stream.pid);
        }
    }
}

#[test]
fn the_burst_comes_at_once_and_the_rest_in_real_time() {
    let behaviour = Behaviour::ts(clip()).burst(Duration::from_secs(4));
    let first = Checker::check(&play(&behaviour, 0)).media_time;
    let later = Checker::check(&play(&behaviour, 3)).media_time;
    assert!(first.abs_diff(Duration::from_secs(4)) < Duration::from_millis(100), "{first:?}");
    assert!(later.abs_diff(Duration::from_secs(7)) < Duration::from_millis(100), "{later:?}");
}

#[test]
fn a_frozen_clock_stays_while_bytes_come() {
    let stream = play(&Behaviour::ts(clip()).freeze_pcr_after(Duration::from_secs(2)), 10);
    let report = Checker::check(&stream);
    assert!(report.media_time < Duration::from_millis(2100), "{:?}", report.media_time);
    assert!(report.bytes > 1_000_000 && report.continuity_errors.is_empty());
    assert!(report.dts_backward[&0x100] > 150, "the same again is not later");
}

#[test]
fn a_drip_is_null_packets_alone() {
    let stream = play(&Behaviour::ts(clip()).drip_nulls_after(Duration::from_secs(1)), 5);
    let report = Checker::check(&stream);
    assert!((15..=18).contains(&report.null_packets), "{}", report.null_packets);
    assert!(report.media_time < Duration::from_secs(1));
}

#[test]
fn scrambling_leaves_the_tables_alone() {
    let report = Checker::check(&play(&Behaviour::ts(clip()).scramble_after(Duration::ZERO), 3));
    assert!(
        report.scrambled > 1000 && report.pmt.count > 20 && report.continuity_errors.is_empty(),
        "{report:?}"
    );
}

#[test]
fn without_video_the_clock_and_the_sound_go_on() {
    let report = Checker::check(&play(&Behaviour::ts(clip()).drop_video_after(Duration::ZERO), 3));
    assert_eq!(report.faults(&ANY_START), [""; 0]);
    assert!(!report.pes_packets.contains_key(&0x100) && report.pes_packets[&0x101] > 10, "{report:?}");
}

#[test]
fn lost_packets_are_lost_without_a_word() {
    let report = Checker::check(&play(&Behaviour::ts(clip()).lose_packets_after(Duration::ZERO, 100), 3));
    assert!(report.continuity_errors_total() > 10, "{report:?}");
}

#[test]
fn other_packet_sizes_hold_the_same_packets() {
    let plain = play(&Behaviour::ts(clip()), 1);
    for (size, before) in [(192, 4), (204, 0)] {
        let other = play(&Behaviour::ts(clip()).packet_size(size), 1);
        let stripped: Vec<u8> =
            other.chunks(size).flat_map(|packet| packet[before..before + 188].to_vec()).collect();
        assert!(stripped == plain, "packets of {size} bytes");
    }
}
