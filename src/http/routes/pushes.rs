//! Pushes: channels that are sent to servers elsewhere.

use super::api::SHORT_BODY;
use super::operation::Operation;
use super::route::{Access, Route};
use crate::http::pushes::{self, PushAction, PushDocument, PushList};

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
    ]
}
