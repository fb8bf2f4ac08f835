//! The documents of the streaming and the monitoring APIs, field by field, as programs of other
//! servers expect them.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use forebay_testkit::client::{Answer, Request, get};
use forebay_testkit::platform::Platform;
use serde_json::{Value, json};

use self::Is::{Flag, List, Maybe, Number, Object, Text, Time, Word};
use crate::page_channels::relay;
use crate::page_files::{Hostile, MIB};
use crate::page_jobs::{send, wait};

/// What a field holds.
#[derive(Debug, Clone, Copy)]
enum Is {
    Text,
    /// RFC 3339.
    Time,
    Number,
    Flag,
    /// One of these words.
    Word(&'static [&'static str]),
    /// An object with these fields and no others.
    Object(&'static [(&'static str, Self)]),
    /// Of which each has these fields; at least one.
    List(&'static [(&'static str, Self)]),
    /// The same, or null.
    Maybe(&'static Self),
}

fn check(value: &Value, is: Is, at: &str) {
    match is {
        Text => assert!(value.is_string(), "{at}: {value}"),
        Time => {
            let text = value.as_str().unwrap_or_default();
            assert!(text.parse::<jiff::Timestamp>().is_ok(), "{at}: {value}");
        }
        Number => assert!(value.is_number(), "{at}: {value}"),
        Flag => assert!(value.is_boolean(), "{at}: {value}"),
        Word(words) => {
            let word = value.as_str().unwrap_or_default();
            assert!(words.contains(&word), "{at}: {value} is none of {words:?}");
        }
        Object(fields) => {
            let object = value.as_object().unwrap_or_else(|| panic!("{at}: {value}"));
            let names =
                |names: &mut dyn Iterator<Item = &str>| names.map(str::to_owned).collect::<BTreeSet<_>>();
            let there = names(&mut object.keys().map(String::as_str));
            assert_eq!(there, names(&mut fields.iter().map(|(name, _)| *name)), "{at}");
            for (name, is) in fields {
                check(&object[*name], *is, &format!("{at}.{name}"));
            }
        }
        List(fields) => {
            let list = value.as_array().unwrap_or_else(|| panic!("{at}: {value}"));
            assert!(!list.is_empty(), "{at} is empty");
            for one in list {
                check(one, Object(fields), at);
            }
        }
        Maybe(is) => {
            if !value.is_null() {
                check(value, *is, at);
            }
        }
    }
}

const LEVEL: Is = Word(&["healthy", "warning", "critical"]);
const NOT_USED: Is = Word(&["not_used"]);
const PLATFORM: Is = Word(&["youtube"]);

const VIDEO: &[(&str, Is)] = &[
    ("cached", Flag),
    ("description", Maybe(&Text)),
    ("duration", Maybe(&Number)),
    ("expires_at", Time),
    (
        "formats",
        List(&[
            ("bitrate", Maybe(&Number)),
            ("codec", Maybe(&Text)),
            ("ext", Text),
            ("filesize", Maybe(&Number)),
            ("format_id", Text),
            ("has_audio", Flag),
            ("quality", Text),
            ("resolution", Maybe(&Text)),
            ("url", Text),
        ]),
    ),
    ("id", Text),
    ("like_count", Maybe(&Number)),
    ("live_status", Maybe(&Text)),
    ("platform", PLATFORM),
    ("stale", Maybe(&Text)),
    ("thumbnail", Maybe(&Text)),
    ("title", Text),
    ("upload_date", Maybe(&Text)),
    ("uploader", Maybe(&Text)),
    ("view_count", Maybe(&Number)),
];

const SYSTEM_HEALTH: &[(&str, Is)] = &[
    (
        "memory",
        Object(&[("alloc_mb", Number), ("num_gc", Number), ("sys_mb", Number), ("total_alloc_mb", Number)]),
    ),
    ("services", Object(&[("redis", NOT_USED), ("yt-dlp", Word(&["available"]))])),
    ("status", Word(&["healthy"])),
    ("timestamp", Time),
    ("uptime", Text),
    ("version", Text),
];

const STREAM_METRICS: &[(&str, Is)] = &[
    ("active_streams", Number),
    ("average_latency_ms", Number),
    ("cache_hit_rate", Number),
    ("cache_hits", Number),
    ("cache_misses", Number),
    ("total_bytes_served", Number),
    ("total_requests", Number),
];

const REFUSED: &[(&str, Is)] =
    &[("code", Text), ("error", Text), ("reason", Text), ("success", Flag), ("timestamp", Time)];

const INFO_FORMAT: &[(&str, Is)] = &[
    ("acodec", Maybe(&Text)),
    ("ext", Text),
    ("filesize", Maybe(&Number)),
    ("format_id", Text),
    ("format_note", Maybe(&Text)),
    ("fps", Maybe(&Number)),
    ("has_audio", Flag),
    ("quality_label", Text),
    ("resolution", Maybe(&Text)),
    ("vcodec", Maybe(&Text)),
];

