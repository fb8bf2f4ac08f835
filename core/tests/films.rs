//! Whatever film it is: its segments have every sample once, at its time and with its bytes.

#[path = "support/boxes.rs"]
mod boxes;
#[path = "support/movie.rs"]
mod movie;

use std::ops::Range;
use std::time::Duration;

use boxes::{Played, play};
use forebay_core::index::{Error, Film, Indexer, SampleReader};
use forebay_core::manifest::{self, Addresses, FilmCopy, Rendition};
use forebay_core::package;
use forebay_core::rungs::{self, Mismatch};
use movie::{Movie, Sample, Track};
use proptest::prelude::*;

const PLAIN: Addresses<'_> = Addresses { base: "", query: "" };

const SEGMENT: Duration = Duration::from_secs(6);

fn part(file: &[u8], range: Range<u64>) -> Vec<u8> {
    let place = |at: u64| usize::try_from(at).expect("tests have small files");
    file[place(range.start)..place(range.end)].to_vec()
}

fn index(file: &[u8]) -> Result<Film, Error> {
    index_with(file, SEGMENT)
}

/// The index of a film with segments of about this length.
fn index_with(file: &[u8], segment: Duration) -> Result<Film, Error> {
    let mut indexer = Indexer::new(file.len() as u64, segment);
    while let Some(range) = indexer.poll_read()? {
        indexer.handle_bytes(part(file, range))?;
    }
    Ok(indexer.into_film().expect("nothing more is needed"))
}

/// All segments of a rendition, behind its initialisation segment.
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
        let whole: Vec<u8> = segment.head.iter().copied().chain(payload).collect();
        assert_eq!(whole.len() as u64, segment.length());
        all.push(whole);
    }
    all
}

/// What a player sees of a track of a movie: when each sample is shown, in units of its timescale,
/// and its bytes.
fn expected(track: &Track, places: &[u64]) -> Vec<Played> {
    let empty: i64 = track.edits.iter().filter(|edit| edit.1 < 0).map(|edit| i64::from(edit.0)).sum();
    let media = track.edits.iter().find(|edit| edit.1 >= 0).map_or(0, |edit| i64::from(edit.1));
    let shift = empty * i64::from(track.timescale) / 1000 - media;
    let mut decode = 0;
    let played = track.samples.iter().zip(places).map(|(sample, &at)| {
        let shown = decode + i64::from(sample.offset) + shift;
        decode += i64::from(sample.duration);
        let bytes = (at..at + u64::from(sample.size)).map(movie::payload).collect();
        Played { shown, duration: sample.duration, is_sync: sample.is_sync, bytes }
    });
    played.collect()
}

/// Pictures of which two are shown out of order, with key frames at random.
fn pictures() -> impl Strategy<Value = Vec<Sample>> {
    let gops = prop::collection::vec((1_usize..120, prop::bool::ANY), 1..12);
    (gops, 1_u32..40).prop_map(|(gops, size)| {
        let picture = |index: usize, varies: bool| Sample {
            duration: if varies && index.is_multiple_of(3) { 5000 } else { 3600 },
            // Runs of several, which segments divide.
            offset: [7200, 7200, 10_800, 3600, 3600][index % 5],
            size: size + u32::try_from(index % 7).expect("it is small"),
            is_sync: index == 0,
        };
        gops.into_iter()
            .flat_map(|(length, varies)| (0..length).map(move |index| picture(index, varies)))
            .collect()
    })
}

fn sound(count: usize, duration: u32) -> Vec<Sample> {
    let frame = |index: usize| {
        let size = 10 + u32::try_from(index % 5).expect("it is small");
        Sample { duration, offset: 0, size, is_sync: true }
    };
    (0..count).map(frame).collect()
}

fn tracks() -> impl Strategy<Value = Vec<Track>> {
    let chunks = (1_usize..30, 1_usize..60);
    let edits = (prop_oneof![Just(None), Just(Some(500))], prop::bool::ANY);
    (pictures(), 0_usize..900, chunks, edits).prop_map(|(pictures, frames, chunks, (empty, has_priming))| {
        let empty: Vec<(u32, i32)> = empty.map(|span| (span, -1)).into_iter().collect();
        let video_edits = [&empty[..], &[(0, 7200)]].concat();
        let audio_edits = [&empty[..], &[(0, if has_priming { 1024 } else { 0 })]].concat();
        let video = Track {
            is_video: true,
            timescale: 90_000,
            samples: pictures,
            per_chunk: chunks.0,
            edits: video_edits,
        };
        let audio = Track {
            is_video: false,
            timescale: 48_000,
            samples: sound(frames, 1024),
            per_chunk: chunks.1,
            edits: audio_edits,
        };
        if frames == 0 { vec![video] } else { vec![audio, video] }
    })
}

