//! What players use: channels as streams, and lists of them.

use super::NO_DATABASE;
use super::operation::Operation;
use super::route::{Access, Cors, Route};
use crate::http::extract::{ById, ByNumberOrId, ByPlayerFile};
use crate::http::{catchup, epg, films, lineup, xtream};

/// Why a channel is not to be had now, as one long answer or as what it has kept.
const UNAVAILABLE: [&str; 10] = [
    "no_source",
    "provider_limit",
    "no_cpu",
    "channel_full",
    "no_bandwidth",
    "no_store",
    "closing",
    "database_busy",
    "no_database",
    "session_limit",
];

/// The same, and one more reason.
fn unavailable_or(reason: &'static str) -> Vec<&'static str> {
    UNAVAILABLE.into_iter().chain([reason]).collect()
}

/// Why a segment is not to be had now.
const OF_SEGMENTS: [&str; 7] = [
    "channel_full",
    "provider_limit",
    "no_bandwidth",
    "session_limit",
    "closing",
    "database_busy",
    "no_database",
];

/// Why a provider's archive is not passed on.
const ARCHIVE_FAILED: &[&str] = &["archive_failed"];

/// How an archive is asked for.
const ARCHIVE: &str =
    "What the channel has kept, or its provider, from this moment on, in seconds since 1970.";
/// By which ids a list names the programmes.
const GRACENOTE: &str = "`gracenote` for the ids of Gracenote where they are known, else ours.";
const LENGTH: &str = "How much of that, in seconds.";

pub(super) fn routes() -> Vec<Route> {
    [stream_routes(), guide_routes(), panel_routes()].into_iter().flatten().collect()
}

/// What players of Xtream Codes ask besides `/live/…`.
fn panel_routes() -> Vec<Route> {
    vec![
        Route::new("/movie/{user}/{password}/{id}", Access::Viewer).cors(Cors::Answers).stream(
            xtream::movie,
            xtream::head_movie,
            || {
                film("watchFilmAsUser", "A film by its number, for a user; anything may stand behind a dot")
                    .sends(200, "video/mp4", "The file")
                    .sends(206, "video/mp4", "The range that `Range` names")
                    .leads(304, "The file that `If-None-Match` names")
                    .leads(416, "The file has nothing of what `Range` names")
            },
        ),
        Route::new("/timeshift/{user}/{password}/{minutes}/{start}/{id}", Access::Viewer)
            .cors(Cors::Answers)
            .stream(catchup::of_panel, catchup::of_panel, || {
                archive(Operation::new(
                    "watchArchiveAsUser",
                    "What a channel has shown, for a user: so many minutes from `2026-01-31:18-30` on, in UTC",
                ))
                .leads(302, "To the playlist, with `.m3u8`")
            }),
        Route::new("/player_api.php", Access::Public)
            .cors(Cors::Answers)
            .get(xtream::player_api, || panel("askPanel", "What players of Xtream Codes ask"))
            .act(xtream::player_api, || {
                panel("postPanel", "The same with the words as a form")
                    .fails(408, &["body_timeout"])
                    .fails(413, &["body_too_large"])
            }),
        Route::new("/get.php", Access::Viewer).cors(Cors::Answers).get(xtream::list, || {
            credentials(Operation::new("getPanelList", "The channels as the M3U list of a panel"))
                .query("output", "`m3u8` for HLS, else MPEG-TS.")
                .query("type", "`m3u` for names alone.")
                .query("id", GRACENOTE)
                .sends(200, "audio/x-mpegurl", "The list")
        }),
        Route::new("/xmltv.php", Access::Viewer).cors(Cors::Answers).get(epg::xmltv, || {
            guide(credentials(Operation::new("getPanelGuide", "The guide in XMLTV")))
                .query("gzip", "`1` for the packed file.")
        }),
    ]
}

/// What is on, for players.
fn guide_routes() -> Vec<Route> {
    vec![
        Route::new("/epg.xml", Access::Viewer)
            .cors(Cors::Answers)
            .get(epg::xml, || guide(Operation::new("getGuide", "What is on, in XMLTV"))),
        Route::new("/epg.xml.gz", Access::Viewer).cors(Cors::Answers).get(epg::packed, || {
            Operation::new("getPackedGuide", "The same, packed with gzip")
                .sends(200, "application/gzip", "The document")
                .leads(304, "The document that `If-None-Match` names")
                .fails(401, &["unauthorized"])
                .fails(503, &["guide_busy", "no_guide", "database_busy", "no_database"])
        }),
    ]
}

fn stream_routes() -> Vec<Route> {
    vec![
        Route::new("/stream/{id}", Access::Viewer).cors(Cors::Answers).stream(
            catchup::watch,
            catchup::watch,
            || {
                live(
                    "watchChannel",
                    "The channel as endless MPEG-TS; `.ts` may stand behind its id. The file of a film",
                )
                .sends(206, "video/mp4", "The range of the file that `Range` names")
                .query("format", "`ts`: a film as an MPEG transport stream, without ranges.")
                .leads(304, "The file that `If-None-Match` names")
                .leads(416, "The file has nothing of what `Range` names")
                .fails(503, &unavailable_or("unreadable_video"))
            },
        ),
        Route::new("/api/proxy/channel/{id}", Access::Viewer).cors(Cors::Answers).stream(
            catchup::watch_channel::<ByNumberOrId>,
            catchup::watch_channel::<ByNumberOrId>,
            || live("watchChannelByNumber", "The channel as endless MPEG-TS, by id or by number"),
        ),
        Route::new("/stream/{id}/hls", Access::Viewer).cors(Cors::Transfers).stream(
            catchup::watch_by_hls::<ById>,
            catchup::watch_by_hls::<ById>,
            || playlist("getPlaylist", "The channel's HLS playlist"),
        ),
        Route::new("/stream/{id}/index.m3u8", Access::Viewer).cors(Cors::Transfers).stream(
            catchup::watch_by_hls::<ById>,
            catchup::watch_by_hls::<ById>,
            || playlist("getPlaylistFile", "The channel's HLS playlist"),
        ),
        Route::new("/api/proxy/channel/{id}/hls", Access::Viewer).cors(Cors::Transfers).stream(
            catchup::watch_by_hls::<ByNumberOrId>,
            catchup::watch_by_hls::<ByNumberOrId>,
            || playlist("getPlaylistByNumber", "The channel's HLS playlist, by id or by number"),
        ),
        Route::new("/stream/{id}/hls/{segment}", Access::Viewer).cors(Cors::Transfers).stream(
            catchup::segment,
            catchup::segment,
            || segment("getSegment"),
        ),
        Route::new("/api/proxy/channel/{id}/hls/{segment}", Access::Viewer).cors(Cors::Transfers).stream(
            catchup::segment,
            catchup::segment,
            || segment("getSegmentByNumber"),
        ),
        Route::new("/hls/{video}/{file}", Access::Viewer).cors(Cors::Transfers).get(films::playlist, || {
            film("getFilmPlaylist", "A playlist of a film: `master.m3u8`, and those that it names; or `poster.jpg`, or `thumbnails.vtt`")
                .query("format", "`ts`: the playlist for players that take MPEG-TS alone.")
                .sends(200, "application/vnd.apple.mpegurl", "The playlist")
                .leads(304, "The playlist that `If-None-Match` names")
        }),
        Route::new("/hls/{video}/{rendition}/{segment}", Access::Viewer).cors(Cors::Transfers).get(
            films::segment,
            || {
                film("getFilmSegment", "A segment of a film")
                    .sends(200, "video/mp4", "The segment")
                    .sends(206, "video/mp4", "The range that `Range` names")
                    .leads(304, "The segment that `If-None-Match` names")
                    .leads(416, "The segment has nothing of what `Range` names")
            },
        ),
        Route::new("/dash/{video}/manifest.mpd", Access::Viewer).cors(Cors::Transfers).get(
            films::dash,
            || {
                film("getFilmManifest", "The DASH manifest of a film")
                    .sends(200, "application/dash+xml", "The manifest")
                    .leads(304, "The manifest that `If-None-Match` names")
            },
        ),
        Route::new("/live/{user}/{password}/{id}", Access::Viewer).cors(Cors::Answers).stream(
            catchup::watch_channel::<ByPlayerFile>,
            catchup::watch_channel::<ByPlayerFile>,
            || {
                live(
                    "watchAsUser",
                    "The channel by id or number, for a user; `.ts` or `.m3u8` may stand behind it",
                )
                .leads(302, "To the playlist, with `.m3u8`")
            },
        ),
        Route::new("/stream/{id}/channel.m3u", Access::Viewer).get(lineup::one, || {
            list("getChannelList", "A list of this channel alone, as a file that opens in a player")
                .fails(404, &["unknown_channel", "unplayable_channel"])
                .fails(503, NO_DATABASE)
        }),
        Route::new("/playlist.m3u", Access::Viewer).get(lineup::playlist, || {
            list("getLineup", "All channels as an M3U list")
                .query("group", "Only channels of this group; may be given several times.")
        }),
    ]
}

/// What a channel has kept.
fn archive(operation: Operation) -> Operation {
    of_archive(operation)
        .sends(200, "video/mp2t", "The time that was asked for, as far as it is kept")
        .fails(401, &["unauthorized"])
        .fails(403, &["not_allowed", "ended"])
        .fails(404, &["unknown_channel", "unplayable_channel", "no_archive"])
        .fails(409, &["overtaken"])
        .fails(429, &["address_limit", "stream_limit"])
        .fails(502, ARCHIVE_FAILED)
        .fails(
            503,
            &["provider_limit", "no_bandwidth", "session_limit", "database_busy", "no_database", "closing"],
        )
}

/// How a part of that is asked for, at the channel's own address.
fn asks_for_archive(operation: Operation) -> Operation {
    operation
        .query("utc", ARCHIVE)
        .query("duration", LENGTH)
        .query("utcend", "Instead of `duration`: where it ends, in seconds since 1970.")
        .query("lutc", "The same, as players say it that send the present.")
}

/// What is answered besides if it is a file.
fn of_archive(operation: Operation) -> Operation {
    operation
        .sends(206, "video/mp2t", "The range of the archive that `Range` names")
        .fails(400, &["bad_request"])
        .leads(416, "The file has nothing of what `Range` names")
}

fn live(id: &str, summary: &str) -> Operation {
    of_archive(asks_for_archive(Operation::new(id, summary)))
        .query("token", "A user's stream key, or a key of a program.")
        .query("offset", "How far behind live to begin: seconds, or a duration such as `10m`.")
        .sends(200, "video/mp2t", "The stream, once there is a picture")
        .fails(401, &["unauthorized"])
        .fails(403, &["not_allowed", "ended"])
        .fails(404, &["unknown_channel", "unplayable_channel", "no_archive"])
        .fails(429, &["address_limit", "stream_limit"])
        .fails(502, ARCHIVE_FAILED)
        .fails(503, &UNAVAILABLE)
}

fn playlist(id: &str, summary: &str) -> Operation {
    asks_for_archive(Operation::new(id, summary))
        .query("token", "A user's stream key, or a key of a program; else what the requests of one player have in common.")
        .query("dvr", "How much of the time-shift to name: seconds, or a duration such as `1h`.")
        .query("list", "`short` for the list of short segments, to which the playlist leads some players.")
        .sends(200, "application/vnd.apple.mpegurl", "The playlist, once a player can begin")
        .leads(304, "The playlist that `If-None-Match` names")
        .fails(400, &["bad_request"])
        .fails(401, &["unauthorized"])
        .fails(403, &["not_allowed", "ended"])
        .fails(404, &["unknown_channel", "unplayable_channel", "no_archive"])
        .fails(409, &["not_in_parts"])
        .fails(429, &["address_limit", "stream_limit"])
        .fails(503, &unavailable_or("no_segment"))
}

fn segment(id: &str) -> Operation {
    Operation::new(id, "A segment of the playlist")
        .query("token", "A user's stream key, or a key of a program.")
        .query("catchup", "Set in the playlist of an archive: whoever asks watches the past.")
        .sends(200, "video/mp2t", "The segment; without a length while it is being made")
        .sends(206, "video/mp2t", "The range that `Range` names")
        .fails(401, &["unauthorized"])
        .fails(403, &["not_allowed", "ended"])
        .fails(404, &["unknown_channel", "unplayable_channel", "no_segment", "no_archive"])
        .fails(409, &["overtaken"])
        .leads(416, "The segment has nothing of what `Range` names")
        .fails(429, &["address_limit", "stream_limit"])
        .fails(502, ARCHIVE_FAILED)
        .fails(503, &OF_SEGMENTS)
}

fn film(id: &str, summary: &str) -> Operation {
    Operation::new(id, summary)
        .query("token", "A user's stream key, or a key of a program.")
        .fails(401, &["unauthorized"])
        .fails(403, &["not_allowed"])
        .fails(404, &["unknown_video", "no_part"])
        .fails(409, &["not_in_parts", "not_in_packets"])
        .fails(429, &["address_limit", "stream_limit"])
        .fails(
            503,
            &["unreadable_video", "segment_memory", "no_picture_yet", "no_bandwidth", "session_limit"],
        )
}

fn panel(id: &str, summary: &str) -> Operation {
    credentials(Operation::new(id, summary))
        .query("action", "`get_live_streams` and the like; the account where it is none of them.")
        .query("category_id", "Only what is in this category.")
        .query("vod_id", "The film that is asked about.")
        .query("stream_id", "The channel whose programmes are asked for.")
        .sends(200, "application/json", "As panels answer; `auth` is 0 for a wrong password")
        .fails(503, NO_DATABASE)
}

fn credentials(operation: Operation) -> Operation {
    operation
        .query("username", "The name of a user.")
        .query("password", "The password of the user, or the stream key.")
        .fails(401, &["unauthorized"])
        .fails(429, &["too_many_tries"])
}

fn guide(operation: Operation) -> Operation {
    operation
        .sends(200, "application/xml", "The document")
        .leads(304, "The document that `If-None-Match` names")
        .fails(401, &["unauthorized"])
        .fails(503, &["guide_busy", "no_guide", "database_busy", "no_database"])
}

fn list(id: &str, summary: &str) -> Operation {
    Operation::new(id, summary)
        .query("id", GRACENOTE)
        .query("format", "`hls` for addresses of HLS playlists, else of MPEG-TS.")
        .sends(200, "audio/x-mpegurl", "The list")
}
