//! Tokens of streams.

use std::time::Duration;

use super::operation::Operation;
use super::route::{Access, Cors, Route};
use crate::http::extract::BodyLimits;
use crate::http::streaming::{self, Done, StreamingError, TokenFields, TokenList, TokenMade, TokenRefreshed};

/// A channel, a group, a title.
const BODY: BodyLimits = BodyLimits { bytes: 8 << 10, time: Duration::from_secs(30) };

/// The refusals in the shape of these routes.
fn refuses(operation: Operation, statuses: &[(u16, &str)]) -> Operation {
    statuses
        .iter()
        .fold(operation, |operation, (status, codes)| operation.json::<StreamingError>(*status, codes))
}

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new("/api/streaming/token", Access::Viewer).counted_by_owner().post(
            streaming::create,
            BODY,
            || {
                let operation =
                    Operation::new("createStreamToken", "Makes a token that plays for half an hour")
                        .takes::<TokenFields>()
                        .json::<TokenMade>(200, "The token, which is shown now and never again")
                        .fails(401, &["unauthorized"])
                        .fails(408, &["body_timeout"])
                        .fails(413, &["body_too_large"])
                        .fails(415, &["unsupported_media_type"]);
                refuses(
                    operation,
                    &[
                        (400, "`VALIDATION_FAILED`"),
                        (403, "`FORBIDDEN`"),
                        (404, "`CHANNEL_NOT_FOUND`, `GROUP_NOT_FOUND`"),
                        (429, "`RATE_LIMIT_EXCEEDED`, `SUBSCRIPTION_LIMIT_EXCEEDED`"),
                        (503, "`DATABASE_UNAVAILABLE`"),
                    ],
                )
            },
        ),
        Route::new("/api/streaming/token/{token}", Access::Viewer).counted_by_owner().delete(
            streaming::revoke,
            || {
                own(Operation::new("revokeStreamToken", "Ends a token, and whoever watches by it"))
                    .json::<Done>(200, "It is over")
            },
        ),
        Route::new("/api/streaming/token/{token}/refresh", Access::Viewer).counted_by_owner().act(
            streaming::refresh,
            || {
                own(Operation::new("refreshStreamToken", "Lets a token live on, up to a day in all"))
                    .json::<TokenRefreshed>(200, "Until when")
            },
        ),
        Route::new("/api/streaming/tokens", Access::Viewer).counted_by_owner().get(streaming::list, || {
            Operation::new("listStreamTokens", "The tokens of whoever asks that are good now")
                .query("all", "`true` for those of everybody: for admins who are signed in.")
                .json::<TokenList>(200, "Without themselves")
                .fails(401, &["unauthorized"])
        }),
        Route::new("/api/streaming/stream/{token}", Access::Viewer).cors(Cors::Answers).stream(
            streaming::stream,
            streaming::head,
            || {
                let operation =
                    Operation::new("playStreamToken", "What a token is good for, as endless MPEG-TS")
                        .query("channel", "The channel, where the token is for a group.")
                        .sends(200, "video/mp2t", "The stream, once there is a picture")
                        .fails(401, &["unauthorized"])
                        .fails(403, &["bound_token"])
                        .fails(429, &["address_limit", "stream_limit"]);
                refuses(operation, &[(400, "`VALIDATION_FAILED`"), (404, "`CHANNEL_NOT_FOUND`")])
            },
        ),
    ]
}

/// Of one's own token, by itself or by its number.
fn own(operation: Operation) -> Operation {
    let operation = operation.fails(401, &["unauthorized"]);
    refuses(operation, &[(404, "`TOKEN_NOT_FOUND`"), (503, "`DATABASE_UNAVAILABLE`")])
}
