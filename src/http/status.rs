//! The status document.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{Path, RawQuery};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use bytes::Bytes;
use forebay_core::cadence;
use forebay_core::failover::Standing;
use forebay_core::health::Rule;
use forebay_core::lifecycle::Phase;
use forebay_relay::channel::{Past, Playlist, Report};
use forebay_relay::input::hls::Snapshot;
use forebay_relay::model::Channel;
use forebay_relay::providers;
use http::{HeaderMap, HeaderValue, Uri, header};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::address::{self, Reader};
use super::error::Error;
use super::refusals::Kind;
use super::{Peer, State, admin};

/// How old the document of all channels may be: channels write a new state no sooner. However many ask, it is made fifty times a second.
const FRESH: Duration = Duration::from_millis(20);

/// The document of all channels, as it was made last.
#[derive(Debug, Clone, Default)]
pub(super) struct Document(Arc<Mutex<Option<(Instant, Bytes)>>>);

/// `GET /api/streams/status`: the channels that are open.
pub(super) async fn all(
    state: State,
    RawQuery(query): RawQuery,
    Extension(peer): Extension<Peer>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    if reader(&state, query.as_deref(), peer, &uri, &headers).await == Reader::Admin {
        return Json(render_all(&state, Reader::Admin)).into_response();
    }
    let document = {
        let mut last = state.status.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some((at, document)) if at.elapsed() < FRESH => document.clone(),
            _ => {
                let document = Bytes::from(render_all(&state, Reader::Public).to_string());
                *last = Some((Instant::now(), document.clone()));
                document
            }
        }
    };
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], document).into_response()
}

fn render_all(state: &State, reader: Reader) -> Value {
    let reports = state.channels.reports();
    let streams: Vec<Value> = reports
        .iter()
        .map(|report| render(report, state.channels.find(report.id.as_str()).as_deref(), reader))
        .collect();
    let providers: Vec<Value> = state.channels.providers().iter().map(provider).collect();
    let server = server(state, &reports);
    json!({ "total_streams": streams.len(), "streams": streams, "providers": providers, "server": server })
}