proptest! {
    #[test]
    fn segments_have_every_sample_once_and_at_its_time(tracks in tracks()) {
        let movie = Movie::write(&tracks);
        let file = movie.bytes();
        let film = index(&file).unwrap();
        // The one that decides comes first.
        let order: Vec<usize> = if tracks[0].is_video { vec![0] } else { vec![1, 0] };
        for (at, &track) in order.iter().enumerate() {
            let want = expected(&tracks[track], &movie.places[track]);
            for rendition in [Rendition::Main, Rendition::Track(at)] {
                let mut found = play(&segments(&film, &file, rendition), at + 1);
                let last = found.last_mut().expect("a track has samples");
                prop_assert!(last.duration >= want[want.len() - 1].duration, "it may be held");
                last.duration = want[want.len() - 1].duration;
                prop_assert_eq!(&found, &want, "track {} of {}", track, rendition);
            }
        }
        check_cuts(&film, &tracks, order[0])?;
    }

    #[test]
    fn a_film_that_is_cut_off_has_what_is_whole(tracks in tracks(), cut in 0.0..1.0) {
        let movie = Movie::write(&tracks);
        let mut file = movie.bytes();
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "any place")]
        let kept = (file.len() as f64 * cut) as usize;
        file.truncate(kept);
        let Ok(film) = index(&file) else { return Ok(()) };
        for (at, track) in film.tracks().iter().enumerate() {
            let found = play(&segments(&film, &file, Rendition::Track(at)), at + 1);
            let count: u32 = (0..film.segments()).filter_map(|n| track.samples(n)).sum();
            prop_assert_eq!(found.len() as u64, u64::from(count));
        }
    }
}

proptest! {
    #[test]
    fn what_is_damaged_is_refused_or_played_as_far_as_it_goes(
        tracks in tracks(),
        damage in prop::collection::vec((0.0..1.0, any::<u8>()), 1..8),
    ) {
        let movie = Movie::write(&tracks);
        let mut file = movie.bytes();
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "any place")]
        for (place, byte) in damage {
            file[(movie.head.len() as f64 * place) as usize] = byte;
        }
        let Ok(film) = index(&file) else { return Ok(()) };
        for track in 0..film.tracks().len() {
            // What the head says is in the segment.
            segments(&film, &file, Rendition::Track(track));
        }
        prop_assert!(manifest::manifest(&film, &[], &[], PLAIN).ends_with("</MPD>\n"));
    }
}

/// Segments begin with key frames, have durations that make up the film, and are where playlists
/// say.
fn check_cuts(film: &Film, tracks: &[Track], reference: usize) -> Result<(), TestCaseError> {
    let list = manifest::media(film, Rendition::Main);
    let told: Vec<Duration> = list
        .lines()
        .filter_map(|line| line.strip_prefix("#EXTINF:")?.strip_suffix(','))
        .map(|text| Duration::from_secs_f64(text.parse().expect("a number")))
        .collect();
    prop_assert_eq!(told.len(), film.segments());
    let sum: Duration = told.iter().sum();
    prop_assert_eq!(sum.as_micros(), film.total().as_micros());
    let target: u64 = list
        .lines()
        .find_map(|line| line.strip_prefix("#EXT-X-TARGETDURATION:")?.parse().ok())
        .expect("it has one");
    for span in &told {
        prop_assert!(*span > Duration::ZERO && *span < Duration::from_millis(target * 1000 + 500));
    }
    if tracks[reference].is_video {
        let keys = tracks[reference].samples.iter().filter(|sample| sample.is_sync).count();
        let cuts = (0..film.segments()).filter(|&n| !film.tracks()[0].is_empty(n)).count();
        prop_assert!(cuts <= keys && cuts > 0);
    }
    Ok(())
}

fn track(is_video: bool, samples: Vec<Sample>) -> Track {
    let (timescale, begins) = if is_video { (90_000, 7200) } else { (48_000, 1024) };
    Track { is_video, timescale, samples, per_chunk: 5, edits: vec![(0, begins)] }
}

/// A key frame every two seconds, of which the third is the nearest to six.
fn twenty_seconds() -> Vec<Sample> {
    let picture = |index: usize| Sample {
        duration: 3600,
        offset: [7200, 10_800, 3600][index % 3],
        size: if index.is_multiple_of(50) { 4000 } else { 1000 },
        is_sync: index.is_multiple_of(50),
    };
    (0..500).map(picture).collect()
}

