//! Films as players see them: every packet, picture and time is that of the file.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn every_packet_of_a_matroska_file_and_its_time_is_that_of_the_file() {
    let usual = USUAL;
    let ac3 =
        "-c:v libx264 -preset veryfast -pix_fmt yuv420p -bf 3 -b_strategy 0 -r 24000/1001 -g 48 -c:a ac3";
    // Written as it comes: without sizes, and without a list of key frames.
    let live = format!("{USUAL} -f matroska -live 1");
    let quick = "-c:v libx264 -preset veryfast -pix_fmt yuv420p -bf 2 -g 50 -c:a libmp3lame";
    for (name, arguments) in
        [("usual.mkv", usual), ("cinema.mkv", ac3), ("live.mkv", &live), ("mp3.mkv", quick)]
    {
        let path = film(name, 20, arguments);
        let house = House::with_one(&path).await;
        let hls = house.url(&format!("/hls/{ID}/master.m3u8"));
        assert_shown(&path, &hls, &[("0:v", "0:v:0"), ("0:a", "0:a:0")]).await;
        let dash = house.url(&format!("/dash/{ID}/manifest.mpd"));
        assert_shown(&path, &dash, &[("0:v", "0:v:0"), ("0:a", "0:a:0")]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_packet_of_a_transport_stream_and_its_time_is_that_of_the_file() {
    let ac3 = "-c:v libx264 -preset veryfast -pix_fmt yuv420p -bf 2 -g 50 -b:v 400k -c:a ac3";
    let wide = format!("{ac3} -f mpegts -mpegts_m2ts_mode 1");
    // The clock wraps ten seconds in.
    let wrap = format!("{USUAL} -output_ts_offset 95433");
    for (name, arguments) in [("usual.ts", USUAL), ("ac3.ts", ac3), ("blu.m2ts", &wide), ("wrap.ts", &wrap)] {
        let path = film(name, 20, arguments);
        let house = House::with_one(&path).await;
        for manifest in [format!("/hls/{ID}/master.m3u8"), format!("/dash/{ID}/manifest.mpd")] {
            let manifest = house.url(&manifest);
            // Start codes become lengths, so bytes are compared as pictures.
            assert_pictures(&path, &manifest).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn old_players_get_the_same_pictures_as_a_transport_stream() {
    let path = usual();
    let house = House::with_one(&path).await;
    let whole = format!("/stream/{ID}?format=ts");
    assert_pictures(&path, &house.url(&format!("/hls/{ID}/master.m3u8?format=ts"))).await;
    assert_pictures(&path, &house.url(&whole)).await;
    ffmpeg_strict(&house.url(&whole), 20).await.assert_ok();
    let house = House::with_one(&film("usual.mkv", 20, USUAL)).await;
    ffmpeg_strict(&house.url(&whole), 20).await.assert_ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn seeks_in_a_matroska_file_show_the_very_picture() {
    let house = House::with_one(&film("usual.mkv", 20, USUAL)).await;
    assert_exact(&house.url(&format!("/hls/{ID}/master.m3u8")), 25.0, 0.0).await;
}

/// Goes to times in and around segments, and sees the picture that belongs there. The first
/// picture is shown at `begins`.
async fn assert_exact(url: &str, rate: f64, begins: f64) {
    // Within segments, on both sides of their ends, at the beginning and near the end.
    let times =
        [10.001, 2.613, 18.013, 1.027, 5.999, 6.001, 11.993, 12.001, 0.001, 3.333, 17.777, 15.001, 8.213];
    let times: Vec<f64> = times.iter().map(|time| time + begins).collect();
    let sought = browser_seeks(url, &times).await;
    assert!(sought.errors.is_empty(), "{sought:?}");
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "numbers of pictures are small"
    )]
    let number = |time: &f64| ((time - begins) * rate + 1e-6) as u64;
    let wanted: Vec<u64> = times.iter().map(number).collect();
    assert_eq!(sought.pictures, wanted, "at {times:?} by {url}");
}

#[tokio::test(flavor = "multi_thread")]
async fn seeks_show_the_very_picture() {
    let house = House::with_one(&usual()).await;
    assert_exact(&house.url(&format!("/hls/{ID}/master.m3u8")), 25.0, 0.0).await;
    // Written without an edit list, it begins with what is decoded before it is shown: two
    // pictures.
    let house = House::with_one(&film("fragmented.mp4", 20, &fragmented())).await;
    assert_exact(&house.url(&format!("/hls/{ID}/master.m3u8")), 25.0, 0.08).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn subtitles_that_end_early_end_nothing_else() {
    let path = usual();
    let house = House::with_one(&path).await;
    let text = house.folder.path().join(format!("{ID}.en.srt"));
    std::fs::write(text, "1\n00:00:01,000 --> 00:00:02,000\nHi\n").expect("it can be written");
    let dash = house.url(&format!("/dash/{ID}/manifest.mpd"));
    assert_same(&path, &dash, &[("0:v", "0:v:0"), ("0:a", "0:a:0")]).await;
    let all = ["-map", "0", "-c", "copy", "-f", "framehash", "-"];
    let mut ffmpeg = tokio::process::Command::new("ffmpeg");
    let output = ffmpeg.args(["-nostdin", "-v", "error", "-i", &dash]).args(all).output().await;
    let output = output.expect("ffmpeg runs");
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("framehash writes text");
    let count = |stream: &str| text.lines().filter(|line| line.starts_with(stream)).count();
    let whole = packets(path.to_str().expect("text"), "0:v").await.len();
    assert_eq!((count("0,"), count("2,")), (whole, 2), "pictures, and the text with its end: {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_packet_and_its_time_is_that_of_the_file_by_hls_and_dash() {
    let fragmented = fragmented();
    let quick = format!("{USUAL} -movflags +faststart");
    for (name, arguments) in [("usual.mp4", USUAL), ("quick.mov", &quick), ("fragmented.mp4", &fragmented)] {
        let path = film(name, 20, arguments);
        let house = House::with_one(&path).await;
        let hls = house.url(&format!("/hls/{ID}/master.m3u8"));
        assert_same(&path, &hls, &[("0:v", "0:v:0"), ("0:a", "0:a:0")]).await;
        let dash = house.url(&format!("/dash/{ID}/manifest.mpd"));
        assert_same(&path, &dash, &[("0:v", "0:v:0"), ("0:a", "0:a:0")]).await;
    }
}