/// `GET /api/streams/{id}/status`: one channel, open or not.
pub(super) async fn one(
    state: State,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    Extension(peer): Extension<Peer>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Json<Value>, Error> {
    let reader = reader(&state, query.as_deref(), peer, &uri, &headers).await;
    entry(&state, &id, reader).map(Json).ok_or(Error::UnknownChannel(id))
}

/// Who reads: an admin only where one asks for more than the public is told.
async fn reader(state: &State, query: Option<&str>, peer: Peer, uri: &Uri, headers: &HeaderMap) -> Reader {
    if address::is_whole_wanted(query) && admin::check(state, peer, uri, headers).await.is_ok() {
        Reader::Admin
    } else {
        Reader::Public
    }
}

/// What is known of one channel, if there is such a one.
pub(super) fn entry(state: &State, id: &str, reader: Reader) -> Option<Value> {
    let channel = state.channels.find(id);
    match (state.channels.report(id), channel) {
        (Some(report), channel) => Some(render(&report, channel.as_deref(), reader)),
        (None, channel) => Some(render_closed(state, &*channel?, reader)),
    }
}

fn render_closed(state: &State, channel: &Channel, reader: Reader) -> Value {
    let standings = state.channels.standings(channel);
    let sources: Vec<Value> = channel
        .sources
        .iter()
        .zip(standings)
        .map(|(known, standing)| source(reader.sees(&known.url.to_string()), Some(standing)).into())
        .collect();
    json!({
        "id": channel.id.as_str(),
        "name": channel.name,
        "number": channel.number,
        "active": false,
        "state": "idle",
        "clients": 0,
        "source_url": null,
        "sources": sources,
        "uptime_seconds": 0.0,
        "bytes_streamed": 0,
        "last_activity": null,
    })
}

/// A source and how it stands.
fn source(url: &str, standing: Option<Standing>) -> Map<String, Value> {
    let avoided_for = standing.and_then(|standing| standing.avoided_for);
    Map::from_iter([
        ("url".to_owned(), url.into()),
        ("score".to_owned(), standing.map(|standing| standing.score).into()),
        (
            "avoided_for".to_owned(),
            avoided_for.map(|span| millis(span.try_into().unwrap_or_default())).into(),
        ),
        ("pinned".to_owned(), standing.is_some_and(|standing| standing.is_pinned).into()),
        ("disabled".to_owned(), standing.is_some_and(|standing| standing.is_disabled).into()),
    ])
}

/// How the connections to a provider stand.
fn provider(report: &providers::Report) -> Value {
    let usage = report.usage;
    json!({
        "id": report.id.as_str(),
        "limit": usage.limit,
        "open": usage.open,
        "yielding": usage.yielding,
        "settling": usage.settling,
        "waiting": usage.waiting,
        "granted_total": usage.granted_total,
        "refused_total": usage.refused_total,
        "preempted_total": usage.preempted_total,
    })
}

/// What the process has, and what for.
fn server(state: &State, reports: &[Report]) -> Value {
    let config = state.config();
    let sum = |of: fn(&Report) -> u64| reports.iter().map(of).sum::<u64>();
    json!({
        "viewers": state.channels.load().viewers,
        "bandwidth": { "now": sum(|report| report.bitrate * report.viewers as u64), "limit": config.server.max_bandwidth },
        "connections": { "now": state.slots.taken(), "limit": state.max_connections() },
        "refused_per_address": {
            "viewers": state.refusals.count(Kind::Viewers),
            "opening": state.refusals.count(Kind::Opening),
            "open": state.refusals.count(Kind::Opened),
        },
        "file_descriptors": { "limit": state.descriptors },
        "memory": {
            "process": resident(),
            "stores": sum(|report| report.store_bytes),
            "engines": sum(|report| report.engine_bytes),
        },
        "delivery": { "shortest_ms": cadence::SHORTEST.as_millis(), "longest_ms": cadence::LONGEST.as_millis() },
        "logos": state.logos.report(),
    })
}

/// Memory of the process, in bytes, which does not include the stores: `None` where the system does not say.
fn resident() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

fn render(report: &Report, channel: Option<&Channel>, reader: Reader) -> Value {
    let now = Timestamp::now();
    let state = match report.phase {
        Phase::Idle => "idle",
        Phase::Starting => "starting",
        Phase::Active => "active",
        Phase::Stopping => "stopping",
        Phase::Stopped => "stopped",
    };
    let sources: Vec<Value> = report
        .sources
        .iter()
        .map(|known| {
            let (code, message) = known.last_error.clone().unzip();
            let hls = report.hls.as_ref().filter(|_| known.id == report.source).map(hls);
            let mut source = source(reader.sees(&known.url), known.standing);
            source.extend([
                ("last_error".to_owned(), code.into()),
                ("last_error_message".to_owned(), message.into()),
                ("hls".to_owned(), hls.into()),
            ]);
            source.into()
        })
        .collect();
    let on_hand = report.place(report.source);
    let faults: Map<String, Value> = Rule::ALL
        .iter()
        .zip(report.faults)
        .filter(|&(_, count)| count > 0)
        .map(|(rule, count)| (rule.name().to_owned(), count.into()))
        .collect();
    let switches: Vec<Value> = report
        .switches
        .iter()
        .map(|switch| {
            let (from, to) = (report.place(switch.from), report.place(switch.to));
            json!({ "at": seconds(switch.at), "from": from, "to": to, "reason": switch.reason })
        })
        .collect();
    json!({
        "id": report.id.as_str(),
        "name": channel.map(|channel| &channel.name),
        "number": channel.and_then(|channel| channel.number),
        "active": matches!(report.phase, Phase::Active | Phase::Stopping),
        "state": state,
        "clients": report.viewers,
        "clients_total": report.viewers_total,
        "clients_by_kind": { "ts": report.viewers - report.sessions.min(report.viewers), "hls": report.sessions },
        "hls": report.playlist.as_deref().map(output),
        "timeshift": report.past.map(past),
        "source_url": on_hand.map(|at| reader.sees(&report.sources[at].url)),
        "source_index": on_hand,
        "source_live": report.is_live,
        "source_beside": report.beside.and_then(|source| report.place(source)),
        "sources": sources,
        "faults": faults,
        "uptime_seconds": millis(now.duration_since(report.opened_at)),
        "bytes_streamed": report.bytes_sent,
        "bytes_received": report.bytes_received,
        "bytes_skipped": report.bytes_skipped,
        "source_ahead_seconds": millis(report.ahead.try_into().unwrap_or_default()),
        "read_pauses": report.read_pauses,
        "last_activity": seconds(report.last_activity),
        "bitrate": report.bitrate,
        "streams": report.streams,
        "upstream_connections_opened": report.upstreams_opened,
        "failovers": { "total": report.switches_total, "last": switches },
        "splices": report.output.splices,
        "codec_changes": report.output.codec_changes,
        "clock_jumps": report.output.clock_jumps,
        "keep_alives": report.output.keep_alives,
        "continuity_errors_in": report.input.continuity_errors,
        "continuity_errors_out": report.output.continuity_errors,
        "slow_viewers": { "moved_on": report.lagged.0, "bytes_missed": report.lagged.1 },
        "delivery": { "tick_ms": report.cadence.0.as_millis(), "interval_ms": report.cadence.1.as_millis() },
        "memory": { "store": report.store_bytes, "engine": report.engine_bytes },
        "buffer": { "seconds": millis(report.window.try_into().unwrap_or_default()), "bytes": report.window_bytes },
    })
}

/// What players by HLS are told.
fn output(playlist: &Playlist) -> Value {
    json!({
        "target_duration": playlist.target_duration,
        "media_sequence": playlist.media_sequence,
        "discontinuity_sequence": playlist.discontinuity_sequence,
        "segments": playlist.count(),
        "seconds": millis(playlist.length().try_into().unwrap_or_default()),
        "bytes": playlist.bytes(),
        "squeezed": playlist.squeezed,
    })
}

/// How an HLS source is followed.
fn hls(snapshot: &Snapshot) -> Value {
    let counts = &snapshot.counts;
    let variant = snapshot.variant.as_ref().map(|variant| {
        let resolution = variant.resolution.map(|(width, height)| format!("{width}x{height}"));
        json!({ "bandwidth": variant.bandwidth, "resolution": resolution, "codecs": variant.codecs })
    });
    json!({
        "variant": variant,
        "separate_audio": snapshot.has_audio,
        "audio_trouble": snapshot.sound_trouble,
        "target_duration": snapshot.target.as_secs_f64(),
        "media_sequence": snapshot.sequence,
        "playlists": counts.playlists,
        "playlists_unchanged": counts.unchanged,
        "playlists_older": counts.older,
        "segments": counts.segments,
        "segments_retried": counts.retries,
        "segments_skipped": counts.skipped,
        "segments_truncated": counts.truncated,
        "segments_repeated": counts.repeated,
        "gaps": counts.gaps,
        "restarts": counts.restarts,
        "renumbered": counts.renumbered,
        "windows_missed": counts.ran_past,
        "entry_requests": counts.entries,
        "variants_left": counts.variants_left,
        "variants_raised": counts.variants_raised,
        "audio_lost": counts.sounds_lost,
        "faults": counts.faults,
    })
}

fn past(past: Past) -> Value {
    json!({
        "seconds": millis(past.length.try_into().unwrap_or_default()),
        "bytes": past.bytes,
        "on_disk": past.is_on_disk,
    })
}

/// To the second, as in `2025-12-08T19:20:00Z`.
fn seconds(at: Timestamp) -> String {
    at.round(jiff::Unit::Second).unwrap_or(at).to_string()
}

/// Seconds with three decimals.
fn millis(span: jiff::SignedDuration) -> f64 {
    (span.as_secs_f64() * 1000.0).round() / 1000.0
}