const VIDEO_INFO: &[(&str, Is)] = &[
    ("description", Maybe(&Text)),
    ("duration", Maybe(&Number)),
    ("formats", List(INFO_FORMAT)),
    ("id", Text),
    ("like_count", Maybe(&Number)),
    ("live_status", Maybe(&Text)),
    ("thumbnail", Maybe(&Text)),
    ("title", Text),
    ("upload_date", Maybe(&Text)),
    ("uploader", Maybe(&Text)),
    ("view_count", Maybe(&Number)),
    ("webpage_url", Text),
];

const ANALYZED: &[(&str, Is)] = &[
    ("progress", Number),
    (
        "result",
        Object(&[
            ("analysisCompletedAt", Time),
            ("available_formats", Number),
            ("platform", PLATFORM),
            ("requestId", Text),
            ("supportedFormatsCount", Number),
            ("total_formats", Number),
            ("videoInfo", Object(VIDEO_INFO)),
        ]),
    ),
    ("status", Word(&["completed"])),
];

const DOWNLOAD: &[(&str, Is)] = &[
    ("bytes", Number),
    ("createdAt", Time),
    ("endedAt", Maybe(&Time)),
    ("error", Maybe(&Text)),
    ("eta", Maybe(&Number)),
    ("fileUrl", Maybe(&Text)),
    ("formatId", Text),
    ("id", Number),
    ("page", Text),
    ("quality", Text),
    ("speed", Maybe(&Number)),
    ("state", Word(&["queued", "running", "paused", "completed", "failed", "cancelled"])),
    ("title", Text),
    ("total", Maybe(&Number)),
];

const TOKEN: &[(&str, Is)] = &[
    ("channel", Maybe(&Text)),
    ("createdAt", Time),
    ("expiresAt", Time),
    ("film", Maybe(&Text)),
    ("formatId", Maybe(&Text)),
    ("group", Maybe(&Text)),
    ("id", Number),
    ("owner", Text),
    ("title", Maybe(&Text)),
    ("videoUrl", Maybe(&Text)),
];

const QUEUE: &[(&str, Is)] = &[
    ("active", Number),
    ("completed", Number),
    ("delayed", Number),
    ("failed", Number),
    ("paused", Flag),
    ("prioritized", Number),
    ("waiting", Number),
];

const QUEUES: Is = Object(&[("streaming", Object(QUEUE)), ("videoAnalysis", Object(QUEUE))]);

const MEMORY: Is = Object(&[("percentage", Number), ("process", Text), ("total", Text), ("used", Text)]);

const SAMPLE: &[(&str, Is)] = &[
    ("activeStreams", Number),
    ("averageStreamDuration", Number),
    ("cacheHitRate", Number),
    ("cpuUsage", Object(&[("system", Number), ("user", Number)])),
    ("errorRate", Number),
    ("memoryUsage", Object(&[("reserved", Number), ("rss", Number)])),
    ("timestamp", Number),
    ("totalStreams", Number),
];

const MONITORING: &[(&str, &[(&str, Is)])] = &[
    (
        "health",
        &[
            (
                "checks",
                Object(&[
                    ("activeStreams", Object(&[("count", Number), ("status", LEVEL)])),
                    ("errorRate", Object(&[("rate", Number), ("status", LEVEL)])),
                    ("memory", Object(&[("status", LEVEL), ("usage", Number)])),
                    ("redis", Object(&[("connected", Flag), ("status", NOT_USED)])),
                    ("services", Object(&[("status", LEVEL)])),
                ]),
            ),
            ("status", LEVEL),
            ("timestamp", Time),
            ("uptime", Number),
            ("version", Text),
        ],
    ),
    ("metrics", &[("current", Object(SAMPLE)), ("memory", MEMORY), ("timestamp", Time)]),
    ("metrics/history?hours=24", &[("count", Number), ("metrics", List(SAMPLE)), ("period", Text)]),
    ("queues", &[("queues", QUEUES), ("timestamp", Time)]),
    (
        "tokens",
        &[
            (
                "statistics",
                Object(&[
                    ("made", Number),
                    ("refreshed", Number),
                    ("refused", Number),
                    ("revoked", Number),
                    ("totalActive", Number),
                ]),
            ),
            ("timestamp", Time),
        ],
    ),
    (
        "status",
        &[
            ("services", Object(&[("queues", QUEUES), ("redis", NOT_USED)])),
            (
                "streaming",
                Object(&[("activeStreams", Number), ("errorRate", Number), ("totalTokens", Number)]),
            ),
            ("system", Object(&[("memory", MEMORY), ("status", LEVEL), ("uptime", Number)])),
            ("timestamp", Time),
        ],
    ),
];

