use super::*;

/// What every target takes: 1080p25, 3.5 Mbit/s, key frames 2 s apart, AAC.
fn good() -> Facts {
    let video = Video {
        codec: Codec::H264,
        profile: Some("High".to_owned()),
        width: 1920,
        height: 1080,
        is_interlaced: false,
        frame_rate: Some(25.0),
        bitrate: Some(3_500_000),
        key_interval: Some(2.0),
        has_idr: true,
    };
    let sound =
        Sound { codec: Codec::Aac, profile: Some("LC"), sample_rate: Some(48_000), channels: Some(2) };
    Facts { video: Some(video), sound: Some(sound), watched: WATCHED }
}

fn codes(facts: &Facts, target: &str) -> (Vec<&'static str>, Vec<&'static str>) {
    let decision = decide(facts, &target.parse().unwrap());
    let warnings = decision.warnings.iter().map(Warning::code).collect();
    (decision.reasons.iter().map(Reason::code).collect(), warnings)
}

#[test]
fn what_all_take_is_copied() {
    for target in Target::ALL {
        let decision = decide(&good(), &target);
        assert!(decision.is_copy() && decision.warnings.is_empty(), "{target:?}: {decision:?}");
        assert_eq!((decision.video, decision.sound), (Treatment::Copy, Treatment::Copy));
    }
    assert_eq!("myspace".parse::<Target>(), Err(UnknownTarget));
}

#[test]
fn each_limit_has_an_edge() {
    type Change = fn(&mut Video);
    let cases: [(&str, Change, &[&str], &[&str]); 14] = [
        ("twitch", |v| v.frame_rate = Some(60.0), &[], &[]),
        ("facebook", |v| v.frame_rate = Some(59.94), &["frame_rate"], &[]),
        ("twitch", |v| v.bitrate = Some(6_200_000), &[], &[]),
        ("twitch", |v| v.bitrate = Some(6_400_000), &["bitrate"], &[]),
        ("youtube", |v| v.bitrate = Some(1_000_000), &[], &["below_target_bitrate"]),
        ("youtube", |v| v.key_interval = Some(4.0), &[], &["long_key_interval"]),
        ("youtube", |v| v.key_interval = Some(4.8), &["key_interval"], &[]),
        ("twitch", |v| v.key_interval = Some(2.5), &["key_interval"], &[]),
        ("twitch", |v| (v.width, v.height) = (1080, 1920), &[], &[]),
        ("twitch", |v| (v.width, v.height) = (1920, 1200), &["size"], &[]),
        ("youtube", |v| v.profile = Some("High10".to_owned()), &["profile"], &[]),
        ("youtube", |v| v.profile = None, &["video_unreadable"], &[]),
        ("generic", |v| v.has_idr = false, &[], &["open_gop"]),
        ("youtube", |v| v.is_interlaced = true, &["interlaced"], &[]),
    ];
    for (at, (target, change, reasons, warnings)) in cases.into_iter().enumerate() {
        let mut facts = good();
        change(facts.video.as_mut().unwrap());
        assert_eq!(codes(&facts, target), (reasons.to_vec(), warnings.to_vec()), "case {at}, {target}");
    }
}

#[test]
fn key_frames_that_never_came_are_too_far_apart_once_it_was_watched_for_long() {
    let mut facts = good();
    facts.video.as_mut().unwrap().key_interval = None;
    assert_eq!(codes(&facts, "youtube"), (vec!["key_interval"], vec![]));
    facts.watched = Duration::from_secs(3);
    assert_eq!(codes(&facts, "youtube"), (vec![], vec!["key_interval_unknown"]));
}

#[test]
fn sound_and_pictures_are_decided_each_for_itself() {
    let mut facts = good();
    facts.sound.as_mut().unwrap().codec = Codec::MpegAudio;
    let decision = decide(&facts, &"youtube".parse().unwrap());
    assert_eq!((decision.video, decision.sound), (Treatment::Copy, Treatment::Encode));
    facts.video.as_mut().unwrap().codec = Codec::Mpeg2Video;
    facts.sound = None;
    let decision = decide(&facts, &"youtube".parse().unwrap());
    assert_eq!((decision.video, decision.sound), (Treatment::Encode, Treatment::Absent));
    assert_eq!(decision.warnings, [Warning::NoSound]);
}
