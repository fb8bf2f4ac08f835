//! Pushes: channels that are sent to servers elsewhere, and what services take.

use super::api::SHORT_BODY;
use super::operation::Operation;
use super::route::{Access, Route};
use crate::http::compatibility::{self, Compatibility};
use crate::http::pushes::{self, PushAction, PushDocument, PushList};
use crate::http::resources::{self, Resources};

/// Why a channel cannot be watched now.
const UNAVAILABLE: [&str; 6] =
    ["no_source", "provider_limit", "no_store", "closing", "database_busy", "no_database"];

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new("/api/pushes", Access::Operator).get(pushes::list, || {
            Operation::new("listPushes", "The pushes, and how they are")
                .json::<PushList>(200, "The pushes")
                .fails(403, &["forbidden"])
        }),
        Route::new("/api/pushes/{id}", Access::Operator)
            .get(pushes::one, || {
                Operation::new("getPush", "One push")
                    .json::<PushDocument>(200, "The push")
                    .fails(403, &["forbidden"])
                    .fails(404, &["unknown_push"])
            })
            .post(pushes::act, SHORT_BODY, || {
                Operation::new("actOnPush", "Starts, stops or restarts a push, at once")
                    .takes::<PushAction>()
                    .json::<PushDocument>(200, "The push")
                    .fails(400, &["bad_request"])
                    .fails(403, &["forbidden"])
                    .fails(404, &["unknown_push"])
                    .fails(408, &["body_timeout"])
                    .fails(413, &["body_too_large"])
                    .fails(415, &["unsupported_media_type"])
            }),
        Route::new("/api/resources", Access::Operator).get(resources::show, || {
            Operation::new("getResources", "What variants take of the processors, and what is free")
                .json::<Resources>(200, "The jobs and the machine")
                .fails(403, &["forbidden"])
        }),
        Route::new("/api/streams/{id}/compatibility", Access::Operator).stream(
            compatibility::of_channel,
            compatibility::head,
            || {
                Operation::new(
                    "getCompatibility",
                    "Whether a channel can be sent to a service as it is; watches it, which opens it",
                )
                .query(
                    "target",
                    "`youtube`, `twitch`, `facebook`, `kick` or `generic`, which it is if absent.",
                )
                .query("seconds", "How long to watch: 1 to 30, 30 if absent.")
                .json::<Compatibility>(200, "What has to be encoded, and why")
                .fails(400, &["bad_request"])
                .fails(403, &["forbidden"])
                .fails(404, &["unknown_channel", "unplayable_channel"])
                .fails(503, &UNAVAILABLE)
            },
        ),
    ]
}