#[test]
fn playlists_say_what_players_need() {
    let movie = Movie::write(&[track(true, twenty_seconds()), track(false, sound(470, 2048))]);
    let film = index(&movie.bytes()).unwrap();
    assert_eq!(
        manifest::master(&film, &[]),
        "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n\
         #EXT-X-STREAM-INF:BANDWIDTH=228550,AVERAGE-BANDWIDTH=227768,\
         CODECS=\"avc1.4d401f,ac-3\",RESOLUTION=640x360\nmain.m3u8\n\
         #EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=219466,CODECS=\"avc1.4d401f\",RESOLUTION=640x360,\
         URI=\"keys.m3u8\"\n"
    );
    let begin = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:6\n#EXT-X-MEDIA-SEQUENCE:0\n\
                 #EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-INDEPENDENT-SEGMENTS\n";
    assert_eq!(
        manifest::media(&film, Rendition::Main),
        format!(
            "{begin}#EXT-X-MAP:URI=\"main/init.mp4\"\n#EXTINF:6.000000,\nmain/0.m4s\n\
             #EXTINF:6.000000,\nmain/1.m4s\n#EXTINF:6.000000,\nmain/2.m4s\n\
             #EXTINF:2.040000,\nmain/3.m4s\n#EXT-X-ENDLIST\n"
        )
    );
    let keys = manifest::key_frames(&film);
    assert!(keys.starts_with(&format!("{begin}#EXT-X-I-FRAMES-ONLY\n#EXT-X-MAP:URI=\"keys/init.mp4\"\n")));
}

#[test]
fn sounds_to_choose_from_are_renditions_of_their_own() {
    let movie = Movie::write(&[
        track(true, twenty_seconds()),
        track(false, sound(470, 2048)),
        track(false, sound(940, 1024)),
    ]);
    let film = index(&movie.bytes()).unwrap();
    let master = manifest::master(&film, &[]);
    let sounds: Vec<&str> = master.lines().filter(|line| line.starts_with("#EXT-X-MEDIA:")).collect();
    assert_eq!(
        sounds,
        [
            "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"ac-3\",NAME=\"und 1\",DEFAULT=YES,AUTOSELECT=YES,URI=\"t1.m3u8\"",
            "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"ac-3\",NAME=\"und 2\",DEFAULT=NO,AUTOSELECT=YES,URI=\"t2.m3u8\"",
        ]
    );
    assert!(master.contains(",RESOLUTION=640x360,AUDIO=\"ac-3\"\nt0.m3u8\n"), "{master}");
    for (name, found) in
        [("main", true), ("keys", true), ("t2", true), ("t3", false), ("t02", false), ("x", false)]
    {
        let rendition = Rendition::parse(name, &film);
        assert_eq!(rendition.map(|rendition| rendition.to_string()), found.then(|| name.to_owned()));
    }
}

#[test]
fn a_dash_manifest_has_every_track_on_the_films_own_clock() {
    let movie = Movie::write(&[track(true, twenty_seconds()), track(false, sound(300, 2048))]);
    let film = index(&movie.bytes()).unwrap();
    let text = manifest::manifest(&film, &[], &[], Addresses { base: "/hls/x/", query: "" });
    assert!(text.contains("mediaPresentationDuration=\"PT20.040000S\""), "{text}");
    assert!(
        text.contains(" initialization=\"/hls/x/t0/init.mp4\" media=\"/hls/x/t0/$Number$.m4s\""),
        "{text}"
    );
    let sets: Vec<Vec<(i64, i64)>> = text
        .split("<AdaptationSet")
        .skip(1)
        .map(|set| {
            let value = |line: &str, name: &str| {
                let (_, rest) = line.split_once(name).expect("it has both");
                rest.split_once('"').expect("quoted").0.parse::<i64>().expect("a number")
            };
            let lines = set.lines().filter(|line| line.contains("<S "));
            lines.map(|line| (value(line, "t=\""), value(line, "d=\""))).collect()
        })
        .collect();
    assert_eq!(sets[0], [(0, 540_000), (540_000, 540_000), (1_080_000, 540_000), (1_620_000, 183_600)]);
    // Sound ends early: the fourth segment has none, and is not named.
    assert_eq!(sets[1].len(), 3);
    for set in sets {
        assert!(set.windows(2).all(|pair| pair[0].0 + pair[0].1 == pair[1].0), "{set:?}");
    }
}

