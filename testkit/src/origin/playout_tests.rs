use std::sync::Arc;

use super::*;
use crate::clip::{Clip, Kind};
use crate::origin::Behaviour;
use crate::origin::Clock;
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
        let behaviour = behaviour.repeating();
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
fn no_round_is_the_same_as_another() {
    for kind in Kind::ALL {
        let clip = Clip::get(kind);
        let seconds = 3 * clip.duration().as_secs() + 3;
        let pid = clip.video_pid().unwrap_or_else(|| clip.audio_pids()[0]);
        let payloads = |behaviour: Behaviour| -> Vec<Vec<u8>> {
            let got = demux(&play(&behaviour, seconds)).remove(&pid).unwrap();
            got.into_iter().map(|pes| pes.payload).collect()
        };
        let round = clip.pes()[&pid].len();
        let (fresh, loops) =
            (payloads(Behaviour::ts(clip.clone())), payloads(Behaviour::ts(clip).repeating()));
        assert_eq!(fresh[..round], loops[..round], "{kind:?}: the first is the clip");
        // 48 pictures are two seconds, or more where they are frames of sound.
        for (one, other) in [(0, 1), (0, 2), (1, 2)] {
            let (one, other) = (one * round, other * round);
            for at in (0..round - 48).step_by(24) {
                let stretch = |all: &[Vec<u8>], from: usize| all[from + at..from + at + 48].concat();
                assert!(stretch(&fresh, one) != stretch(&fresh, other), "{kind:?}: {at} {one} {other}");
                assert!(stretch(&loops, one) == stretch(&loops, other), "{kind:?}: {at} {one} {other}");
            }
        }
    }
}

#[test]
fn a_loop_can_begin_later() {
    let clip = Clip::get(Kind::Brief);
    let got = demux(&play(&Behaviour::ts(clip.clone()).repeat_after(Duration::from_millis(9600)), 30));
    let pes = &clip.pes()[&0x100];
    let is_first = |number: usize| {
        let pair = got[&0x100][number * 120..].iter().zip(pes);
        pair.take(120).all(|(got, sent)| got.payload == sent.payload)
    };
    assert_eq!([0, 1, 2, 3].map(is_first), [true, false, true, true]);
}

#[test]
fn without_sound_the_clock_and_the_picture_go_on() {
    let report = Checker::check(&play(&Behaviour::ts(clip()).drop_audio_after(Duration::ZERO), 3));
    assert_eq!(report.faults(&ANY_START), [""; 0]);
    assert!(!report.pes_packets.contains_key(&0x101) && report.pes_packets[&0x100] > 70, "{report:?}");
}

#[test]
fn a_slow_stream_is_slow_from_then_on() {
    let report = Checker::check(&play(&Behaviour::ts(clip()).slow_after(Duration::from_secs(2), 50), 10));
    assert!(report.media_time.abs_diff(Duration::from_secs(6)) < Duration::from_millis(100), "{report:?}");
    assert_eq!(report.faults(&ANY_START), [""; 0]);
}

#[test]
fn a_hiccup_holds_back_and_loses_nothing() {
    let second = Duration::from_secs(1);
    let behaviour = Behaviour::ts(clip()).hiccups(5 * second, 2 * second);
    let Answer::Ts(playout) = &behaviour.answer else { panic!("not a stream") };
    let mut player = Player::new(playout);
    let mut take = |at: u32| player.take(second * at / 10);
    let pieces: Vec<Vec<u8>> = (0..=100).map(&mut take).collect();
    let silent = pieces.iter().map(Vec::is_empty).collect::<Vec<_>>();
    assert!(silent[31..50].iter().chain(&silent[81..100]).all(|silent| *silent), "{silent:?}");
    assert_eq!(silent.iter().filter(|silent| **silent).count(), 38, "{silent:?}");
    assert!(pieces.concat() == play(&Behaviour::ts(clip()), 10), "and all of it comes");
}

#[test]
fn a_clock_jumps_back_and_forth() {
    let second = Duration::from_secs(1);
    let behaviour = Behaviour::ts(clip()).jump_after(2 * second, second, 10 * second);
    let report = Checker::check(&play(&behaviour, 8));
    assert_eq!((report.pcr_backward, report.dts_backward[&0x100]), (3, 3), "{report:?}");
    assert!(report.dts_gap[&0x100] > 9 * second && report.continuity_errors.is_empty(), "{report:?}");
}

#[test]
fn damage_is_marked_and_counted() {
    let behaviour = Behaviour::ts(clip()).damage_after(Duration::from_secs(1), 50);
    let report = Checker::check(&play(&behaviour, 3));
    let share = report.packets / report.damaged;
    assert!((60..90).contains(&share), "one in 50, for two of three seconds: {report:?}");
}

#[test]
fn a_page_has_no_packet() {
    let stream = play(&Behaviour::ts(clip()).page_after(Duration::from_secs(1)), 3);
    let page = stream.windows(15).position(|piece| piece == b"<!doctype html>").unwrap();
    assert!(!stream[page..].contains(&SYNC_BYTE) && stream.len() - page > 500);
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

#[test]
fn clocks_do_not_fit_the_stamps() {
    let seconds = |clock| {
        let bytes = play(&Behaviour::ts(clip()).shift_90k(900_000).clock(clock), 5);
        let packets = bytes.chunks(PACKET_SIZE).map(|packet| Packet::new(packet).expect("whole packets"));
        let clocks: Vec<u64> = packets.filter_map(|packet| packet.pcr()).collect();
        assert_eq!(Checker::check(&bytes).crc_errors, 0);
        let span = clocks.iter().max().zip(clocks.iter().min()).map_or(0, |(max, min)| max - min);
        (clocks.len() > 50, span / 2_700_000)
    };
    let by = Duration::from_secs(1);
    let spans =
        [Clock::Pace { percent: 70 }, Clock::Jitter { by }, Clock::Stands, Clock::Missing, Clock::Apart];
    let spans = spans.map(seconds);
    assert!(matches!(spans[0], (true, 33..=36)) && matches!(spans[1], (true, 55..=70)), "{spans:?}");
    assert_eq!(spans[2..4], [(true, 0), (false, 0)]);
    assert!(matches!(spans[4], (true, 48..=51)), "{spans:?}");
}
