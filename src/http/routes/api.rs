//! Documents as JSON, and what changes something.

use std::time::Duration;

use super::operation::Operation;
use super::route::{Access, Route};
use super::{NO_DATABASE, openapi};
use crate::http::channels::{self, ChannelInList, ChannelList};
use crate::http::events::{self, HistoryDocument, Now};
use crate::http::extract::BodyLimits;
use crate::http::films::{
    self, FilmLinkMade, GenerateHls, LinkFields, StreamConfig, VideoList, VideoServerStatus,
};
use crate::http::jobs::JobDocument;
use crate::http::logo;
use crate::http::relays::{self, RelayDocument, RelayFields, RelayList};
use crate::http::source_override::{self, SourceChoice};
use crate::http::status::{self, ChannelStatus, Status};
use crate::http::viewers::{self, ViewerList};

/// Forty bytes say which source is wanted or whether a job begins anew, and may be written with
/// room to spare. They may take as long as a request head.
pub(super) const SHORT_BODY: BodyLimits = BodyLimits { bytes: 1024, time: Duration::from_secs(30) };

/// 32 sources with long addresses and 32 header fields each.
const RELAY_BODY: BodyLimits = BodyLimits { bytes: 256 << 10, time: Duration::from_secs(30) };

/// What writes a relay: its body, and the refusals of such.
fn takes_relay(operation: Operation) -> Operation {
    operation
        .takes::<RelayFields>()
        .fails(400, &["bad_request"])
        .fails(403, &["forbidden"])
        .fails(408, &["body_timeout"])
        .fails(409, &["taken", "in_configuration"])
        .fails(413, &["body_too_large"])
        .fails(415, &["unsupported_media_type"])
        .fails(422, &["invalid_fields"])
        .fails(503, NO_DATABASE)
        .fails(507, &["disk_full"])
}

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new("/api/channels", Access::Viewer).get(channels::list, || {
            Operation::new("listChannels", "The channels, a part of the list at a time")
                .query("search", "Only channels whose name or group holds each of these words.")
                .query("offset", "How many to pass over: 0 unless given.")
                .query("limit", "How many to list: 1 to 200, 50 unless given.")
                .json::<ChannelList>(200, "The channels that match")
                .fails(503, NO_DATABASE)
        }),
        Route::new("/api/channels/{id}", Access::Viewer).get(channels::one, || {
            Operation::new("getChannel", "One channel, and its neighbours in the list")
                .json::<ChannelInList>(200, "The channel")
                .fails(404, &["unknown_channel", "unplayable_channel"])
                .fails(503, NO_DATABASE)
        }),
        Route::new("/api/channels/{id}/logo", Access::Viewer).get(logo::logo, || {
            Operation::new("getLogo", "The channel's logo")
                .sends(200, "image/*", "The picture")
                .fails(404, &["unknown_channel", "unplayable_channel", "no_logo"])
                .fails(503, &["logo_busy", "database_busy", "no_database", "closing"])
        }),
        Route::new("/logo/{id}/{mark}", Access::Viewer).get(logo::marked, || {
            Operation::new("getMarkedLogo", "The channel's logo, at an address that changes with it")
                .sends(200, "image/*", "The picture")
                .leads(302, "To the address of the logo that the channel has now")
                .fails(401, &["unauthorized"])
                .fails(403, &["not_allowed"])
                .fails(404, &["unknown_channel", "unplayable_channel", "no_logo"])
                .fails(503, &["logo_busy", "database_busy", "no_database", "closing"])
        }),
        Route::new("/api/streams/status", Access::Public).get(status::all, || {
            Operation::new("getStatus", "The channels that are open, the providers and the server")
                .query("urls", "`full` for the whole addresses of sources: for operators.")
                .json::<Status>(200, "At most 20 ms old")
        }),
        Route::new("/api/streams/{id}/status", Access::Public).get(status::one, || {
            Operation::new("getChannelStatus", "One channel, open or not")
                .query("urls", "`full` for the whole addresses of sources: for operators.")
                .json::<ChannelStatus>(200, "The channel")
                .fails(404, &["unknown_channel", "unplayable_channel"])
                .fails(503, NO_DATABASE)
        }),
        Route::new("/api/streams/{id}/events", Access::Operator).get(events::of_channel, || {
            Operation::new("listChannelEvents", "What has happened to a channel lately")
                .json::<HistoryDocument>(200, "The latest fifty events")
                .fails(403, &["forbidden"])
                .fails(404, &["unknown_channel", "unplayable_channel"])
                .fails(503, NO_DATABASE)
        }),
        Route::new("/api/streams/{id}/source", Access::Operator).post(
            source_override::override_source,
            SHORT_BODY,
            || {
                Operation::new("chooseSource", "Chooses the source of a channel")
                    .takes::<SourceChoice>()
                    .json::<ChannelStatus>(200, "The channel's status")
                    .fails(400, &["bad_request"])
                    .fails(403, &["forbidden"])
                    .fails(404, &["unknown_channel", "unplayable_channel"])
                    .fails(408, &["body_timeout"])
                    .fails(409, &["no_other_source"])
                    .fails(413, &["body_too_large"])
                    .fails(415, &["unsupported_media_type"])
                    .fails(422, &["no_such_source"])
                    .fails(503, NO_DATABASE)
            },
        ),
        Route::new("/api/viewers", Access::Operator).get(viewers::list, || {
            Operation::new("listViewers", "Who watches now, a part of the list at a time")
                .query("title", "Only viewers of the channel or the film with this id.")
                .query("after", "The `id` behind which the part begins: the first one unless given.")
                .query("limit", "How many to list: 1 to 500, 100 unless given.")
                .json::<ViewerList>(200, "A part of the viewers")
                .fails(403, &["forbidden"])
        }),
        Route::new("/api/viewers/{viewer}", Access::Operator).delete(viewers::end, || {
            Operation::new("endViewer", "Ends what a viewer watches")
                .leads(204, "It has ended; its player is refused for a minute")
                .fails(403, &["forbidden"])
                .fails(404, &["unknown_viewer"])
        }),
        Route::new("/api/events", Access::Operator).get(events::listen, || {
            Operation::new("listen", "What is on now, a message a second (Server-Sent Events)")
                .messages::<Now<'_>>("The messages: each line of `data:` is such a document")
                .fails(403, &["forbidden"])
                .fails(503, &["too_many_listeners"])
        }),
        Route::new("/api/relays", Access::Operator)
            .get(relays::list, || {
                Operation::new("listRelays", "The relays, a part of the list at a time")
                    .query("after", "The `id` behind which the part begins: the first one unless given.")
                    .query("limit", "How many to list: 1 to 500, 100 unless given.")
                    .json::<RelayList>(200, "A part of the list")
                    .fails(403, &["forbidden"])
                    .fails(503, NO_DATABASE)
            })
            .post(relays::create, RELAY_BODY, || {
                takes_relay(Operation::new("createRelay", "Creates a relay, which can be watched at once"))
                    .json::<RelayDocument>(201, "The relay")
            }),
        Route::new("/api/relays/{id}", Access::Operator)
            .get(relays::one, || {
                Operation::new("getRelay", "One relay")
                    .json::<RelayDocument>(200, "The relay")
                    .fails(403, &["forbidden"])
                    .fails(404, &["unknown_relay"])
                    .fails(503, NO_DATABASE)
            })
            .put(relays::replace, RELAY_BODY, || {
                takes_relay(Operation::new("replaceRelay", "Makes a relay anew"))
                    .json::<RelayDocument>(200, "The relay")
                    .fails(404, &["unknown_relay"])
            })
            .patch(relays::change, RELAY_BODY, || {
                takes_relay(Operation::new(
                    "changeRelay",
                    "Changes what is named; null takes away (RFC 7396)",
                ))
                .json::<RelayDocument>(200, "The relay")
                .fails(404, &["unknown_relay"])
            })
            .delete(relays::remove, || {
                Operation::new("deleteRelay", "Removes a relay and ends its viewers")
                    .leads(204, "It is gone")
                    .fails(403, &["forbidden"])
                    .fails(404, &["unknown_relay"])
                    .fails(503, NO_DATABASE)
                    .fails(507, &["disk_full"])
            }),
        Route::new("/api/v1/videos", Access::Viewer).get(films::list, || {
            Operation::new("listVideos", "The films, a part of the list at a time")
                .query("search", "Only films whose titles hold this.")
                .query("offset", "How many to pass over: 0 unless given.")
                .query("limit", "How many to list: 1 to 200, 50 unless given.")
                .json::<VideoList>(200, "The films that match")
        }),
        Route::new("/api/v1/videos/{video}/stream-config", Access::Viewer).get(films::stream_config, || {
            Operation::new("getStreamConfig", "How a film is played")
                .json::<StreamConfig>(200, "Its addresses and qualities")
                .fails(403, &["not_allowed"])
                .fails(404, &["unknown_video"])
                .fails(409, &["not_in_parts"])
                .fails(503, &["unreadable_video"])
        }),
        Route::new("/api/v1/videos/{video}/generate-hls", Access::Operator).post(
            films::generate_hls,
            SHORT_BODY,
            || {
                Operation::new("generateHls", "Has smaller copies of a film made, and does not wait for them")
                    .may_take::<GenerateHls>()
                    .json::<JobDocument>(202, "The job; where one was under way, that one")
                    .fails(400, &["bad_request"])
                    .fails(403, &["forbidden"])
                    .fails(404, &["unknown_video"])
                    .fails(408, &["body_timeout"])
                    .fails(409, &["not_in_parts"])
                    .fails(413, &["body_too_large"])
                    .fails(415, &["unsupported_media_type"])
                    .fails(503, &[NO_DATABASE, &["queue_full"]].concat())
                    .fails(507, &["disk_full"])
            },
        ),
        Route::new("/api/v1/videos/{video}/link", Access::Operator).post(
            films::sign_link,
            SHORT_BODY,
            || {
                Operation::new("signFilmLink", "Signs a link by which whoever has it watches a film")
                    .may_take::<LinkFields>()
                    .json::<FilmLinkMade>(201, "Its addresses, which are not to be had again")
                    .fails(400, &["bad_request"])
                    .fails(403, &["forbidden"])
                    .fails(404, &["unknown_video"])
                    .fails(408, &["body_timeout"])
                    .fails(413, &["body_too_large"])
                    .fails(415, &["unsupported_media_type"])
                    .fails(503, NO_DATABASE)
                    .fails(507, &["disk_full"])
            },
        ),
        Route::new("/api/v1/video-server/status", Access::Viewer).get(films::status, || {
            Operation::new("getVideoServerStatus", "Whether films are offered, where, and figures of that")
                .json::<VideoServerStatus>(200, "This server")
        }),
        Route::new("/api/openapi.json", Access::Public).get(openapi, || {
            Operation::new("getOpenApi", "This document").sends(200, "application/json", "OpenAPI 3.1")
        }),
    ]
}