#[test]
fn a_film_begins_with_the_key_frame_in_front_of_its_edit() {
    let mut pictures = track(true, twenty_seconds());
    // Five seconds in: the key frame of the fourth counts, for the sound too.
    pictures.edits = vec![(0, 7200 + 5 * 90_000)];
    let mut sounds = track(false, sound(470, 2048));
    sounds.edits = vec![(0, 5 * 48_000)];
    let movie = Movie::write(&[pictures, sounds]);
    let film = index(&movie.bytes()).unwrap();
    let shown = |at: usize| play(&segments(&film, &movie.bytes(), Rendition::Track(at)), at + 1);
    let (pictures, sounds) = (shown(0), shown(1));
    assert_eq!((pictures.len(), pictures[0].shown, pictures[0].is_sync), (400, 0, true));
    // A frame that begins in front of the beginning is sent, since it lasts beyond it.
    assert!(sounds[0].shown <= 0 && sounds[0].shown > -2048, "{}", sounds[0].shown);
    assert_eq!(film.total().as_millis(), 16_013);
}

/// What the edit lists of an initialisation segment take away, track by track.
fn taken_away(init: &[u8]) -> Vec<u64> {
    let lists = init.windows(4).enumerate().filter(|(_, name)| name == b"elst");
    let begins = |at: usize| init[at + 20..at + 28].try_into().expect("the list has an edit");
    lists.map(|(at, _)| u64::from_be_bytes(begins(at))).collect()
}

#[test]
fn all_tracks_begin_at_the_same_place_of_their_times() {
    // Pictures begin 80 ms in, and sound 21 ms: who knows of no edit list has both at 80 ms.
    let movie = Movie::write(&[track(true, twenty_seconds()), track(false, sound(470, 2048))]);
    let film = index(&movie.bytes()).unwrap();
    assert_eq!(taken_away(&package::init(&film, &[0, 1])), [7200, 3840]);
    // So does a copy whose pictures are decoded when they are shown.
    let mut plain = twenty_seconds();
    for sample in &mut plain {
        sample.offset = 0;
    }
    let mut copy = track(true, plain);
    copy.edits = vec![(0, 0)];
    let copy = index(&Movie::write(&[copy]).bytes()).unwrap();
    assert!(taken_away(&package::init(&copy, &[0])).is_empty());
    assert_eq!(taken_away(&package::init(&copy.begun_with(&film), &[0])), [7200]);
}

#[test]
fn what_cannot_be_a_film_is_refused_by_name() {
    let code = |bytes: &[u8]| index(bytes).unwrap_err().code();
    assert_eq!(code(b""), "no_movie");
    assert_eq!(code(&[0; 1000]), "no_movie");
    assert_eq!(code(b"\0\0\0\x08moov"), "no_track");
    let movie = Movie::write(&[track(true, twenty_seconds())]);
    assert_eq!(code(&movie.head), "no_samples");
    assert_eq!(code(&movie.head[..1000]), "no_movie");
}

#[test]
fn sound_behind_the_last_picture_is_cut_too() {
    let movie = Movie::write(&[track(true, twenty_seconds()[..1].to_vec()), track(false, sound(470, 2048))]);
    let film = index(&movie.bytes()).unwrap();
    assert_eq!((film.segments(), film.longest().as_millis()), (4, 6037));
    let sounds = play(&segments(&film, &movie.bytes(), Rendition::Main), 2);
    assert_eq!(sounds.len(), 470);
}

#[test]
fn sound_in_front_of_the_first_picture_is_a_segment() {
    let mut pictures = track(true, twenty_seconds());
    pictures.edits = vec![(1000, -1), (0, 7200)];
    let movie = Movie::write(&[pictures, track(false, sound(470, 2048))]);
    let film = index(&movie.bytes()).unwrap();
    let spans: Vec<u128> = (0..film.segments()).map(|n| film.duration(n).as_millis()).collect();
    assert_eq!(spans, [1000, 6000, 6000, 6000, 2040]);
    assert_eq!((film.tracks()[0].samples(0), film.tracks()[0].samples(1)), (Some(0), Some(150)));
    // A second of sound, and what is decoded in front of it.
    assert_eq!(film.tracks()[1].samples(0), Some(24));
    let all = segments(&film, &movie.bytes(), Rendition::Main);
    assert_eq!((play(&all, 1).len(), play(&all, 2).len()), (500, 470));
    assert!(!manifest::key_frames(&film).contains("keys/0.m4s"));
}

