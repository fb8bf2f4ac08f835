//! Films in Matroska files: every picture and frame of sound once, at its time and with its bytes.

#[path = "support/boxes.rs"]
mod boxes;
#[path = "support/mkv.rs"]
mod mkv;

use std::ops::Range;
use std::time::Duration;

use boxes::{Played, play};
use forebay_core::index::{Error, Film, Indexer, SampleReader};
use forebay_core::manifest::{self, Addresses, Rendition};
use forebay_core::package;
use mkv::{Frame, Lacing, Style};
use proptest::prelude::*;

const PLAIN: Addresses<'_> = Addresses { base: "", query: "" };

const SEGMENT: Duration = Duration::from_secs(6);

fn part(file: &[u8], range: Range<u64>) -> Vec<u8> {
    let place = |at: u64| usize::try_from(at).expect("tests have small files");
    file[place(range.start)..place(range.end)].to_vec()
}

/// The film, and how many bytes were read for it.
fn index(file: &[u8]) -> Result<(Film, u64), Error> {
    let mut indexer = Indexer::new(file.len() as u64, SEGMENT);
    let mut read = 0;
    while let Some(range) = indexer.poll_read()? {
        read += range.end - range.start;
        indexer.handle_bytes(part(file, range))?;
    }
    Ok((indexer.into_film().expect("nothing more is needed"), read))
}

fn segments(film: &Film, bytes: &[u8], rendition: Rendition) -> Vec<Vec<u8>> {
    let tracks = rendition.tracks(film);
    let mut all = vec![package::init(film, &tracks)];
    for n in 0..film.segments() {
        let mut reader = SampleReader::new(film, n, &tracks);
        while let Some(range) = reader.poll_read().expect("the file is as it was") {
            reader.handle_bytes(part(bytes, range)).expect("it is all there");
        }
        let segment = package::fragment(film, n, &tracks, &reader.into_samples());
        let payload = segment.ranges.iter().flat_map(|range| part(bytes, range.clone()));
        all.push(segment.head.iter().copied().chain(payload).collect());
    }
    all
}

/// Pictures with two that are shown out of order, of groups so long, each shown as long as said.
fn pictures(groups: &[usize], spans: &[i64]) -> Vec<Frame> {
    let mut shown = Vec::new();
    let mut time = 0;
    let all: usize = groups.iter().sum();
    for at in 0..=all {
        shown.push(time);
        time += spans[at % spans.len()];
    }
    let mut frames = Vec::new();
    let mut first = 0;
    for &group in groups {
        // I P b b P b b, and what is left over in order.
        let mut order: Vec<usize> = vec![0];
        let mut at = 1;
        while at < group {
            if at + 2 < group {
                order.extend([at + 2, at, at + 1]);
                at += 3;
            } else {
                order.push(at);
                at += 1;
            }
        }
        for (turn, &place) in order.iter().enumerate() {
            frames.push(Frame {
                time: shown[first + place],
                turn: shown[first + turn],
                is_key: turn == 0,
                size: 40 + (first + turn) % 7,
            });
        }
        first += group;
    }
    frames
}

/// Frames of AAC, from `begins` thousandths of a second on, each in its turn or so much later.
fn sound(count: usize, begins: i64, late: i64) -> Vec<Frame> {
    let frame = |at: usize| {
        let time = begins + (i64::try_from(at).expect("small") * 1024 * 1000 + 24_000) / 48_000;
        Frame { time, turn: time + late, is_key: true, size: 10 + at % 5 }
    };
    (0..count).map(frame).collect()
}

fn expected_pictures(frames: &[Frame]) -> Vec<(i64, bool, Vec<u8>)> {
    let zero = frames[0].time;
    let all = frames.iter().enumerate();
    all.map(|(at, frame)| (frame.time - zero, frame.is_key, mkv::payload(1, at, frame.size))).collect()
}

fn check(video: &[Frame], audio: &[Frame], style: Style) -> Result<(), TestCaseError> {
    let bytes = mkv::write(video, audio, style);
    let (film, _) = index(&bytes).map_err(|error| TestCaseError::fail(error.to_string()))?;
    let want = expected_pictures(video);
    for rendition in [Rendition::Main, Rendition::Track(0)] {
        let found = play(&segments(&film, &bytes, rendition), 1);
        let found: Vec<_> =
            found.iter().map(|found| (found.shown, found.is_sync, found.bytes.clone())).collect();
        prop_assert_eq!(&found, &want, "pictures of {}", rendition);
    }
    for rendition in [Rendition::Main, Rendition::Track(1)] {
        let found = play(&segments(&film, &bytes, rendition), 2);
        let want: Vec<_> =
            audio.iter().enumerate().map(|(at, frame)| mkv::payload(2, at, frame.size)).collect();
        let bytes: Vec<_> = found.iter().map(|found| found.bytes.clone()).collect();
        prop_assert_eq!(&bytes, &want, "sound of {}", rendition);
        check_grid(&found)?;
    }
    let told: Duration = (0..film.segments()).map(|n| film.duration(n)).sum();
    prop_assert_eq!(told.as_millis(), film.total().as_millis());
    Ok(())
}

