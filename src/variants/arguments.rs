//! What ffmpeg is told: MPEG-TS from one pipe to another. It opens no file and no address.

use std::ffi::OsString;

use forebay_core::transcode::{Encoding, Pictures, Profile};

/// Pictures from one key frame to the next at most: 4 s at 25 a second, 2 s at 50. Where the
/// channel's own key frames are closer, those count.
const KEY_FRAMES: &str = "100";

/// The arguments of a job.
pub(super) fn arguments(profile: &Profile) -> Vec<OsString> {
    let input = [
        "-protocol_whitelist",
        "pipe",
        // Enough for the first pictures and frames of sound of any broadcast, and no more: viewers
        // wait.
        "-probesize",
        "1000000",
        "-analyzeduration",
        "500000",
        "-fflags",
        "nobuffer",
        "-copyts",
        "-threads",
        "1",
        "-f",
        "mpegts",
        "-i",
        "pipe:0",
        "-map",
        "0:V:0?",
        "-map",
        "0:a:0?",
    ];
    let mut words: Vec<String> = input.map(str::to_owned).into();
    match &profile.pictures {
        Pictures::Copy => words.extend(["-c:v", "copy"].map(str::to_owned)),
        Pictures::Encode(encoding) => words.extend(encode(encoding)),
    }
    let sound = profile.sound_bitrate.to_string();
    words.extend(["-c:a", "aac", "-ac", "2", "-ar", "48000", "-b:a", &sound].map(str::to_owned));
    let output = [
        "-map_metadata",
        "-1",
        "-muxdelay",
        "0",
        "-muxpreload",
        "0",
        // A frame of sound a packet: what is cut in front of a packet loses no more.
        "-pes_payload_size",
        "0",
        "-flush_packets",
        "1",
        "-f",
        "mpegts",
        "pipe:1",
    ];
    words.extend(output.map(str::to_owned));
    words.into_iter().map(OsString::from).collect()
}

fn encode(encoding: &Encoding) -> Vec<String> {
    let Encoding { height: side, bitrate, frame_rate, preset, threads } = encoding;
    let scale = format!(
        "scale=w='if(gt(iw,ih),-2,min(iw,{side}))':h='if(gt(iw,ih),min(ih,{side}),-2)':flags=fast_bilinear"
    );
    let rate = frame_rate.map(|rate| format!("fps='min(source_fps,{rate})',")).unwrap_or_default();
    // Interlaced pictures look torn on screens that are not.
    let filters = format!("yadif=deint=interlaced,{rate}{scale}");
    let (buffer, threads) = ((2 * bitrate).to_string(), threads.to_string());
    let (bitrate, threads) = (bitrate.to_string(), threads.as_str());
    let words = [
        ["-filter_threads", "1"],
        ["-vf", &filters],
        ["-c:v", "libx264"],
        ["-preset", preset],
        ["-tune", "zerolatency"],
        ["-profile:v", "high"],
        ["-pix_fmt", "yuv420p"],
        ["-threads:v", threads],
        ["-b:v", &bitrate],
        ["-maxrate", &bitrate],
        ["-bufsize", &buffer],
        // Where the channel is cut, its variants are, too.
        ["-force_key_frames", "source"],
        ["-forced-idr", "1"],
        ["-g", KEY_FRAMES],
        ["-sc_threshold", "0"],
    ];
    words.iter().flatten().map(|&word| word.to_owned()).collect()
}