#[test]
fn the_last_sample_is_held_where_the_film_goes_on() {
    let movie = Movie::write(&[track(true, twenty_seconds()), track(false, sound(300, 2048))]);
    let film = index(&movie.bytes()).unwrap();
    for rendition in [Rendition::Main, Rendition::Track(1)] {
        let sounds = play(&segments(&film, &movie.bytes(), rendition), 2);
        let last = &sounds[299];
        let end = last.shown + i64::from(last.duration);
        assert_eq!((sounds[298].duration, end), (2048, 20_040 * 48), "until the pictures end");
    }
}

#[test]
fn boxes_of_any_size_are_read() {
    let mut pictures = track(true, twenty_seconds());
    // Six kilobytes, half of an empty second.
    pictures.edits = [vec![(1, -1); 500], vec![(0, 7200)]].concat();
    let movie = Movie::write(&[pictures]);
    assert_eq!(index(&movie.bytes()).unwrap().begin(0), 500_000);
}

/// The same pictures with these key frames, as a copy of them is indexed.
fn copy(pictures: usize, is_key: impl Fn(usize) -> bool) -> Film {
    let mut samples = twenty_seconds();
    samples.truncate(pictures);
    for (index, sample) in samples.iter_mut().enumerate() {
        sample.is_sync = is_key(index);
        sample.size /= 2;
    }
    let bytes = Movie::write(&[track(true, samples)]).bytes();
    index_with(&bytes, Duration::from_millis(1)).expect("it is a film")
}

#[test]
fn a_copy_that_is_cut_where_the_film_is_can_be_offered_and_no_other() {
    let movie = Movie::write(&[track(true, twenty_seconds()), track(false, sound(470, 2048))]);
    let film = index(&movie.bytes()).unwrap();
    let cuts = rungs::key_frames(&film).unwrap();
    let seconds = |micros: u64| format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    let wanted: Vec<String> = (0..film.segments()).map(|n| seconds(film.begin(n))).collect();
    assert_eq!((cuts, wanted.len()), (wanted.join(","), 4));

    let good = copy(500, |at| at.is_multiple_of(150));
    assert_eq!(rungs::check(&film, &good), Ok(()));
    let many = rungs::check(&film, &copy(500, |at| at.is_multiple_of(50)));
    assert_eq!(many, Err(Mismatch::Count { film: 4, copy: 10 }));
    let late = rungs::check(&film, &copy(500, |at| at == 0 || at % 150 == 1));
    assert!(matches!(late, Err(Mismatch::Cut { .. } | Mismatch::Count { .. })), "{late:?}");
    let few = rungs::check(&film, &copy(500, |at| at == 0 || at == 150));
    assert_eq!(few, Ok(()), "what is missing at the end may be sound");
    let short = rungs::check(&film, &copy(460, |at| at.is_multiple_of(150)));
    assert!(matches!(short, Err(Mismatch::Short { .. })), "{short:?}");
    let alone = index(&Movie::write(&[track(false, sound(470, 2048))]).bytes()).unwrap();
    assert_eq!(rungs::check(&film, &alone), Err(Mismatch::NoPictures));
    assert_eq!(rungs::rungs(&alone, &["360p".into()]), Err(rungs::Refusal::NoPictures));
    assert_eq!(rungs::rungs(&film, &["360p".into()]), Ok(Vec::new()), "it is as small itself");

    let copies = [FilmCopy { name: "240p-7", film: &good }];
    let manifest = manifest::manifest(&film, &copies, &[], PLAIN);
    let sets: Vec<&str> = manifest.split("<AdaptationSet").skip(1).collect();
    let names = sets.iter().map(|set| set.split("<Representation id=\"").skip(1));
    let names = names.map(|names| names.filter_map(|name| name.split('"').next()).collect::<Vec<_>>());
    assert_eq!(names.collect::<Vec<_>>(), [vec!["t0", "240p-7"], vec!["t1"]], "{manifest}");
    let times = |name: &str| -> Vec<&str> {
        let (_, rest) = manifest.split_once(&format!("id=\"{name}\"")).expect("it is named");
        let (own, _) = rest.split_once("</SegmentTimeline>").expect("it has times");
        own.lines().filter(|line| line.contains("<S ")).collect()
    };
    assert_eq!(times("t0"), times("240p-7"), "cut at the same times");

    let master = manifest::master(&film, &copies);
    let lists: Vec<&str> = master.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(lists, ["t0.m3u8", "240p-7.m3u8"]);
    assert_eq!(master.matches("AUDIO=\"ac-3\"").count(), 2, "{master}");
    assert!(
        master.contains("TYPE=AUDIO,GROUP-ID=\"ac-3\"") && master.contains("URI=\"t1.m3u8\""),
        "{master}"
    );
}
