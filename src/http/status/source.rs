//! What a source of a channel does.

use forebay_core::channel::ErrorCode;
use forebay_core::failover::SourceHealth;
use forebay_relay::channel::SourceReport;
use forebay_relay::input::hls::{Snapshot, Variant};
use serde::Serialize;
use utoipa::ToSchema;

use super::seconds_of;
use crate::http::address::Reader;

/// A source of a channel that is not open.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ClosedSource {
    /// The rest of its cool-down: until then it is opened only if no other source is eligible.
    #[schema(required)]
    cooldown_seconds: Option<f64>,
    /// An admin has forbidden it.
    disabled: bool,
    /// An admin prefers it to all others.
    pinned: bool,
    /// 100 for one that has not failed lately; halved by each failure.
    #[schema(required)]
    score: Option<u32>,
    /// Its scheme and host; for an operator who asks for it, the path, too.
    url: String,
}

/// A source of a channel that is open.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OpenSource {
    /// The rest of its cool-down: until then it is opened only if no other source is eligible.
    #[schema(required)]
    cooldown_seconds: Option<f64>,
    /// An admin has forbidden it.
    disabled: bool,
    /// How it is followed; null unless it is the current one, and HLS.
    #[schema(required)]
    hls: Option<HlsSource>,
    /// The code of its last failure since the channel opened.
    #[schema(required)]
    last_error: Option<&'static str>,
    /// What happened then.
    #[schema(required)]
    last_error_message: Option<String>,
    /// An admin prefers it to all others.
    pinned: bool,
    /// 100 for one that has not failed lately; halved by each failure.
    #[schema(required)]
    score: Option<u32>,
    /// Its scheme and host; for an operator who asks for it, the path, too.
    url: String,
}

/// How an HLS source is followed, since it was opened.
// One field for each key of the document, in alphabetical order.
#[derive(Debug, Serialize, ToSchema)]
struct HlsSource {
    /// Times that separate sound was given up.
    audio_lost: u64,
    /// Times that the picture went back to separate sound that had fallen behind.
    audio_rejoined: u64,
    /// Why separate sound does not come, while the picture goes on without it.
    #[schema(required)]
    audio_trouble: Option<String>,
    /// Times that the configured address was asked again.
    entry_requests: u64,
    /// Lines and numbers of playlists that were worked around.
    faults: u64,
    /// Segments marked as missing.
    gaps: u64,
    /// The number of the next segment.
    media_sequence: u64,
    /// Versions of playlists that came.
    playlists: u64,
    /// Versions older than the one on hand.
    playlists_older: u64,
    /// Versions with nothing new.
    playlists_unchanged: u64,
    /// Versions whose numbers contradicted their segments.
    renumbered: u64,
    /// Times that the list began anew.
    restarts: u64,
    /// Segments that were fetched.
    segments: u64,
    /// Segments that were the same as the one before.
    segments_repeated: u64,
    /// Segments that were asked for again.
    segments_retried: u64,
    /// Segments that were given up after three tries.
    segments_skipped: u64,
    /// Segments that broke off.
    segments_truncated: u64,
    /// The sound comes from a playlist of its own.
    separate_audio: bool,
    /// In seconds.
    target_duration: f64,
    /// The variant that is played, of several.
    #[schema(required)]
    variant: Option<HlsVariant>,
    /// Variants that were left for another.
    variants_left: u64,
    /// Times that a higher variant was taken again.
    variants_raised: u64,
    /// Times that the list had moved on past us.
    windows_missed: u64,
}

/// A variant of an HLS source.
#[derive(Debug, Serialize, ToSchema)]
struct HlsVariant {
    /// Bits a second; 0 where that is not said.
    bandwidth: u64,
    /// As in RFC 6381.
    codecs: Vec<String>,
    /// As in `1280x720`.
    #[schema(required)]
    resolution: Option<String>,
}

impl ClosedSource {
    pub(super) fn new(url: &str, health: SourceHealth, reader: Reader) -> Self {
        Self {
            cooldown_seconds: health.cooldown.map(seconds_of),
            disabled: health.is_disabled,
            pinned: health.is_pinned,
            score: Some(health.score),
            url: reader.sees(url).to_owned(),
        }
    }
}

impl OpenSource {
    /// `followed` where it is an HLS source that is open.
    pub(super) fn new(known: SourceReport, followed: Option<&Snapshot>, reader: Reader) -> Self {
        let (code, last_error_message) = known.last_error.unzip();
        let health = known.health;
        Self {
            cooldown_seconds: health.and_then(|health| health.cooldown).map(seconds_of),
            disabled: health.is_some_and(|health| health.is_disabled),
            hls: followed.map(HlsSource::new),
            last_error: code.map(ErrorCode::name),
            last_error_message,
            pinned: health.is_some_and(|health| health.is_pinned),
            score: health.map(|health| health.score),
            url: reader.sees(&known.url).to_owned(),
        }
    }
}

impl HlsSource {
    fn new(snapshot: &Snapshot) -> Self {
        let counts = &snapshot.counts;
        Self {
            audio_lost: counts.sounds_lost,
            audio_rejoined: counts.sounds_rejoined,
            audio_trouble: snapshot.sound_trouble.clone(),
            entry_requests: counts.entries,
            faults: counts.faults,
            gaps: counts.gaps,
            media_sequence: snapshot.sequence,
            playlists: counts.playlists,
            playlists_older: counts.older,
            playlists_unchanged: counts.unchanged,
            renumbered: counts.renumbered,
            restarts: counts.restarts,
            segments: counts.segments,
            segments_repeated: counts.repeated,
            segments_retried: counts.retries,
            segments_skipped: counts.skipped,
            segments_truncated: counts.truncated,
            separate_audio: snapshot.has_audio,
            target_duration: snapshot.target.as_secs_f64(),
            variant: snapshot.variant.as_ref().map(HlsVariant::new),
            variants_left: counts.variants_left,
            variants_raised: counts.variants_raised,
            windows_missed: counts.ran_past,
        }
    }
}

impl HlsVariant {
    fn new(variant: &Variant) -> Self {
        Self {
            bandwidth: variant.bandwidth,
            codecs: variant.codecs.clone(),
            resolution: variant.resolution.map(|(width, height)| format!("{width}x{height}")),
        }
    }
}
