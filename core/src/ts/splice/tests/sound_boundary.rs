//! A clip in a loop: where one pass ends and the next begins, sound goes on frame by frame.

use super::*;
use crate::ts::codec_headers::AudioFrame;
use crate::ts::stream::Codec;

/// When each frame of sound begins, in ticks.
fn frames(codec: Codec, pes: &[Pes]) -> Vec<(u64, u64)> {
    let mut frames = Vec::new();
    for one in pes {
        let (mut at, mut samples) = (0, 0);
        while let Some(frame) = AudioFrame::parse(codec, &one.payload[at..]) {
            let rate = u64::from(frame.format.sample_rate);
            let begins = one.pts.expect("ffmpeg stamps each") + samples * 90_000 / rate;
            frames.push((begins, u64::from(frame.samples) * 90_000 / rate));
            at += frame.length;
            samples += u64::from(frame.samples);
        }
        assert_eq!(at, one.payload.len(), "whole frames");
    }
    frames
}

/// Clips that ffmpeg made, several sound frames to a PES packet and fewer in the last.
#[test]
fn a_loop_loses_less_than_a_frame_of_sound_where_it_begins_anew() {
    // The pictures of the last one are shown later than its sound ends.
    let clips: [(&[u8], Codec, u64); 3] = [
        (include_bytes!("../../../../tests/data/h264_aac.ts"), Codec::Aac, 1),
        (include_bytes!("../../../../tests/data/hevc_ac3.ts"), Codec::Ac3, 1),
        (include_bytes!("../../../../tests/data/mpeg2_mp2.ts"), Codec::MpegAudio, 2),
    ];
    for (clip, codec, most) in clips {
        let mut splice = Splice::new(None);
        let (mut pictures, mut sounds) = (Vec::new(), Vec::new());
        for _ in 0..200 {
            push(&mut splice, clip);
            splice.finish();
            splice.begin();
            let mut pes = demux(&output(&splice));
            pictures.push(times(&pes[&VIDEO])[0]);
            sounds.push(frames(codec, &pes.remove(&AUDIO).expect("there is sound")));
            splice.clear(usize::MAX);
        }
        assert_eq!((splice.counts().splices, splice.counts().units_dropped), (199, 0));
        let all: Vec<(u64, u64)> = sounds.iter().flatten().copied().collect();
        for pair in all.windows(2) {
            let (expected, got) = (pair[0].0 + pair[0].1, pair[1].0);
            assert!(
                got + 900 >= expected && got < expected + most * pair[0].1,
                "{codec}: {got} after {expected}"
            );
        }
        // Sound and pictures stay together: the last frame of each pass is as far behind its first
        // picture.
        let lags = sounds.iter().zip(&pictures).map(|(sounds, picture)| sounds[sounds.len() - 1].0 - picture);
        let lags: Vec<u64> = lags.collect();
        assert!(lags.iter().all(|lag| lag.abs_diff(lags[0]) <= 1), "{codec}: {lags:?}");
    }
}
