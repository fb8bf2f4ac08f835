//! What `forebay probe` prints.

use std::fmt::Write as _;

use forebay_core::targets::{Decision, Facts, READ_ON, Target, decide};
use forebay_core::ts::Pid;
use forebay_core::ts::random_access::RandomAccess;
use forebay_core::ts::survey::{Report, Spread, Stream, Video};
use forebay_relay::input::Error;
use serde_json::{Value, json};

use super::Look;
use crate::cli::args::Probe;

pub(super) fn text(args: &Probe, look: &Look) -> String {
    let report = &look.report;
    let mut out = format!("{}\n", args.url);
    let mut line = |name: &str, value: String| {
        let _ = writeln!(out, "  {name:<12} {value}");
    };
    line("container", format!("MPEG-TS, {} bytes a packet", report.packet_size.unwrap_or(0)));
    line("programme", programme(report));
    if let Some(bitrate) = report.bitrate {
        line("bit rate", rate(bitrate));
    }
    line(
        "length",
        format!("{:.1} s of media in {:.1} s", report.duration.as_secs_f64(), look.took.as_secs_f64()),
    );
    line("first byte", format!("after {} ms", look.first_byte.as_millis()));
    line(
        "clock",
        format!(
            "{} PCR, one every {:.1} ms, at most {:.1} ms apart, {} jumps",
            report.clock.references,
            ms(report.clock.mean_interval_us),
            ms(report.clock.max_interval_us),
            report.clock.jumps
        ),
    );
    line("faults", faults(report));
    for stream in &report.streams {
        line(&format!("PID {}", stream.pid), describe(stream));
    }
    if let Some(error) = &look.ended {
        line("ended", error.to_string());
    }
    if let Some(target) = &args.target {
        let decision = decide(&Facts::of(report), target);
        line("target", format!("{}, as read on {READ_ON}", target.name));
        line("pictures", decision.video.name().to_owned());
        line("sound", decision.sound.name().to_owned());
        for reason in &decision.reasons {
            line("because", reason.to_string());
        }
        for warning in &decision.warnings {
            line("warning", warning.to_string());
        }
    }
    out.truncate(out.trim_end().len());
    out
}

fn programme(report: &Report) -> String {
    let Some(program) = report.program else { return "none found: no PAT and PMT came".to_owned() };
    let mut text = program.to_string();
    if report.programs.len() > 1 {
        let others: Vec<String> = report.programs.iter().map(u16::to_string).collect();
        let _ = write!(text, " of {}", others.join(", "));
    }
    if let (Some(map), Some(clock)) = (report.map_pid, report.clock_pid) {
        let _ = write!(text, ", PMT on PID {map}, PCR on PID {clock}");
    }
    text
}

fn faults(report: &Report) -> String {
    let continuity: u64 = report.streams.iter().map(|stream| stream.continuity_errors).sum();
    format!(
        "{continuity} continuity errors, {} damaged and {} scrambled packets, {} bad tables, {} bytes skipped",
        report.damaged, report.scrambled, report.table_errors, report.skipped_bytes
    )
}

fn describe(stream: &Stream) -> String {
    let mut parts = vec![stream.codec.to_string()];
    if let Some(format) = stream.video.as_ref().and_then(|video| video.format.as_ref()) {
        let scan = if format.is_interlaced { "i" } else { "p" };
        parts.push(format!("{} {}, {}x{}{scan}", format.profile, format.level, format.width, format.height));
    }
    if let Some(rate) = stream.video.as_ref().and_then(|video| video.frame_rate) {
        parts.push(format!("{rate:.2} pictures/s"));
    }
    if let Some(audio) = &stream.audio {
        parts.extend(audio.profile.map(str::to_owned));
        parts.push(format!("{} Hz", audio.sample_rate));
        parts.extend(audio.channels.map(|channels| format!("{channels} channels")));
    }
    parts.extend(language(stream));
    parts.extend(stream.bitrate.map(rate));
    if let Some(video) = &stream.video {
        parts.push(group_of_pictures(video));
    }
    if stream.units == 0 && stream.packets == 0 {
        parts.push("announced, but nothing came".to_owned());
    }
    if stream.continuity_errors > 0 {
        parts.push(format!("{} continuity errors", stream.continuity_errors));
    }
    parts.join(", ")
}

fn group_of_pictures(video: &Video) -> String {
    let Some(gop) = &video.gop else { return "fewer than two random access points".to_owned() };
    let kinds: Vec<&str> = video.entries.iter().map(|&(entry, _)| name(entry)).collect();
    let (pictures, seconds) = (gop.pictures, gop.seconds);
    format!(
        "a random access point every {:.0} pictures, {:.2} s (at most {:.2} s), {}",
        pictures.mean,
        seconds.mean,
        seconds.max,
        kinds.join(" and ")
    )
}