/// Frames of sound follow each other without a gap.
fn check_grid(found: &[Played]) -> Result<(), TestCaseError> {
    for pair in found.windows(2) {
        prop_assert_eq!(pair[1].shown - pair[0].shown, 1024);
        prop_assert_eq!(pair[0].duration, 1024);
    }
    Ok(())
}

fn styles() -> impl Strategy<Value = Style> {
    let lacing = prop_oneof![Just(Lacing::None), Just(Lacing::Xiph), Just(Lacing::Ebml), Just(Lacing::Fixed)];
    (any::<(bool, bool, bool, bool)>(), lacing, 300_i64..8000).prop_map(|(flags, lacing, cluster)| Style {
        has_cues: flags.0,
        has_relative: flags.1,
        is_live: flags.2,
        has_groups: flags.3,
        lacing,
        cluster,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn segments_have_every_frame_once_and_at_its_time(
        groups in prop::collection::vec(1_usize..150, 1..8),
        spans in prop::collection::vec(17_i64..60, 1..5),
        style in styles(),
        late in -200_i64..400,
    ) {
        let video = pictures(&groups, &spans);
        let last = video.iter().map(|frame| frame.time).max().expect("there are pictures");
        let count = usize::try_from(last).expect("positive") * 48 / 1024 + 1;
        let mut audio = sound(count, 0, late);
        if style.lacing == Lacing::Fixed {
            for frame in &mut audio {
                frame.size = 12;
            }
        }
        check(&video, &audio, style)?;
    }

    #[test]
    fn what_is_damaged_is_refused_or_played_as_far_as_it_goes(
        style in styles(),
        damage in prop::collection::vec((0.0..1.0, any::<u8>()), 1..8),
        cut in prop::option::of(0.0..1.0),
    ) {
        let mut bytes = mkv::write(&pictures(&[50; 6], &[40]), &sound(500, 0, 0), style);
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "any place")]
        for (place, byte) in damage {
            let at = (bytes.len() as f64 * place) as usize;
            bytes[at] = byte;
        }
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "any place")]
        if let Some(cut) = cut {
            bytes.truncate((bytes.len() as f64 * cut) as usize);
        }
        let Ok((film, _)) = index(&bytes) else { return Ok(()) };
        for track in 0..film.tracks().len() {
            segments(&film, &bytes, Rendition::Track(track));
        }
        prop_assert!(manifest::manifest(&film, &[], &[], PLAIN).ends_with("</MPD>\n"));
    }
}

#[test]
fn little_of_a_long_film_is_read() {
    let mut video = pictures(&[50; 600], &[40]);
    for frame in &mut video {
        frame.size = 2000;
    }
    let audio = sound(56_000, 0, 0);
    let bytes = mkv::write(&video, &audio, Style::default());
    let (film, read) = index(&bytes).unwrap();
    assert_eq!(film.segments(), 200);
    assert!(read < bytes.len() as u64 / 20, "{read} of {}", bytes.len());
    // Without a list of key frames, the clusters are looked at.
    let bytes = mkv::write(&video, &audio, Style { has_cues: false, cluster: 2000, ..Style::default() });
    let (film, read) = index(&bytes).unwrap();
    assert_eq!(film.segments(), 200);
    assert!(read < bytes.len() as u64 / 2, "{read} of {}", bytes.len());
}

#[test]
fn tracks_are_named_and_text_too() {
    let bytes = mkv::write(&pictures(&[50; 3], &[40]), &sound(280, 0, 0), Style::default());
    let (film, _) = index(&bytes).unwrap();
    let tracks: Vec<_> = film
        .tracks()
        .iter()
        .map(|track| (track.codec.as_str(), track.language.as_deref(), track.size, track.channels))
        .collect();
    assert_eq!(tracks, [("avc1.4d401f", Some("eng"), (640, 360), 0), ("mp4a.40.2", Some("ger"), (0, 0), 2)]);
    assert!(film.left_out().is_empty());
    assert_eq!(film.texts()[0].language.as_deref(), Some("eng"));
}

#[test]
fn sound_in_front_of_the_first_picture_is_a_segment() {
    let mut video = pictures(&[50; 5], &[40]);
    for frame in &mut video {
        frame.time += 2000;
        frame.turn += 2000;
    }
    let bytes = mkv::write(&video, &sound(560, 0, 0), Style::default());
    let (film, _) = index(&bytes).unwrap();
    let spans: Vec<u128> = (0..film.segments()).map(|n| film.duration(n).as_millis()).collect();
    assert_eq!(spans, [2000, 6000, 4000]);
    let shown = play(&segments(&film, &bytes, Rendition::Main), 1);
    assert_eq!((shown.len(), shown[0].shown), (250, 2000));
    assert_eq!(play(&segments(&film, &bytes, Rendition::Main), 2).len(), 560);
}

#[test]
fn priming_of_sound_lies_in_front_of_the_first_picture() {
    // As ffmpeg writes it: the first frame of sound at zero, the first picture a frame later.
    let mut video = pictures(&[50; 5], &[40]);
    for frame in &mut video {
        frame.time += 21;
    }
    let bytes = mkv::write(&video, &sound(460, 0, 0), Style::default());
    let (film, _) = index(&bytes).unwrap();
    assert_eq!(play(&segments(&film, &bytes, Rendition::Main), 1)[0].shown, 0);
    assert_eq!(play(&segments(&film, &bytes, Rendition::Main), 2)[0].shown, -1008);
}