fn json_of(answer: &Answer, status: u16) -> Value {
    assert_eq!(answer.status, status, "{}", answer.text());
    answer.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_of_pages_are_as_programs_expect_them() {
    let platform = Platform::start().await;
    let relay = relay(&platform, "");
    let answer = async |path: &str, status| json_of(&get(relay.address(), path).await, status);
    let enveloped = |document: &Value, data: &'static [(&'static str, Is)]| {
        assert_eq!(document["success"], true);
        for (name, is) in [("message", Text), ("timestamp", Time), ("data", Object(data))] {
            check(&document[name], is, name);
        }
        assert_eq!(document.as_object().map(serde_json::Map::len), Some(4), "{document}");
    };
    let path = format!("/api/v2/videos/youtube/{}", Platform::id("good"));
    enveloped(&answer(&path, 200).await, VIDEO);
    enveloped(&answer("/api/v2/stream/metrics", 200).await, STREAM_METRICS);
    check(&answer("/api/v2/system/health", 200).await, Object(SYSTEM_HEALTH), "health");
    let path = format!("/api/v2/videos/youtube/{}", Platform::id("geo"));
    check(&answer(&path, 451).await, Object(REFUSED), "refused");
    let health = answer("/health", 200).await;
    for (name, is) in
        [("status", Word(&["healthy"])), ("timestamp", Time), ("version", Text), ("uptime", Text)]
    {
        check(&health[name], is, name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_of_streaming_and_monitoring_are_as_programs_expect_them() {
    let hostile = Hostile::start_at_speed(MIB, u32::MAX).await;
    let relay = relay(&hostile.platform, "");
    let address = relay.address();
    let url = Platform::page("file");

    let began = json_of(&send(address, "POST", "analyze", Some(json!({ "url": url }))).await, 200);
    let started = &[("estimatedTime", Number), ("jobId", Text), ("message", Text), ("requestId", Text)];
    check(&began, Object(started), "analyze");
    let path = format!("analyze/{}", began["requestId"].as_str().expect("an id"));
    let done = wait(address, &path, |document| {
        if document["status"] == "processing" {
            let fields = &[("message", Text), ("progress", Number), ("status", Text)];
            check(document, Object(fields), "processing");
        }
        document["status"] != "processing"
    });
    check(&done.await, Object(ANALYZED), "analyzed");
    let refused = json_of(&send(address, "GET", "analyze/77", None).await, 404);
    check(&refused, Object(&[("code", Text), ("error", Text)]), "unknown");
    let fields = json!({ "url": Platform::page("geo") });
    let refused = json_of(&send(address, "POST", "downloads", Some(fields)).await, 451);
    check(&refused, Object(&[("code", Text), ("error", Text), ("reason", Text)]), "refused");

    let fields = json!({ "videoUrl": url, "formatId": "18" });
    let made = json_of(&send(address, "POST", "token", Some(fields)).await, 200);
    check(
        &made,
        Object(&[("expiresAt", Time), ("message", Text), ("streamUrl", Text), ("token", Text)]),
        "token",
    );
    let tokens = json_of(&send(address, "GET", "tokens", None).await, 200);
    check(&tokens, Object(&[("count", Number), ("tokens", List(TOKEN))]), "tokens");
    let path = format!("token/{}/refresh", made["token"].as_str().expect("a token"));
    let refreshed = json_of(&send(address, "POST", &path, None).await, 200);
    check(&refreshed, Object(&[("expiresAt", Time), ("message", Text)]), "refresh");
    let path = path.trim_end_matches("/refresh").to_owned();
    check(&json_of(&send(address, "DELETE", &path, None).await, 200), Object(&[("message", Text)]), "revoke");

    let began = json_of(&send(address, "POST", "downloads", Some(json!({ "url": url }))).await, 201);
    check(&began, Object(DOWNLOAD), "download");
    let list = json_of(&send(address, "GET", "downloads", None).await, 200);
    check(&list, Object(&[("count", Number), ("downloads", List(DOWNLOAD))]), "downloads");
    monitor(address).await;
}

async fn monitor(address: SocketAddr) {
    let path = |name: &str| format!("/api/monitoring/{name}");
    // The first minute is written at the start.
    let written = async || {
        while get(address, &path("metrics/history")).await.json()["count"] == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), written()).await.expect("it is written");
    for (name, fields) in MONITORING {
        let answer = get(address, &path(name)).await;
        // Whoever tests on a machine that is full finds it critical.
        let status = if *name == "health" { answer.status } else { 200 };
        check(&json_of(&answer, status), Object(fields), name);
    }
    assert_eq!(get(address, &path("metrics/history?hours=25")).await.status, 400);
    let cleaned = Request::new("POST", address, &path("cleanup")).send().await.expect("it answers");
    check(
        &json_of(&cleaned, 200),
        Object(&[
            ("downloadsRemoved", Number),
            ("expiredTokensRemoved", Number),
            ("jobsRemoved", Number),
            ("message", Text),
            ("metricsRemoved", Number),
            ("timestamp", Time),
        ]),
        "cleanup",
    );
}