fn name(entry: RandomAccess) -> &'static str {
    match entry {
        RandomAccess::Idr => "IDR",
        RandomAccess::OpenGop => "open GOP",
        RandomAccess::Hint => "by its flag",
        RandomAccess::Audio => "sound",
        RandomAccess::Blind => "blind",
    }
}

fn language(stream: &Stream) -> Option<String> {
    stream.language.map(|language| String::from_utf8_lossy(&language).into_owned())
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn rate(bits: u64) -> String {
    if bits >= 1_000_000 {
        format!("{:.2} Mbit/s", bits as f64 / 1e6)
    } else {
        format!("{} kbit/s", bits / 1000)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn ms(us: u64) -> f64 {
    us as f64 / 1000.0
}

pub(super) fn json(args: &Probe, look: &Look) -> String {
    let report = &look.report;
    let streams: Vec<Value> = report.streams.iter().map(stream_json).collect();
    json!({
        "url": args.url.to_string(),
        "container": "mpegts",
        "packet_size": report.packet_size,
        "programs": report.programs,
        "program": report.program,
        "pmt_pid": report.map_pid.map(Pid::value),
        "pcr_pid": report.clock_pid.map(Pid::value),
        "pcr": {
            "count": report.clock.references,
            "mean_interval_ms": ms(report.clock.mean_interval_us),
            "max_interval_ms": ms(report.clock.max_interval_us),
            "jumps": report.clock.jumps,
        },
        "bitrate": report.bitrate,
        "media_seconds": report.duration.as_secs_f64(),
        "seconds": look.took.as_secs_f64(),
        "first_byte_ms": look.first_byte.as_secs_f64() * 1000.0,
        "bytes": report.bytes,
        "packets": report.packets,
        "null_packets": report.null_packets,
        "bytes_skipped": report.skipped_bytes,
        "damaged_packets": report.damaged,
        "scrambled_packets": report.scrambled,
        "table_errors": report.table_errors,
        "continuity_errors": report.streams.iter().map(|stream| stream.continuity_errors).sum::<u64>(),
        "streams": streams,
        "ended": look.ended.as_ref().map(ToString::to_string),
        "target": args.target.map(|target| target_json(&target, &decide(&Facts::of(report), &target))),
    })
    .to_string()
}

fn target_json(target: &Target, decision: &Decision) -> Value {
    let reasons = decision.reasons.iter().map(|it| json!({ "code": it.code(), "message": it.to_string() }));
    let warnings = decision.warnings.iter().map(|it| json!({ "code": it.code(), "message": it.to_string() }));
    json!({
        "name": target.name,
        "read_on": READ_ON,
        "copy": decision.is_copy(),
        "video": decision.video.name(),
        "sound": decision.sound.name(),
        "reasons": reasons.collect::<Vec<_>>(),
        "warnings": warnings.collect::<Vec<_>>(),
    })
}

fn stream_json(stream: &Stream) -> Value {
    let format = stream.video.as_ref().and_then(|video| video.format.as_ref());
    let spread = |spread: Spread| json!({ "min": spread.min, "mean": spread.mean, "max": spread.max });
    json!({
        "pid": stream.pid.value(),
        "codec": stream.codec.to_string(),
        "kind": format!("{:?}", stream.class).to_lowercase(),
        "language": language(stream),
        "packets": stream.packets,
        "bitrate": stream.bitrate,
        "continuity_errors": stream.continuity_errors,
        "width": format.map(|format| format.width),
        "height": format.map(|format| format.height),
        "interlaced": format.map(|format| format.is_interlaced),
        "profile": format.map_or_else(|| stream.audio.as_ref().and_then(|audio| audio.profile), |format| Some(&format.profile)),
        "level": format.map(|format| format.level.as_str()),
        "frame_rate": stream.video.as_ref().and_then(|video| video.frame_rate),
        "gop_pictures": stream.video.as_ref().and_then(|video| video.gop).map(|gop| spread(gop.pictures)),
        "gop_seconds": stream.video.as_ref().and_then(|video| video.gop).map(|gop| spread(gop.seconds)),
        "sample_rate": stream.audio.as_ref().map(|audio| audio.sample_rate),
        "channels": stream.audio.as_ref().and_then(|audio| audio.channels),
    })
}

pub(super) fn json_error(args: &Probe, error: &Error) -> String {
    json!({ "url": args.url.to_string(), "error": { "code": error.code().name(), "message": error.to_string() } })
        .to_string()
}
